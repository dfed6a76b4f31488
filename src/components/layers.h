/*
 * What a build has made so far, held by a name of ours, so that it can be
 * removed when the build comes to nothing, by this hub or by the next. Fed
 * with what the classic builder says; another builder's words hold nothing.
 * The flow's thread. Internal to components/.
 */
#ifndef COMPONENTS_LAYERS_H
#define COMPONENTS_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"

enum { LAYERS_STAGES = 64, LAYERS_ID = 80, LAYERS_SHORT = 16 };

struct flow;
struct layers {
	struct flow *f;
	int64_t began;                /* wall ns */
	char last[LAYERS_SHORT];      /* what the next one is built on */
	char container[LAYERS_SHORT]; /* of the RUN line at work, or "" */
	bool from, cached;            /* the step at work is, does */
	int stage;
	char ends[LAYERS_STAGES][LAYERS_ID]; /* "": nothing of its own */
	int nends;
	int64_t made_bytes; /* of the layers that this build has made */
};
/* Each piece of the builder's output; may ask the engine. */
void layers_hear(struct layers *l, const char *text);
/* The image that a stage has ended with. */
void layers_stage(struct layers *l, const char *id);
/* The image is whole: the ends of the stages before the last are kept beside
 * it, the next build of this component takes them. */
void layers_keep(struct layers *l);
/* The build has failed or was cancelled: nothing of it stays. Waits for the
 * engine to let go of it. */
void layers_drop(struct layers *l);

#endif
