/*
 * Ends that somebody asks for, and waiting for what becomes of an instance:
 * see components.h. Any thread.
 */
#include "base/mem.h"
#include "components/flow.h"

enum { RECOVERY_MS = 5000, TRIES = 50, TRY_AGAIN_MS = 20 };

static int not_found(struct err *err, instance_id id)
{
	char text[UUID_TEXT_LEN];

	return err_set(err, ERR_NOT_FOUND, "instance_not_found",
	    "Instance %s not found", uuid_text(id.u, text));
}

/* What an earlier hub left is taken in hand before anything new. */
int components_await_recovery(struct components *c, struct err *err)
{
	int64_t deadline = clock_deadline_ms(RECOVERY_MS);
	bool recovered;

	mtx_lock(&c->mtx);
	while (!c->recovered && !c->stopping &&
	       cond_wait_until(&c->changed, &c->mtx, deadline))
		;
	recovered = c->recovered;
	mtx_unlock(&c->mtx);
	if (recovered)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "recovering",
	    "the hub still looks for what was running before its start");
}

int instance_move(struct components *c, const struct instance *i,
    enum instance_status to, struct err *err)
{
	const struct instance_change change = {
	    .from = {i->status}, .to = to, .stop_requested = true};

	if (i->status == to)
		return 0;
	TRY(store_instance_change(c->config.store, i->id, &change, err));
	feed_changed(&c->feed, i->id);
	return 0;
}

static bool is_stopping(struct components *c)
{
	bool stopping;

	mtx_lock(&c->mtx);
	stopping = c->stopping;
	mtx_unlock(&c->mtx);
	return stopping;
}

/* 1: it is stopped, 0: done will be called, -1; ERR_CONFLICT: look again. */
static int try_end(struct components *c, instance_id id, component_done done,
    void *arg, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};
	int found = store_instance_get(c->config.store, id, &i, err);

	TRY(found);
	if (found == 0)
		return not_found(err, id);
	if (!instance_is_active(i.status)) {
		TRY(instance_move(c, &i, INSTANCE_STOPPED, err));
		return 1;
	}
	TRY(instance_move(c, &i, INSTANCE_STOPPING, err));
	switch (flow_attach(c, id, true, done, arg)) {
	case ATTACHED:
		return 0;
	case NOT_YET:
		/* Then there is a flow. */
		TRY(components_await_recovery(c, err));
		break;
	case NOBODY_HAS_IT:
		break;
	}
	if (is_stopping(c))
		return err_set(err, ERR_UNAVAILABLE, "shutting_down",
		    "the hub shuts down; its next start stops the component");
	return err_set(err, ERR_CONFLICT, "instance_state",
	    "instance of %.200s is ending", i.component_ref);
}

int components_end(struct components *c, instance_id id, component_done done,
    void *arg, struct err *err)
{
	struct err slept = ERR_INIT;
	int r;

	for (int i = 0; i < TRIES; i++) {
		err_clear(err);
		r = try_end(c, id, done, arg, err);
		if (r == 1)
			done(arg);
		if (r >= 0)
			return 0;
		if (err->kind != ERR_CONFLICT)
			return -1;
		TRY(ctx_sleep(&c->ctx, TRY_AGAIN_MS, &slept));
	}
	return -1;
}

int components_await(struct components *c, instance_id id, component_done done,
    void *arg, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};
	int found = store_instance_get(c->config.store, id, &i, err);

	TRY(found);
	if (found == 0)
		return not_found(err, id);
	if (i.status != INSTANCE_STARTING ||
	    flow_attach(c, id, false, done, arg) != ATTACHED)
		done(arg);
	return 0;
}
