/*
 * What an earlier hub left: every active instance of the store is taken in
 * hand again, containers that no active instance owns are removed. On a
 * thread of its own, once the engine answers.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "components/flow.h"
#include "sandbox/session_network.h"

enum { AGAIN_MS = 1000, PING_MS = 5000, COLLECT_MS = 60000 };

static int await_engine(
    struct components *c, const struct ctx *ctx, struct err *err)
{
	for (;;) {
		struct ctx limited = ctx_with_timeout(ctx, PING_MS);

		if (engine_ping(c->config.engine, &limited, err) == 0)
			return 0;
		err_clear(err);
		TRY(ctx_sleep(ctx, AGAIN_MS, err));
	}
}

/* Nothing is made for an instance before it stands in the store as active, but
 * for the network of the next one. */
static bool is_active(void *arg, const char *id)
{
	struct components *c = arg;
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	instance_id instance;
	int found;

	if (id == NULL || uuid_parse(id, &instance.u) < 0)
		return false;
	if (spare_is(c, instance))
		return true;
	found = store_instance_get(c->config.store, instance, &i, &err);
	return found < 0 || (found > 0 && instance_is_active(i.status));
}

static int collect(struct components *c, const struct ctx *ctx, struct err *err)
{
	CLEANUP(engine_container_list_free)
	struct engine_container_list l = {0};
	char hub[128];
	const char *const labels[] = {hub, "runnerhub.type=instance", NULL};

	snprintf(hub, sizeof(hub), "runnerhub.hub=%s", c->config.hub_id);
	TRY(engine_container_list(c->config.engine, ctx, labels, &l, err));
	for (size_t i = 0; i < l.n; i++) {
		const char *id = engine_container_label(
		    &l.items[i], "runnerhub.instance.id");

		if (is_active(c, id))
			continue;
		TRY(engine_container_remove(
		    c->config.engine, ctx, l.items[i].id, err));
		log_info(ctx, "removed the container of an ended instance",
		    LOG_STR("container", l.items[i].id));
	}
	TRY(instance_networks_sweep(
	    c->config.sandboxes, ctx, is_active, c, err));
	return 0;
}

void recover_leftovers(struct components *c, const struct ctx *ctx)
{
	struct ctx limited = ctx_with_timeout(ctx, COLLECT_MS);
	struct err err = ERR_INIT;

	if (collect(c, &limited, &err) < 0 && err.kind != ERR_CANCELED)
		log_warn(ctx, "cannot look for what ended instances left",
		    LOG_ERR(&err));
}

static int recover(struct components *c, const struct ctx *ctx, struct err *err)
{
	CLEANUP(instance_list_free) struct instance_list active = {0};

	TRY(await_engine(c, ctx, err));
	TRY(store_instance_list(
	    c->config.store, true, INSTANCE_LIST_MAX, &active, err));
	recover_leftovers(c, ctx);
	for (size_t i = 0; i < active.n; i++) {
		if (flow_is_in_hand(c, active.items[i].id))
			continue; /* a second attempt */
		log_info(ctx, "going on with an instance",
		    LOG_STR("component", active.items[i].component_ref),
		    LOG_STR("status",
			instance_status_name(active.items[i].status)));
		FAULT("component_recover");
		TRY(flow_launch(c, &active.items[i], err));
	}
	workplaces_collect(c, &active);
	images_tidy(c, ctx);
	if (c->tidy_at != CLOCK_NO_DEADLINE) /* ours alone until now */
		monitor_wake(c); /* which looks after them from now on */
	return 0;
}

void *recover_main(void *arg)
{
	struct components *c = arg;
	struct ctx ctx = ctx_with_cancel(&c->ctx, &c->cancel);
	struct err err = ERR_INIT;
	while (recover(c, &ctx, &err) < 0) {
		if (err.kind == ERR_CANCELED)
			return NULL;
		log_error(
		    &ctx, "cannot go on with all instances", LOG_ERR(&err));
		err_clear(&err);
		if (ctx_sleep(&ctx, AGAIN_MS, &err) < 0)
			return NULL;
	}
	mtx_lock(&c->mtx);
	c->recovered = true;
	cond_broadcast(&c->changed);
	mtx_unlock(&c->mtx);
	ending_prune(c);
	return NULL;
}
