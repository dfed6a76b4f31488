/*
 * ~ Where it begins. `runnerhub COMMAND ...` looks its command up in the
 * list of commands.c and runs it: `serve` is the hub, the others are small
 * clients of it or look at this machine. To follow a job through the hub,
 * go on with serve.c; for the options, with config/options.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/parse.h"
#include "cmd/cmd.h"
#include "cmd/ui.h"

static bool is_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

/* "job" without a second word. */
static bool is_group(const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; commands[i] != NULL; i++)
		if (strncmp(commands[i]->name, word, n) == 0 &&
		    commands[i]->name[n] == ' ')
			return true;
	return false;
}

static const char *nearest_command(const char *words)
{
	const char *best = NULL;
	unsigned best_distance = 3, d;

	for (size_t i = 0; commands[i] != NULL; i++) {
		if (commands[i]->flags & COMMAND_HIDDEN)
			continue;
		d = parse_distance(words, commands[i]->name);
		if (d < best_distance) {
			best = commands[i]->name;
			best_distance = d;
		}
	}
	return best;
}

static int unknown_command(int argc, char **argv)
{
	CLEANUP(buf_fini) struct buf help = {.max = 1 << 20};
	char words[64];
	const char *near;

	if (is_group(argv[0]) && (argc < 2 || is_help(argv[1]))) {
		help_group(argv[0], &help);
		if (argc < 2)
			fputs(buf_str(&help), stderr);
		else
			ui_print(&help);
		return argc < 2 ? EXIT_USAGE : EXIT_OK;
	}
	snprintf(words, sizeof(words), "%s%s%s", argv[0],
	    is_group(argv[0]) ? " " : "", is_group(argv[0]) ? argv[1] : "");
	near = nearest_command(words);
	fprintf(stderr, "runnerhub: unknown command \"%s\"%s%s%s\n", words,
	    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
	    near != NULL ? "\"?" : "; see runnerhub --help");
	return EXIT_USAGE;
}

/* Commands that take the configuration's flags parse them before their own
 * options, so a wish for help is looked for first. */
static bool wants_help(const struct command *c, int argc, char **argv)
{
	if (!(c->flags & COMMAND_CONFIG))
		return false;
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (is_help(argv[i]))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	CLEANUP(buf_fini) struct buf help = {.max = 1 << 20};
	const struct command *command;
	int words = 0;

	fault_setup();
	if (argc < 2) {
		help_overview(&help);
		fputs(buf_str(&help), stderr);
		return EXIT_USAGE;
	}
	if (is_help(argv[1])) {
		help_overview(&help);
		ui_print(&help);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0)
		argv[1] = (char *)"version";
	command = command_find(argc - 1, argv + 1, &words);
	if (command == NULL)
		return unknown_command(argc - 1, argv + 1);
	if (wants_help(command, argc - words, argv + words)) {
		help_command(command, &help);
		ui_print(&help);
		return EXIT_OK;
	}
	return command->run(argc - words, argv + words);
}
