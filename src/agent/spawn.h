/* Starting a step's main process: everything between fork and exec. */
#ifndef AGENT_SPAWN_H
#define AGENT_SPAWN_H

#include <sys/types.h>

#include "agent/account.h"
#include "base/err.h"

struct spawn {
	const struct account *who;
	char *const *argv; /* argv[0]: a path, or a name looked for in `path` */
	char *const *env;
	const char *path; /* value of PATH */
	const char *cwd;
	int input;   /* becomes its standard input; -1: an empty one */
	int keep[2]; /* descriptors that it inherits; -1: none */
};

struct spawned {
	pid_t pid;    /* also its process group and session */
	int out, err; /* read ends, non-blocking */
	int failure;  /* see spawn_failure */
};

/* -1: nothing was started. */
int spawn_start(
    const struct spawn *s, struct spawned *ret, struct err *err) MUST_CHECK;
/*
 * Once the process has ended: why it never became the program. 0: it did;
 * else the exit code that shells use (127: not found, 126: not executable)
 * and err. Closes `failure`.
 */
int spawn_failure(const struct spawn *s, int failure, struct err *err);

#endif
