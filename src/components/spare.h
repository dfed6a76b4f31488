/*
 * The network of the instance to come. The engine takes as long to make one
 * as the hub does for all the rest of a start, so that is done ahead: there
 * is an id that no instance has yet, and its network. The next start takes
 * both. Internal to components/.
 *
 * Made by the monitor's thread once an instance runs, so a hub without
 * components has none. Nothing is written down: a hub that comes back knows
 * of no spare, and removes the network as one of an instance that is over
 * (recover.c). One that somebody else removed is made by the start.
 */
#ifndef COMPONENTS_SPARE_H
#define COMPONENTS_SPARE_H

#include "base/ctx.h"
#include "store/instances.h"

struct components;
enum spare_state {
	SPARE_NONE,
	SPARE_MAKING,
	SPARE_READY,
	SPARE_TAKEN, /* by a start that is not in the store yet */
};
struct spare {
	/* guarded by components.mtx */
	enum spare_state state;
	instance_id id; /* unless NONE */
	/* of the monitor's thread */
	int64_t due; /* mono ns, 0: nobody wants one */
};

/*
 * The monitor's: makes one where there is none, a moment after an instance
 * began or ended (changed), so that the engine is left to whoever waits for
 * it. *next: when to call again, if that is sooner. None is made where the
 * range has too few parts to spare any.
 */
void spare_keep(
    struct components *c, const struct ctx *ctx, bool changed, int64_t *next);
/* False: there is none. Else its fate has to be told by spare_settle. */
bool spare_take(struct components *c, instance_id *ret);
/* used: the instance stands in the store. Else the next start has it. */
void spare_settle(struct components *c, bool used);
/* Is it of the spare, so not left by anybody? */
bool spare_is(struct components *c, instance_id id);
/* When the hub ends, without the monitor's thread. */
void spare_remove(struct components *c);

#endif
