/* The network of the instance to come: see spare.h. */
#include "components/spare.h"

#include "base/fault.h"
#include "base/log.h"
#include "components/flow.h"
#include "sandbox/session_network.h"

enum { MAKE_MS = 30000, REMOVE_MS = 5000, REST_MS = 150 };

static void set_state(struct components *c, enum spare_state state)
{
	mtx_lock(&c->mtx);
	c->spare.state = state;
	mtx_unlock(&c->mtx);
}

/* Known before it is made: nobody takes it for a leftover. */
static bool begin(struct components *c, char id[UUID_TEXT_LEN])
{
	bool begun;

	mtx_lock(&c->mtx);
	begun = c->spare.state == SPARE_NONE && !c->stopping;
	if (begun) {
		c->spare.state = SPARE_MAKING;
		c->spare.id.u = uuid_v4();
		uuid_text(c->spare.id.u, id);
	}
	mtx_unlock(&c->mtx);
	return begun;
}

static void make(struct components *c, const struct ctx *ctx)
{
	struct ctx limited = ctx_with_timeout(ctx, MAKE_MS);
	struct sandboxes *s = c->config.sandboxes;
	struct err err = ERR_INIT;
	char id[UUID_TEXT_LEN];

	if (!begin(c, id))
		return;
	if (instance_network_make(s, &limited, id, &err) == 0) {
		FAULT("component_spare");
		set_state(c, SPARE_READY);
		return;
	}
	/* What the engine makes of it all the same is a leftover. */
	set_state(c, SPARE_NONE);
	if (err.kind != ERR_CANCELED)
		log_warn(ctx,
		    "cannot make the network of the next instance ahead, its "
		    "start will",
		    LOG_ERR(&err));
}

static bool is_wanted(struct components *c)
{
	bool wanted;

	mtx_lock(&c->mtx);
	wanted = c->spare.state == SPARE_NONE;
	mtx_unlock(&c->mtx);
	return wanted && session_networks_are_many(c->config.sandboxes);
}

void spare_keep(
    struct components *c, const struct ctx *ctx, bool changed, int64_t *next)
{
	struct spare *s = &c->spare;

	if (!is_wanted(c))
		return;
	if (changed && s->due == 0)
		s->due = clock_deadline_ms(REST_MS);
	if (s->due == 0)
		return;
	if (clock_mono_ns() >= s->due) {
		s->due = 0; /* also when it fails: the next change */
		make(c, ctx);
	} else if (s->due < *next) {
		*next = s->due;
	}
}

bool spare_take(struct components *c, instance_id *ret)
{
	bool there;

	mtx_lock(&c->mtx);
	there = c->spare.state == SPARE_READY && !c->stopping;
	if (there) {
		c->spare.state = SPARE_TAKEN;
		*ret = c->spare.id;
	}
	mtx_unlock(&c->mtx);
	return there;
}

void spare_settle(struct components *c, bool used)
{
	set_state(c, used ? SPARE_NONE : SPARE_READY);
}

bool spare_is(struct components *c, instance_id id)
{
	bool is;

	mtx_lock(&c->mtx);
	is = c->spare.state != SPARE_NONE && uuid_equal(c->spare.id.u, id.u);
	mtx_unlock(&c->mtx);
	return is;
}

void spare_remove(struct components *c)
{
	struct ctx limited = ctx_with_timeout(&c->ctx, REMOVE_MS);
	struct err err = ERR_INIT;
	char id[UUID_TEXT_LEN];
	bool there;

	mtx_lock(&c->mtx);
	there = c->spare.state == SPARE_READY;
	uuid_text(c->spare.id.u, id);
	if (there)
		c->spare.state = SPARE_NONE;
	mtx_unlock(&c->mtx);
	if (there &&
	    session_network_remove(c->config.sandboxes, &limited, id, &err) < 0)
		log_warn(&c->ctx,
		    "cannot remove the network that was made ahead, the next "
		    "start of the hub tries again",
		    LOG_ERR(&err));
}
