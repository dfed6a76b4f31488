/* `config`: what is in force, and the texts made from the option table. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/ui.h"

static void say_unused(void *arg, const char *key, const char *source)
{
	(void)arg;
	fprintf(stderr,
	    "runnerhub: warning: %s (%s) is known, but its feature does not "
	    "exist yet\n",
	    key, source);
}

static int config_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(buf_fini) struct buf out = {.max = 4 << 20};
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_config, argc, argv, &rc))
		return rc;
	if (args_has(&v.args, "env-example")) {
		config_env_example(&out);
	} else if (args_has(&v.args, "markdown")) {
		config_markdown(&out);
	} else {
		config_unused(v.config, say_unused, NULL);
		config_print(v.config, v.json, &out);
	}
	ui_print(&out);
	if (!args_has(&v.args, "check"))
		return EXIT_OK;
	return serve_check(v.o, &err) < 0 ? command_fail(&err) : EXIT_OK;
}

static const struct command_option config_options_list[] = {
    {"json", 'j', NULL, "print JSON, for programs", NULL},
    {"check", 0, NULL, "also: would `serve` start with it?", NULL},
    {"env-example", 0, NULL, "print .env.example", NULL},
    {"markdown", 0, NULL, "print docs/CONFIGURATION.md", NULL},
    {0},
};

const struct command command_config = {
    .name = "config",
    .operands = "",
    .flags = COMMAND_CONFIG,
    .summary = "show every setting and where it comes from",
    .details = "Values come from the defaults, the YAML file, .env in the "
	       "working directory, the environment and flags; later ones win. "
	       "Secrets show as (set).",
    .options = config_options_list,
    .run = config_run,
};
