/*
 * ~ runnerhub-worker: stands in place of bin/Runner.Worker of a GitHub
 * Actions runner. The runner's listener starts it for each job, with two
 * pipes; it lets the job run in a fresh container of the hub and ends with
 * the exit code of the real worker in there. Go on with relay.c.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/parse.h"
#include "client/client.h"
#include "worker/relay.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* How `runnerhub proxy` knows this program from a runner's own worker; kept
 * in the file, whatever it is called. */
static const char mark[] __attribute__((used)) =
    "runnerhub-worker: the relay in place of Runner.Worker";

static int usage(void)
{
	fputs("runnerhub-worker is started by the listener of a GitHub "
	      "Actions\nrunner, in place of its bin/Runner.Worker: see "
	      "`runnerhub proxy install`\nand docs/PROXY-RUNNERS.md.\n",
	    stderr);
	return EXIT_USAGE;
}

/* A job's secrets pass through this process: nobody may look into it, and it
 * leaves no core file. */
static int shut_the_blinds(void)
{
	struct rlimit none = {0, 0};

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    setrlimit(RLIMIT_CORE, &none) != 0) {
		perror("runnerhub-worker: forbid core files");
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	CLEANUP(settings_fini) struct settings settings = {0};
	struct err err = ERR_INIT;
	int64_t fd_in, fd_out;

	client_become_tls("runnerhub-worker", argv);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("runnerhub-worker " RUNNERHUB_VERSION);
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "spawnclient") != 0 ||
	    parse_int(argv[2], 0, 65535, &fd_in) != 0 ||
	    parse_int(argv[3], 0, 65535, &fd_out) != 0)
		return usage();
	if (shut_the_blinds() != 0)
		return EXIT_FAILED;
	if (settings_read(&settings, argv[0], &err) != 0) {
		fprintf(stderr, "runnerhub-worker: %s\n", err.msg);
		return EXIT_FAILED;
	}
	return relay_run(&settings, (int)fd_in);
}
