/* `version`. Main thread. */
#include "cmd/cmd.h"
#include "cmd/ui.h"

static int version_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(buf_fini) struct buf out = {.max = 256};
	int rc;

	if (!invocation_begin(&v, &command_version, argc, argv, &rc))
		return rc;
	IGNORE(buf_append_str(
	    &out, v.json ? "{\"version\":\"" RUNNERHUB_VERSION "\"}\n"
			 : "runnerhub " RUNNERHUB_VERSION "\n"));
	ui_print(&out);
	return EXIT_OK;
}

static const struct command_option version_options[] = {
    {"json", 'j', NULL, "print JSON, for programs", NULL},
    {0},
};

const struct command command_version = {
    .name = "version",
    .operands = "",
    .summary = "print the version",
    .options = version_options,
    .run = version_run,
};
