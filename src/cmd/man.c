/*
 * docs/runnerhub.1, made from the list of commands and the option table; a
 * test holds the committed page equal. Main thread.
 */
#include <string.h>

#include "cmd/cmd.h"

/* roff: a backslash and a leading dot or quote mean something; '-' would
 * become a hyphen that cannot be copied. */
static void text(struct buf *out, const char *s)
{
	if (*s == '.' || *s == '\'')
		IGNORE(buf_append_str(out, "\\&"));
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			IGNORE(buf_append_str(out, "\\e"));
		else if (*s == '-')
			IGNORE(buf_append_str(out, "\\-"));
		else
			IGNORE(buf_append_char(out, *s));
	}
}

static void option(struct buf *out, const struct command_option *o)
{
	IGNORE(buf_append_str(out, ".TP\n"));
	if (o->letter != 0)
		IGNORE(buf_printf(out, "\\fB\\-%c\\fR, ", o->letter));
	IGNORE(buf_append_str(out, "\\fB\\-\\-"));
	text(out, o->name);
	IGNORE(buf_append_str(out, "\\fR"));
	if (o->value != NULL) {
		IGNORE(buf_append_str(out, " \\fI"));
		text(out, o->value);
		IGNORE(buf_append_str(out, "\\fR"));
	}
	IGNORE(buf_append_char(out, '\n'));
	text(out, o->doc);
	IGNORE(buf_append_char(out, '\n'));
}

static void options(struct buf *out, const struct command_option *o)
{
	for (; o != NULL && o->name != NULL; o++)
		option(out, o);
}

static void command(struct buf *out, const struct command *c)
{
	IGNORE(buf_append_str(out, ".SS \"runnerhub "));
	text(out, c->name);
	IGNORE(buf_append_str(out, " [OPTIONS]"));
	if (*c->operands != '\0') {
		IGNORE(buf_append_char(out, ' '));
		text(out, c->operands);
	}
	IGNORE(buf_append_str(out, "\"\n"));
	text(out, c->summary);
	IGNORE(buf_append_str(out, ".\n"));
	if (c->details != NULL) {
		text(out, c->details);
		IGNORE(buf_append_char(out, '\n'));
	}
	if (c->flags & COMMAND_CONFIG)
		IGNORE(buf_append_str(
		    out, "Takes every flag of CONFIGURATION.\n"));
	options(out, c->options);
}

static void flag(void *arg, const struct config_flag *f)
{
	struct buf *out = arg;

	IGNORE(buf_append_str(out, ".TP\n\\fB\\-\\-"));
	text(out, f->name);
	IGNORE(buf_append_str(out, "\\fR"));
	if (f->takes_value)
		IGNORE(buf_printf(
		    out, " \\fI%s\\fR", f->is_path ? "PATH" : "VALUE"));
	IGNORE(buf_append_char(out, '\n'));
	text(out, f->doc);
	IGNORE(buf_append_str(out, f->unused ? " (not used yet)\n" : "\n"));
}

static const char head[] =
    ".TH RUNNERHUB 1 \"\" \"runnerhub " RUNNERHUB_VERSION
    "\" \"User Commands\"\n"
    ".SH NAME\n"
    "runnerhub \\- run CI jobs in fresh, isolated containers\n"
    ".SH SYNOPSIS\n"
    ".B runnerhub\n"
    ".I COMMAND\n"
    "[\\fIOPTIONS\\fR]\n"
    ".SH DESCRIPTION\n"
    "The hub,\n"
    ".BR \"runnerhub serve\" ,\n"
    "stands beside a container engine. A job that is delegated to it is\n"
    "stored, run once in a fresh container, and kept with its log. The other\n"
    "commands talk to a hub or look at this machine.\n"
    ".SH COMMANDS\n";

static const char tail[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nIt worked.\n"
    ".TP\n.B 1\nIt was tried and did not work.\n"
    ".TP\n.B 2\nThe command line or a setting is wrong.\n"
    ".TP\n.B 3\nNo hub answers.\n"
    ".PP\n"
    ".BR \"job wait\" ,\n"
    ".B \"job delegate \\-\\-wait\"\n"
    "and\n"
    ".B \"job delegate \\-\\-follow\"\n"
    "end with the job's exit code: that of its failed step, 1 when it failed\n"
    "without one, 130 when it was cancelled.\n"
    ".SH FILES\n"
    ".TP\n.I .env\nVariables, read from the working directory.\n"
    ".TP\n.I /var/lib/runnerhub\nThe state directory of root's hub.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B NO_COLOR\nWhen set and not empty: no colour.\n"
    ".PP\n"
    "Every option has a variable:\n"
    ".B runnerhub config\n"
    "prints their values and origins, docs/CONFIGURATION.md lists them.\n"
    ".SH EXAMPLES\n"
    ".nf\n"
    "runnerhub serve\n"
    "runnerhub job delegate \\-\\-repo me/app \\-\\-step \\(aqmake test\\(aq "
    "\\-\\-follow\n"
    "runnerhub job list \\-\\-status running\n"
    "curl http://localhost:3000/health\n"
    ".fi\n";

void man_page(struct buf *out)
{
	IGNORE(buf_append_str(out, head));
	for (size_t i = 0; commands[i] != NULL; i++)
		if (!(commands[i]->flags & COMMAND_HIDDEN))
			command(out, commands[i]);
	IGNORE(buf_append_str(
	    out, ".SS \"Options of all commands that talk to a hub\"\n"));
	options(out, client_options);
	IGNORE(buf_append_str(out, ".SS \"Options of all commands\"\n"));
	option(out, &help_option);
	IGNORE(buf_append_str(out, ".SH CONFIGURATION\n"));
	config_flag_each(flag, out);
	IGNORE(buf_append_str(out, tail));
}
