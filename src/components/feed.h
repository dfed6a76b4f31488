/*
 * The feed of instances: who follows is woken when one of them changes (its
 * status, progress, health, a new one) and asks which. Internal lock; any
 * thread. A follower is a number, what it has seen: a slow one costs nothing
 * and, when it is too far behind, is told of all.
 */
#ifndef COMPONENTS_FEED_H
#define COMPONENTS_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"
#include "store/instances.h"

/* wake(arg) must not block nor call the feed. */
struct feed_follower {
	void (*wake)(void *arg);
	void *arg;
	struct feed_follower *next; /* internal */
};
enum { FEED_KEPT = 256 };
struct feed {
	struct mtx mtx;
	struct feed_follower *followers; /* guarded by mtx, like all below */
	instance_id ring[FEED_KEPT];
	uint64_t n; /* changes ever */
};
void feed_init(struct feed *f);
void feed_fini(struct feed *f);
void feed_changed(struct feed *f, instance_id id);
void feed_follow(struct feed *f, struct feed_follower *follower);
void feed_leave(struct feed *f, struct feed_follower *follower);
/*
 * Ids that changed after *seen, each once, at most `max` into ret; moves *seen.
 * *ret_all: too many to say, ask for the list instead. How many are in ret.
 */
size_t feed_read(struct feed *f, uint64_t *seen, instance_id *ret, size_t max,
    bool *ret_all);
uint64_t feed_position(struct feed *f);

#endif
