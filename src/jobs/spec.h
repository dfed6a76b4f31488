/*
 * The content of a job as it was stored (request.h made it): read back for
 * the carrier and the API. Trusted: written by us after validation.
 */
#ifndef JOBS_SPEC_H
#define JOBS_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct json_t; /* jansson */

struct spec {
	struct json_t *root;
	const char *image;   /* NULL: not given; borrowed from root */
	const char *network; /* NULL: not given */
	const char *profile; /* NULL: not given */
	int64_t timeout_s;   /* 0: not given, like all below */
	int64_t memory_bytes, pids;
	double cpus;
	size_t nsteps;
};
int spec_load(struct spec *ret, const char *text, struct err *err) MUST_CHECK;
void spec_fini(struct spec *s);
static inline void spec_fini_guard(struct spec *s)
{
	spec_fini(s);
}

/* Sessions: the work directory that sessions inside share; NULL: none. */
const char *spec_nested_work(const struct spec *s);
/* false: the log goes when the session has ended. */
bool spec_keeps_log(const struct spec *s);

enum step_when { STEP_ON_SUCCESS, STEP_ALWAYS, STEP_ON_FAILURE };
struct step_spec {
	char name[200]; /* given, or made from the first line of the script */
	const char *run, *shell;       /* run NULL: command */
	const struct json_t *command;  /* array of strings */
	const struct json_t *env;      /* object, may be NULL */
	const char *working_directory; /* NULL: the workspace */
	int64_t timeout_s;
	bool continue_on_error;
	enum step_when when;
};
void spec_step(const struct spec *s, size_t index, struct step_spec *ret);
/* The same from the step itself; it outlives ret. */
void spec_step_read(const struct json_t *step, struct step_spec *ret);

#endif
