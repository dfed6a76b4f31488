/*
 * What the relay is told: the environment (that of the listener, so also the
 * runner's file .env) and the facts of the runner's file .runner. Read once.
 */
#ifndef WORKER_SETTINGS_H
#define WORKER_SETTINGS_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

struct settings {
	const char *image;       /* NULL: the hub's default */
	const char *worker_root; /* the runner's directory in the image */
	char *work;              /* the work directory in the container */
	char *runner_name;       /* NULL: not known */
	json_t *runner;          /* content of .runner in the container */
	json_t *env;             /* of the worker */
	int64_t timeout_s;       /* of the job; 0: the hub's default */
	int64_t patience_ms;     /* from asking the worker to end to TERM */
	int64_t hub_away_ms;     /* how long the hub may be away */
};

/* program: argv[0], <runner's directory>/bin/Runner.Worker. */
int settings_read(
    struct settings *ret, const char *program, struct err *err) MUST_CHECK;
void settings_fini(struct settings *s);
static inline void settings_fini_guard(struct settings *s)
{
	settings_fini(s);
}

#endif
