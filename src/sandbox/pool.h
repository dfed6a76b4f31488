/*
 * Warm sandboxes: started, isolated, unused, owned by nobody. Each is used
 * for exactly one job. Refilled off the path by threads of its own; their
 * number is limited by an allowance of memory that running jobs leave.
 */
#ifndef SANDBOX_POOL_H
#define SANDBOX_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "sandbox/sandbox.h"

struct pool;

struct pool_target {
	const char *image; /* borrowed for the life of the pool */
	int size;
	int from_minute, to_minute, days; /* see config.h, struct pool_rule */
};
struct pool_config {
	struct sandboxes *sandboxes;
	const struct pool_target *targets;
	size_t ntargets;
	struct sandbox_limits limits;
	/* Memory that warm sandboxes may reserve right now; negative: neither
	 * start nor remove any (the engine is away). Any thread, quick. */
	int64_t (*allowance)(void *arg);
	/* Fetches an image that is not there; blocks. */
	int (*fetch)(void *arg, const struct ctx *ctx, const char *image,
	    struct err *err);
	void *arg;
};
int pool_open(
    struct pool **ret, const struct pool_config *c, struct err *err) MUST_CHECK;
/* Refills no more and destroys what is ready; what the engine does not remove
 * within seconds stays for the next hub's collector. The pool may still be
 * asked, and has none. */
void pool_stop(struct pool *p);
void pool_close(struct pool *p); /* after the last call of the others */

/* A ready one of this image, or NULL. The caller owns it. */
struct sandbox *pool_take(struct pool *p, const char *image);
/* What the sandboxes to come are started with: the host's size is known. */
void pool_set_limits(struct pool *p, struct sandbox_limits limits);
/* Something changed (a job ended, the engine is back): look again. */
void pool_kick(struct pool *p);

struct pool_stats {
	unsigned ready, starting, wanted;
	uint64_t hits, misses;
	char last_error[256]; /* why the last refill failed, "" if it did not */
};
void pool_stats(struct pool *p, struct pool_stats *ret);
/* How many the targets ask for at this local time. */
int pool_wanted(const struct pool_target *t, int minute_of_day, int weekday);

#endif
