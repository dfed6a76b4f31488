/*
 * Following something through restarts of the hub: what was broken off is
 * taken up again, as long as something comes within a minute. Main thread.
 */
#ifndef CMD_FOLLOW_H
#define CMD_FOLLOW_H

#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"

enum follow_step {
	FOLLOW_ENDED,    /* and there is no more */
	FOLLOW_GOES_ON,  /* the stream ended, not what it shows */
	FOLLOW_BROKEN,   /* err says why; it may pass */
	FOLLOW_HOPELESS, /* err says why; another attempt cannot go on here */
};
struct following {
	/* One stream to its end. */
	enum follow_step (*once)(void *arg, struct err *err);
	void *arg;
	const uint64_t *seen; /* grows when something comes */
};
/* 0 it has ended, -1 the last error. */
int follow_patiently(const struct following *f, const struct ctx *ctx,
    struct err *err) MUST_CHECK;

#endif
