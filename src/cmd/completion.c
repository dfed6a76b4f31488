/*
 * `completion SHELL`: scripts for bash, zsh and fish, made from the list of
 * commands and the option table. The scripts hold data only; no call of the
 * program happens while somebody types. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/ui.h"

/* -- what can follow a command, the same for all shells ---------------- */

struct offer {
	const char *name; /* without dashes */
	char letter;
	const char *doc;
	bool takes_value, is_path;
	char choices[160]; /* "a b c", "" when there are none */
};

struct visit {
	void (*cb)(struct buf *out, const char *command, const struct offer *o);
	struct buf *out;
	const char *command;
};

static bool names_path(const char *value)
{
	return value != NULL &&
	       (strcmp(value, "FILE") == 0 || strcmp(value, "PATH") == 0);
}

static void visit_option(
    const struct visit *v, const struct command_option *option)
{
	struct offer o = {.name = option->name,
	    .letter = option->letter,
	    .doc = option->doc,
	    .takes_value = option->value != NULL,
	    .is_path = names_path(option->value)};

	snprintf(o.choices, sizeof(o.choices), "%s",
	    option->choices != NULL ? option->choices : "");
	v->cb(v->out, v->command, &o);
}

static void visit_options(
    const struct visit *v, const struct command_option *options)
{
	for (; options != NULL && options->name != NULL; options++)
		visit_option(v, options);
}

static void visit_flag(void *arg, const struct config_flag *flag)
{
	const struct visit *v = arg;
	struct offer o = {.name = flag->name,
	    .doc = flag->doc,
	    .takes_value = flag->takes_value,
	    .is_path = flag->is_path};
	size_t n = 0;

	if (flag->unused)
		return;
	for (size_t i = 0; flag->choices != NULL && flag->choices[i]; i++)
		n += (size_t)snprintf(o.choices + n, sizeof(o.choices) - n,
		    "%s%s", i > 0 ? " " : "", flag->choices[i]);
	v->cb(v->out, v->command, &o);
}

static void visit_command(struct buf *out, const struct command *c,
    void (*cb)(struct buf *out, const char *command, const struct offer *o))
{
	struct visit v = {.cb = cb, .out = out, .command = c->name};

	visit_options(&v, c->options);
	if (c->flags & COMMAND_CLIENT)
		visit_options(&v, client_options);
	if (c->flags & COMMAND_CONFIG)
		config_flag_each(visit_flag, &v);
	visit_option(&v, &help_option);
}

/* The first words, each once, or the second words of a group. */
static void words_of(const char *group, struct buf *out)
{
	size_t n = group != NULL ? strlen(group) : 0;
	char last[32] = "";

	for (size_t i = 0; commands[i] != NULL; i++) {
		const char *name = commands[i]->name;
		size_t len;

		if (commands[i]->flags & COMMAND_HIDDEN)
			continue;
		if (group != NULL) {
			if (strncmp(name, group, n) == 0 && name[n] == ' ')
				IGNORE(buf_printf(out, " %s", name + n + 1));
			continue;
		}
		len = strcspn(name, " ");
		if (strlen(last) == len && memcmp(last, name, len) == 0)
			continue;
		snprintf(last, sizeof(last), "%.*s", (int)len, name);
		IGNORE(buf_printf(out, " %s", last));
	}
}

/* The next first word of commands with two ("job"), from *i on; false: no
 * more. They stand together in the list. */
static bool next_group(size_t *i, char out[32])
{
	for (; commands[*i] != NULL; (*i)++) {
		const char *name = commands[*i]->name;
		size_t n = strcspn(name, " ");

		if (name[n] == '\0' ||
		    (*i > 0 &&
			strncmp(commands[*i - 1]->name, name, n + 1) == 0))
			continue;
		snprintf(out, 32, "%.*s", (int)n, name);
		(*i)++;
		return true;
	}
	return false;
}

/* -- bash -------------------------------------------------------------- */

static void bash_name(
    struct buf *out, const char *command, const struct offer *o)
{
	(void)command;
	IGNORE(buf_printf(out, " --%s", o->name));
	if (o->letter != 0)
		IGNORE(buf_printf(out, " -%c", o->letter));
}

/* What completes the value after "command --name". */
static void bash_value(
    struct buf *out, const char *command, const struct offer *o)
{
	if (!o->takes_value)
		return;
	IGNORE(buf_printf(out, "\t'%s --%s'", command, o->name));
	if (o->letter != 0)
		IGNORE(buf_printf(out, "|'%s -%c'", command, o->letter));
	if (o->choices[0] != '\0')
		IGNORE(buf_printf(out,
		    ")\n\t\tCOMPREPLY=($(compgen -W '%s' -- \"$cur\")); "
		    "return ;;\n",
		    o->choices));
	else if (o->is_path)
		IGNORE(buf_append_str(out,
		    ")\n\t\tCOMPREPLY=($(compgen -f -- \"$cur\")); return "
		    ";;\n"));
	else
		IGNORE(buf_append_str(out, ") return ;;\n"));
}

/* The words of one group, and its commands by both words. */
static void bash_group(struct buf *out, const char *group)
{
	IGNORE(buf_printf(out,
	    "\tif [ \"$cmd\" = %s ] && [ \"$COMP_CWORD\" -gt 1 ]; then\n"
	    "\t\tif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
	    "\t\t\tCOMPREPLY=($(compgen -W '",
	    group));
	words_of(group, out);
	IGNORE(buf_printf(out,
	    "' -- \"$cur\")); return\n\t\tfi\n"
	    "\t\tcmd=\"%s ${COMP_WORDS[2]}\"\n\tfi\n",
	    group));
}

static void bash_script(struct buf *out)
{
	char group[32];
	size_t g = 0;

	IGNORE(buf_append_str(out,
	    "# bash completion for runnerhub, made by `runnerhub completion "
	    "bash`\n"
	    "_runnerhub() {\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
	    "prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]} "
	    "words=''\n"
	    "\tCOMPREPLY=()\n"));
	while (next_group(&g, group))
		bash_group(out, group);
	IGNORE(buf_append_str(out, "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
				   "\t\tCOMPREPLY=($(compgen -W '"));
	words_of(NULL, out);
	IGNORE(buf_append_str(
	    out, "' -- \"$cur\")); return\n\tfi\n\tcase \"$cmd $prev\" in\n"));
	for (size_t i = 0; commands[i] != NULL; i++)
		visit_command(out, commands[i], bash_value);
	IGNORE(buf_append_str(out, "\tesac\n\tcase $cmd in\n"));
	for (size_t i = 0; commands[i] != NULL; i++) {
		IGNORE(buf_printf(out, "\t'%s') words='", commands[i]->name));
		if (commands[i]->words != NULL)
			IGNORE(buf_append_str(out, commands[i]->words));
		visit_command(out, commands[i], bash_name);
		IGNORE(buf_append_str(out, "' ;;\n"));
	}
	IGNORE(buf_append_str(out,
	    "\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
	    "complete -F _runnerhub runnerhub\n"));
}

/* -- zsh --------------------------------------------------------------- */

/* Inside '...' for zsh's _arguments: ':' and brackets are its own. */
static void zsh_text(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			IGNORE(buf_append_str(out, "'\\''"));
		else if (strchr("[]:\\", *text) != NULL)
			IGNORE(buf_printf(out, "\\%c", *text));
		else
			IGNORE(buf_append_char(out, *text));
	}
}

static void zsh_one(struct buf *out, const char *dashes, const char *name,
    const struct offer *o)
{
	IGNORE(buf_printf(out, "\t\t'*%s%s[", dashes, name));
	zsh_text(out, o->doc);
	IGNORE(buf_append_str(out, "]"));
	if (o->choices[0] != '\0')
		IGNORE(buf_printf(out, ":value:(%s)", o->choices));
	else if (o->takes_value)
		IGNORE(buf_append_str(
		    out, o->is_path ? ":file:_files" : ":value: "));
	IGNORE(buf_append_str(out, "' \\\n"));
}

static void zsh_option(
    struct buf *out, const char *command, const struct offer *o)
{
	const char letter[2] = {o->letter, '\0'};

	(void)command;
	zsh_one(out, "--", o->name, o);
	if (o->letter != 0)
		zsh_one(out, "-", letter, o);
}

static void zsh_group(struct buf *out, const char *group)
{
	IGNORE(buf_printf(out,
	    "\tif [[ $cmd == %s ]]; then\n"
	    "\t\tif (( CURRENT == 3 )); then\n\t\t\tcompadd --",
	    group));
	words_of(group, out);
	IGNORE(buf_printf(out,
	    "\n\t\t\treturn\n\t\tfi\n"
	    "\t\tcmd=\"%s ${words[3]}\" skip=2\n\tfi\n",
	    group));
}

static void zsh_script(struct buf *out)
{
	char group[32];
	size_t g = 0;

	IGNORE(buf_append_str(out,
	    "#compdef runnerhub\n"
	    "# made by `runnerhub completion zsh`\n"
	    "_runnerhub() {\n"
	    "\tlocal cmd=${words[2]} skip=1\n"
	    "\tif (( CURRENT == 2 )); then\n\t\tcompadd --"));
	words_of(NULL, out);
	IGNORE(buf_append_str(out, "\n\t\treturn\n\tfi\n"));
	while (next_group(&g, group))
		zsh_group(out, group);
	IGNORE(
	    buf_append_str(out, "\tshift $skip words\n\t(( CURRENT -= skip ))\n"
				"\tcase $cmd in\n"));
	for (size_t i = 0; commands[i] != NULL; i++) {
		IGNORE(buf_printf(
		    out, "\t'%s')\n\t\t_arguments \\\n", commands[i]->name));
		visit_command(out, commands[i], zsh_option);
		if (commands[i]->words != NULL)
			IGNORE(buf_printf(
			    out, "\t\t'1:word:(%s)' ;;\n", commands[i]->words));
		else
			IGNORE(buf_append_str(out, "\t\t'*: :' ;;\n"));
	}
	IGNORE(buf_append_str(out, "\tesac\n}\n"
				   "compdef _runnerhub runnerhub\n"));
}

/* -- fish -------------------------------------------------------------- */

/* The condition "this command is on the line". */
static void fish_condition(struct buf *out, const char *command)
{
	const char *space = strchr(command, ' ');

	if (space == NULL)
		IGNORE(buf_printf(
		    out, "'__fish_seen_subcommand_from %s'", command));
	else
		IGNORE(buf_printf(out,
		    "'__fish_seen_subcommand_from %.*s; and "
		    "__fish_seen_subcommand_from %s'",
		    (int)(space - command), command, space + 1));
}

static void fish_text(struct buf *out, const char *text)
{
	IGNORE(buf_append_char(out, '\''));
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			IGNORE(buf_append_char(out, '\\'));
		IGNORE(buf_append_char(out, *text));
	}
	IGNORE(buf_append_char(out, '\''));
}

static void fish_option(
    struct buf *out, const char *command, const struct offer *o)
{
	IGNORE(buf_append_str(out, "complete -c runnerhub -n "));
	fish_condition(out, command);
	IGNORE(buf_printf(out, " -l %s", o->name));
	if (o->letter != 0)
		IGNORE(buf_printf(out, " -s %c", o->letter));
	if (o->takes_value)
		IGNORE(buf_append_str(out, o->is_path ? " -rF" : " -x"));
	if (o->choices[0] != '\0')
		IGNORE(buf_printf(out, " -a '%s'", o->choices));
	IGNORE(buf_append_str(out, " -d "));
	fish_text(out, o->doc);
	IGNORE(buf_append_char(out, '\n'));
}

static void fish_word(struct buf *out, const struct command *c)
{
	const char *space = strchr(c->name, ' ');

	IGNORE(buf_append_str(out, "complete -c runnerhub -n "));
	if (space != NULL)
		IGNORE(
		    buf_printf(out, "'__fish_seen_subcommand_from %.*s' -a %s",
			(int)(space - c->name), c->name, space + 1));
	else
		IGNORE(buf_printf(out, "__fish_use_subcommand -a %s", c->name));
	IGNORE(buf_append_str(out, " -d "));
	fish_text(out, c->summary);
	IGNORE(buf_append_char(out, '\n'));
	if (c->words == NULL)
		return;
	IGNORE(buf_append_str(out, "complete -c runnerhub -n "));
	fish_condition(out, c->name);
	IGNORE(buf_printf(out, " -a '%s'\n", c->words));
}

static void fish_script(struct buf *out)
{
	char group[32];
	size_t g = 0;

	IGNORE(buf_append_str(out,
	    "# fish completion for runnerhub, made by `runnerhub completion "
	    "fish`\n"
	    "complete -c runnerhub -f\n"));
	while (next_group(&g, group)) {
		IGNORE(buf_printf(out,
		    "complete -c runnerhub -n __fish_use_subcommand -a %s -d '",
		    group));
		words_of(group, out);
		IGNORE(buf_append_str(out, "'\n"));
	}
	for (size_t i = 0; commands[i] != NULL; i++) {
		fish_word(out, commands[i]);
		visit_command(out, commands[i], fish_option);
	}
}

/* -- the command ------------------------------------------------------- */

static int completion_run(int argc, char **argv)
{
	static const struct {
		const char *shell;
		void (*script)(struct buf *out);
	} shells[] = {
	    {"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(buf_fini) struct buf out = {.max = 4 << 20};
	struct err err = ERR_INIT;
	const char *shell;
	int rc;

	if (!invocation_begin(&v, &command_completion, argc, argv, &rc))
		return rc;
	shell = args_operand(&v.args, 0);
	for (size_t i = 0; i < ARRAY_LEN(shells); i++)
		if (strcmp(shells[i].shell, shell) == 0) {
			shells[i].script(&out);
			ui_print(&out);
			return EXIT_OK;
		}
	err_set(&err, ERR_INVALID, "usage",
	    "\"%.40s\" is not known here, expected bash, zsh or fish", shell);
	return command_usage_error(&command_completion, &err);
}

const struct command command_completion = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "print a completion script for a shell",
    .details = "bash: source <(runnerhub completion bash). zsh: put it into "
	       "a file _runnerhub in $fpath. fish: put it into "
	       "~/.config/fish/completions/runnerhub.fish.",
    .words = "bash zsh fish",
    .run = completion_run,
};
