/*
 * What a build may take, as far as the classic builder can be bounded from
 * outside. Memory and processors are the request's. Processes: the container
 * of each RUN line gets the hub's bound as soon as the builder names it.
 * Disk: a thread looks how much is written and how much is left, and ends the
 * build. Podman's builder names no containers: there it has its own bounds
 * (containers.conf), and what is left of the disk. Internal to components/.
 */
#ifndef COMPONENTS_BUILD_GUARD_H
#define COMPONENTS_BUILD_GUARD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/ctx.h"
#include "components/layers.h"

struct build_guard {
	struct flow *f;
	const struct ctx *outer; /* borrowed */
	struct ctx ctx;          /* of the build: it ends with the outer one */
	struct cancel cancel, over;
	pthread_t thread;
	char root[256];   /* where the engine keeps it; "": out of reach */
	int64_t measured; /* free bytes when it was weighed last; its thread */
	int64_t again_at; /* mono; likewise */
	struct mtx mtx;
	/* guarded by mtx */
	char container[LAYERS_SHORT];
	int64_t made_bytes;
	char why[200]; /* why it was ended; "": it was not */
};
int guard_begin(struct build_guard *g, struct flow *f, const struct ctx *ctx,
    struct err *err) MUST_CHECK;
/* After layers_hear: another container may be at work. May ask the engine. */
void guard_hear(struct build_guard *g, const struct layers *l);
/* Must follow guard_begin. Why the build was ended, or NULL; as long as g. */
const char *guard_end(struct build_guard *g);

#endif
