/*
 * A subcommand of `runnerhub`: a const row beside its code, and one list of
 * all rows (commands.c). Parsing, --help, completion and the man page are
 * made from the row, so they cannot drift.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ctx.h"
#include "base/err.h"
#include "config/config.h"

/* What the process ends with. A command that waits for a job ends with the
 * job's exit code instead. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,      /* it was tried and did not work */
	EXIT_USAGE = 2,       /* the command line or a setting is wrong */
	EXIT_UNREACHABLE = 3, /* no hub answers */
	EXIT_CANCELLED = 130, /* the job was cancelled */
};

struct command_option {
	const char *name;  /* "tail" for --tail */
	char letter;       /* 'f' for -f, or 0 */
	const char *value; /* what the help calls its value; NULL: a switch */
	const char *doc;
	const char *choices; /* "text json": for completion; or NULL */
};

enum command_flags {
	COMMAND_CLIENT = 1, /* talks to a hub: also takes --url, --json, ... */
	COMMAND_CONFIG = 2, /* also takes every flag of the configuration */
	COMMAND_HIDDEN = 4, /* not in help and completion */
};

struct command {
	const char *name;     /* "job list" */
	const char *operands; /* "ID", "[SHELL]", "" */
	int operands_min, operands_max;
	unsigned flags;
	const char *summary; /* one line, no full stop */
	const char *details; /* more, for --help and the man page; or NULL */
	const char *words;   /* operands that completion offers; or NULL */
	const struct command_option *options; /* ends with {NULL}; or NULL */
	/* argv[0] is the last word of name; NULL at argv[argc]. Returns an
	 * enum exit_code, or a job's. */
	int (*run)(int argc, char **argv);
};

/* Every command, in the order of the help; ends with NULL. */
extern const struct command *const commands[];
/* Of those that talk to a hub, ends with {NULL}; of all. */
extern const struct command_option client_options[], help_option;

const struct command *command_find(int argc, char **argv, int *ret_words);

/* -- arguments, parsed ------------------------------------------------- */

#define ARGS_MAX 1024

struct args {
	const struct command *command;
	struct args_value {
		const struct command_option *option;
		const char *value; /* "" for switches */
	} * values;
	size_t nvalues;
	char **operands; /* borrowed from argv */
	size_t noperands;
	bool help; /* --help was given and printed */
};
/* Switches may be bundled ("-fj"); "--" ends options. On -1 the error names
 * the argument and what was probably meant. */
int args_parse(struct args *ret, const struct command *command, int argc,
    char **argv, struct err *err) MUST_CHECK;
void args_fini(struct args *a);
bool args_has(const struct args *a, const char *name);
/* The last value, or NULL. */
const char *args_get(const struct args *a, const char *name);
/* The n-th value in order, or NULL past the end. */
const char *args_nth(const struct args *a, const char *name, size_t n);
const char *args_operand(const struct args *a, size_t n); /* or NULL */

/* -- what a command's run function begins with ------------------------- */

struct invocation {
	struct args args;
	struct config *config;   /* NULL when the command takes none */
	const struct options *o; /* of config */
	struct ctx ctx;          /* of its calls; without deadline */
	bool json;               /* --json */
};
/*
 * Parses argv and loads the configuration as the row's flags say. True: go
 * on. False: *ret_exit is the exit code, all has been said. Always end with
 * invocation_fini, CLEANUP(invocation_fini). Also what `serve` begins with.
 */
bool invocation_begin(struct invocation *v, const struct command *command,
    int argc, char **argv, int *ret_exit) MUST_CHECK;
void invocation_fini(struct invocation *v);
static inline void invocation_fini_guard(struct invocation *v)
{
	invocation_fini(v);
}

/* "runnerhub: message" on stderr; returns the exit code that fits. */
int command_fail(const struct err *err);
/* The same for a mistake in the command line, with where to read on. */
int command_usage_error(const struct command *command, const struct err *err);
/* The option (without dashes) that was probably meant; NULL: none is near. */
const char *command_nearest_flag(
    const struct command *command, const char *flag, char out[64]);

/* -- generated texts --------------------------------------------------- */
void help_overview(struct buf *out);
void help_group(const char *group, struct buf *out); /* "job" */
void help_command(const struct command *command, struct buf *out);
void man_page(struct buf *out);

/* -- the rows ---------------------------------------------------------- */
extern const struct command command_serve, command_job_delegate,
    command_job_list, command_job_show, command_job_logs, command_job_wait,
    command_job_cancel, command_job_retry, command_runner_list, command_runner_show,
    command_runner_register, command_runner_create, command_runner_drain,
    command_runner_remove, command_runner_token, command_proxy_run,
    command_queue, command_audit_list, command_audit_verify, command_audit_export,
    command_events, command_health, command_config, command_doctor,
    command_completion, command_version, command_help;
extern const struct command command_proxy_install, command_proxy_status,
    command_proxy_uninstall;

int cmd_serve(int argc, char **argv); /* serve.c */
/* Would it start with these? Says which setting is wrong. */
int serve_check(const struct options *o, struct err *err) MUST_CHECK;

#endif
