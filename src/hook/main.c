/*
 * ~ runnerhub-hook: what a runner starts for each container command of a job
 * (ACTIONS_RUNNER_CONTAINER_HOOKS). One request on stdin, one answer, an exit
 * code. Read conversation.c for the runner's side, backend.h for the seam,
 * direct.c for the engine's side.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hook/conversation.h"
#include "hook/direct.h"
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
	struct hook_settings settings;
	struct backend backend;
	struct ctx root = ctx_root(), ctx, waiting;

	TRY(signals_init(err));
	TRY(settings_read(&settings, err));
	ctx = ctx_with_cancel(&root, signals_first());
	waiting = ctx_with_timeout(&ctx, REQUEST_MS);
	if (conversation_read(STDIN_FILENO, &waiting, &request, err) != 0)
		return err_wrap(err, "read the runner's request");
	TRY(direct_new(&direct, &settings, err));
	backend = direct_backend(direct);
	if (conversation_run(&backend, &ctx, &request, ret_exit_code, err) != 0)
		return err_wrap(err, "%s", hook_command_name(request.command));
	return 0;
}

static int usage(void)
{
	fputs("runnerhub-hook is started by a GitHub Actions runner: set\n"
	      "ACTIONS_RUNNER_CONTAINER_HOOKS to runnerhub-hook.sh in the\n"
	      "runner's environment. See docs/HOOKS.md.\n",
	    stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int exit_code = 0;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("runnerhub-hook " RUNNERHUB_VERSION);
		return 0;
	}
	if (argc > 1 || isatty(STDIN_FILENO))
		return usage();
	if (converse(&exit_code, &err) == 0)
		return exit_code;
	output_error("%s", err.msg);
	return EXIT_FAILED;
}
