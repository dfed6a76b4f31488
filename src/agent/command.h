/* The payloads of WIRE_JOB and WIRE_RUN as values. Pure parsing. */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/envlist.h"
#include "agent/wire.h"
#include "base/err.h"

#define COMMAND_MASKS_MAX 4096
#define COMMAND_ARGV_MAX  4096
#define COMMAND_PATHS_MAX (64 * 1024) /* bytes of all of prependPath */

struct text {
	char *s; /* NUL-terminated */
	size_t len;
};

struct command_job {
	char *user;
	struct envlist env;
	struct text *masks;
	size_t mask_count;
	char *workspace;
	uint32_t flags;
};

enum command_kind { COMMAND_SCRIPT = 0, COMMAND_ARGV = 1 };

struct command_run {
	enum command_kind kind;
	char *name;
	char *shell; /* script */
	struct text script;
	char **argv; /* argv: NULL-terminated, at least one */
	struct envlist env;
	char *cwd;
	uint64_t timeout_ms;
	uint32_t grace_ms;
	uint32_t flags; /* enum wire_run_flag */
	char *prepend;  /* "first:second:", to stand before PATH */
};

/* body stands behind the sequence number. On -1 err says what is wrong;
 * ret is to be finished in both cases. */
int command_job_parse(struct wire_reader *body, struct command_job *ret,
    struct err *err) MUST_CHECK;
void command_job_fini(struct command_job *c);
int command_run_parse(struct wire_reader *body, struct command_run *ret,
    struct err *err) MUST_CHECK;
void command_run_fini(struct command_run *c);

static inline void command_job_fini_guard(struct command_job *c)
{
	command_job_fini(c);
}

static inline void command_run_fini_guard(struct command_run *c)
{
	command_run_fini(c);
}

#endif
