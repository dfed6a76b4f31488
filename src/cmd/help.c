/* Help texts, made from the list of commands. Main thread. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/ui.h"

#define WIDTH 78

/* Text broken into lines of WIDTH, each indented. */
static void wrap(struct buf *out, const char *text, int indent)
{
	int column = 0;
	size_t n;

	while (*text != '\0') {
		n = strcspn(text, " ");
		if (column > 0 && column + 1 + (int)n > WIDTH) {
			IGNORE(buf_append_char(out, '\n'));
			column = 0;
		}
		if (column == 0) {
			IGNORE(buf_printf(out, "%*s", indent, ""));
			column = indent;
		} else {
			IGNORE(buf_append_char(out, ' '));
			column++;
		}
		IGNORE(buf_append(out, text, n));
		column += (int)n;
		text += n + strspn(text + n, " ");
	}
	IGNORE(buf_append_char(out, '\n'));
}

static void row(struct buf *out, const char *left, const char *doc)
{
	IGNORE(buf_printf(out, "  %-28s %s\n", left, doc));
}

static void list_commands(struct buf *out, const char *group)
{
	size_t n = group != NULL ? strlen(group) : 0;
	char left[96];

	for (size_t i = 0; commands[i] != NULL; i++) {
		const struct command *c = commands[i];

		if (c->flags & COMMAND_HIDDEN ||
		    (group != NULL &&
			(strncmp(c->name, group, n) != 0 || c->name[n] != ' ')))
			continue;
		snprintf(left, sizeof(left), "%s %s", c->name, c->operands);
		row(out, left, c->summary);
	}
}

void help_overview(struct buf *out)
{
	IGNORE(buf_append_str(out,
	    "runnerhub " RUNNERHUB_VERSION
	    ": runs CI jobs in fresh, isolated containers\n\n"
	    "Usage: runnerhub COMMAND [OPTIONS]\n\n"));
	list_commands(out, NULL);
	IGNORE(buf_append_str(out,
	    "\nFirst steps:\n"
	    "  runnerhub doctor             is this machine ready?\n"
	    "  runnerhub serve              start the hub\n"
	    "  runnerhub job delegate --step 'echo hello' --follow\n"
	    "\nrunnerhub COMMAND --help tells more, also man runnerhub.\n"
	    "Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 no hub answers; "
	    "the job's own\nwhere a command waits for a job.\n"));
}

void help_group(const char *group, struct buf *out)
{
	IGNORE(buf_printf(
	    out, "Usage: runnerhub %s COMMAND [OPTIONS]\n\n", group));
	list_commands(out, group);
}

static void option_left(const struct command_option *o, char *out, size_t size)
{
	char letter[8] = "    ";

	if (o->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(out, size, "%s--%s%s%s", letter, o->name,
	    o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
}

static void list_options(struct buf *out, const struct command_option *options)
{
	char left[96];

	for (; options != NULL && options->name != NULL; options++) {
		option_left(options, left, sizeof(left));
		row(out, left, options->doc);
	}
}

void help_command(const struct command *c, struct buf *out)
{
	IGNORE(buf_printf(out, "Usage: runnerhub %s [OPTIONS]%s%s\n\n", c->name,
	    *c->operands != '\0' ? " " : "", c->operands));
	wrap(out, c->summary, 0);
	if (c->details != NULL) {
		IGNORE(buf_append_char(out, '\n'));
		wrap(out, c->details, 0);
	}
	IGNORE(buf_append_str(out, "\nOptions:\n"));
	list_options(out, c->options);
	if (c->flags & COMMAND_CLIENT)
		list_options(out, client_options);
	row(out, "-h, --help", "show this help");
	if (c->flags & COMMAND_CONFIG) {
		IGNORE(buf_append_str(out,
		    "\nConfiguration, each also as a variable or in YAML (see "
		    "`runnerhub config`),\nwith its default:\n\n"));
		config_help(out);
	}
}

/* -- help as a command ------------------------------------------------- */

static int help_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(buf_fini) struct buf out = {.max = 4 << 20};
	const struct command *c;
	int rc, words;

	if (!invocation_begin(&v, &command_help, argc, argv, &rc))
		return rc;
	c = command_find((int)v.args.noperands, v.args.operands, &words);
	if (args_has(&v.args, "man"))
		man_page(&out);
	else if (c != NULL)
		help_command(c, &out);
	else if (v.args.noperands > 0)
		help_group(v.args.operands[0], &out);
	else
		help_overview(&out);
	ui_print(&out);
	return EXIT_OK;
}

static const struct command_option help_options[] = {
    {"man", 0, NULL, "the man page, as roff", NULL},
    {0},
};

const struct command command_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .operands_max = 2,
    .summary = "show help",
    .options = help_options,
    .run = help_run,
};
