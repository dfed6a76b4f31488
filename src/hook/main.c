/*
 * ~ runnerhub-hook: what a runner starts for each container command of a job
 * (ACTIONS_RUNNER_CONTAINER_HOOKS). One request on stdin, one answer, an exit
 * code. Read conversation.c for the runner's side, backend.h for the seam,
 * hub.c and direct.c for what is behind it. The runner's job hooks and the
 * keeper of a session are the same program.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "hook/conversation.h"
#include "hook/direct.h"
#include "hook/hub.h"
#include "hook/job_hook.h"
#include "hook/keeper.h"
#include "hook/output.h"
#include "hook/signals.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* The runner writes its line at once; one that is started by hand and waits
 * for a person at a terminal gets the usage instead. */
#define REQUEST_MS INT64_C(60000)

static int converse(int *ret_exit_code, struct err *err)
{
	CLEANUP(envelope_fini) struct hook_envelope request = {.doc = NULL};
	CLEANUP(direct_free) struct direct *direct = NULL;
	CLEANUP(hub_mode_free) struct hub_mode *hub = NULL;
	struct hook_settings settings;
	struct backend backend;
	struct ctx root = ctx_root(), ctx, waiting;

	TRY(signals_init(err));
	TRY(settings_read(&settings, err));
	ctx = ctx_with_cancel(&root, signals_first());
	waiting = ctx_with_timeout(&ctx, REQUEST_MS);
	if (conversation_read(STDIN_FILENO, &waiting, &request, err) != 0)
		return err_wrap(err, "read the runner's request");
	if (settings.direct) {
		TRY(direct_new(&direct, &settings, err));
		backend = direct_backend(direct);
	} else {
		TRY(hub_mode_new(&hub, &settings, err));
		backend = hub_mode_backend(hub);
	}
	if (conversation_run(&backend, &ctx, &request, ret_exit_code, err) != 0)
		return err_wrap(err, "%s", hook_command_name(request.command));
	return 0;
}

static int usage(void)
{
	fputs("runnerhub-hook is started by a GitHub Actions runner: set\n"
	      "ACTIONS_RUNNER_CONTAINER_HOOKS to runnerhub-hook.sh in the\n"
	      "runner's environment. See docs/HOOKS.md.\n"
	      "\n"
	      "runnerhub-hook job-started | job-completed: a job hook of the\n"
	      "runner, see the same.\n",
	    stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int exit_code = 0;

	client_become_tls("runnerhub-hook", argv);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("runnerhub-hook " RUNNERHUB_VERSION);
		return 0;
	}
	if (argc == 2 && (strcmp(argv[1], "job-started") == 0 ||
			     strcmp(argv[1], "job-completed") == 0))
		return job_hook_main(argv[1]);
	if (argc == 3 && strcmp(argv[1], "keep") == 0)
		return keeper_main(argv[2]);
	if (argc > 1 || isatty(STDIN_FILENO))
		return usage();
	if (converse(&exit_code, &err) == 0)
		return exit_code;
	output_error("%s", err.msg);
	return EXIT_FAILED;
}
