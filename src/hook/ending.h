/*
 * A step's output read to its end, whatever the runner decides meanwhile:
 * when it cancels, what runs is ended within the runner's patience.
 */
#ifndef HOOK_ENDING_H
#define HOOK_ENDING_H

#include "base/ctx.h"

/* As a shell tells of SIGINT: for a step that ended well by our doing. */
#define CANCELED_EXIT 130

struct ending {
	/* Reads to the end of the output: 0. After ERR_CANCELED or ERR_TIMEOUT
	 * it is called again, to go on. */
	int (*read)(void *arg, const struct ctx *ctx, struct err *err);
	/* Sends "INT", "TERM" or "KILL" to what runs. */
	int (*send)(void *arg, const struct ctx *ctx, const char *signal,
	    struct err *err);
	/* Once the output has ended by our doing: what outlived it. May be
	 * NULL. */
	void (*sweep)(void *arg, const struct ctx *ctx);
	void *arg;
};
/* When ctx is cancelled by a signal, ends what runs step by step and goes on
 * reading. 0: ended by itself, 1: ended by us, -1: it could not be ended, or
 * nobody can read or hear it any more. */
int ending_read(
    const struct ending *e, const struct ctx *ctx, struct err *err) MUST_CHECK;
/* The exit code for the runner of a step that ended by our doing, told. */
int ending_told(int exit_code);

#endif
