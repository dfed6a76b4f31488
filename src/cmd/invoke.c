/*
 * What every command begins with (arguments, configuration) and ends with
 * when it fails (one line, an exit code). Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/ui.h"

int command_fail(const struct err *err)
{
	fprintf(stderr, "runnerhub: %s\n", err->msg);
	if (strcmp(err->code, "hub_unreachable") == 0)
		return EXIT_UNREACHABLE;
	if (strcmp(err->code, "usage") == 0)
		return EXIT_USAGE;
	return EXIT_FAILED;
}

int command_usage_error(const struct command *command, const struct err *err)
{
	fprintf(stderr, "runnerhub %s: %s\n", command->name, err->msg);
	fprintf(stderr, "See: runnerhub %s --help\n", command->name);
	return EXIT_USAGE;
}

static void print_warning(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "runnerhub: warning: %s\n", line);
}

/* The options of a client that are the configuration's own, as its flags. */
static int load_for_client(struct invocation *v, struct err *err)
{
	static const char *const names[] = {"url", "token-file", "ca-file",
	    "client-cert", "client-key", "config"};
	char *argv[ARRAY_LEN(names) + 2] = {(char *)"client"};
	const char *value;
	int argc = 1, rc;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		value = args_get(&v->args, names[i]);
		if (value != NULL)
			argv[argc++] = mem_printf("--%s=%s", names[i], value);
	}
	/* config_load takes the flags out of its argv: keep what to free */
	char *made[ARRAY_LEN(names) + 2];
	int nmade = argc;

	memcpy(made, argv, sizeof(made));
	rc = config_load(&v->config, &argc, argv, err);
	for (int i = 1; i < nmade; i++)
		mem_free(made[i]);
	return rc;
}

static int begin(struct invocation *v, const struct command *command, int argc,
    char **argv, int *ret_exit)
{
	struct err err = ERR_INIT;

	if (command->flags & COMMAND_CONFIG &&
	    config_load(&v->config, &argc, argv, &err) < 0) {
		*ret_exit = EXIT_USAGE;
		command_fail(&err);
		return -1;
	}
	if (args_parse(&v->args, command, argc, argv, &err) < 0) {
		*ret_exit = command_usage_error(command, &err);
		return -1;
	}
	if (v->args.help) {
		CLEANUP(buf_fini) struct buf text = {.max = 1 << 20};

		help_command(command, &text);
		ui_print(&text);
		*ret_exit = EXIT_OK;
		return -1;
	}
	if (command->flags & COMMAND_CLIENT && load_for_client(v, &err) < 0) {
		*ret_exit = EXIT_USAGE;
		command_fail(&err);
		return -1;
	}
	return 0;
}

bool invocation_begin(struct invocation *v, const struct command *command,
    int argc, char **argv, int *ret_exit)
{
	*v = (struct invocation){.ctx = ctx_root()};
	if (begin(v, command, argc, argv, ret_exit) < 0)
		return false;
	v->json = args_has(&v->args, "json");
	if (v->config != NULL) {
		v->o = config_options(v->config);
		config_warnings(v->config, print_warning, NULL);
	}
	return true;
}

void invocation_fini(struct invocation *v)
{
	args_fini(&v->args);
	config_free(v->config);
	*v = (struct invocation){0};
}
