/*
 * A start: the entity is looked up, the instance admitted, and from there on a
 * flow carries it. The thread of whoever asks.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "components/lookup.h"

enum { PING_MS = 5000 };

static int check_engine(struct components *c, struct err *err)
{
	struct ctx limited = ctx_with_timeout(&c->ctx, PING_MS);

	if (engine_ping(c->config.engine, &limited, err) == 0)
		return components_await_recovery(c, err);
	err->kind = ERR_UNAVAILABLE;
	return fault_set(err, FAULT_ENGINE_DOWN);
}

static void write_plan(const struct origin *o, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	origin_write(o, &j);
	json_end(&j);
}

static int admit(struct components *c, const struct wanted *w,
    const struct component_caller *by, instance_id *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = 64 * 1024};
	CLEANUP(buf_fini) struct buf plan = {.max = 64 * 1024};
	struct instance_admission wanted = {.component_ref = w->component_ref,
	    .owner = w->owner,
	    .started_by = by->subject,
	    .replace = strcmp(c->config.options->when_busy, "replace") == 0,
	    .may_replace = by->may_replace,
	    .arg = by->arg,
	    .max = c->config.options->components_max};
	struct deployment first;
	instance_id spare;
	struct json j;
	int r;

	deployment_begin(&first, clock_wall_ns());
	json_init(&j, &text);
	deployment_write(&first, &j);
	wanted.progress = buf_str(&text);
	write_plan(&w->origin, &plan);
	if (plan.overflow)
		return err_set(err, ERR_INVALID, FAULT_SOURCE,
		    "the source location of %.200s is too long",
		    w->component_ref);
	wanted.plan = buf_str(&plan);
	if (spare_take(c, &spare))
		wanted.id = &spare;
	r = store_instance_admit(c->config.store, &wanted, ret, err);
	if (wanted.id != NULL)
		spare_settle(c, r == 0);
	return r;
}

/* Those that the store has told to stop for a new one. */
static void tell_replaced(struct components *c)
{
	CLEANUP(instance_list_free) struct instance_list l = {0};
	struct err err = ERR_INIT;
	struct flow *f;

	if (store_instance_list(
		c->config.store, true, INSTANCE_LIST_MAX, &l, &err) < 0) {
		log_error(&c->ctx, "cannot tell instances that are replaced",
		    LOG_ERR(&err));
		return;
	}
	for (size_t i = 0; i < l.n; i++) {
		if (l.items[i].status != INSTANCE_STOPPING)
			continue;
		mtx_lock(&c->mtx);
		f = flow_find_locked(c, l.items[i].id);
		if (f != NULL)
			flow_ask_locked(f, false);
		mtx_unlock(&c->mtx);
		feed_changed(&c->feed, l.items[i].id);
	}
}

/* Nobody carries it: it must not hold the place. */
static void give_up(struct components *c, instance_id id, const struct err *why)
{
	const struct instance_change change = {.to = INSTANCE_ERROR,
	    .error_code = FAULT_UNKNOWN,
	    .error = why->msg};
	struct err err = ERR_INIT;

	if (store_instance_change(c->config.store, id, &change, &err) < 0)
		log_error(&c->ctx, "cannot end an instance", LOG_ERR(&err));
}

int components_start(struct components *c, const char *entity_ref,
    const struct component_caller *by, struct instance *ret, struct err *err)
{
	CLEANUP(wanted_fini) struct wanted wanted = {0};
	CLEANUP(instance_fini) struct instance made = {0};
	char id_text[UUID_TEXT_LEN];
	instance_id id;

	TRY(lookup_entity(c, by, entity_ref, &wanted, err));
	wanted.origin.rebuild = by->rebuild;
	TRY(check_engine(c, err));
	TRY(admit(c, &wanted, by, &id, err));
	tell_replaced(c);
	TRY(store_instance_get(c->config.store, id, &made, err));
	if (flow_launch(c, &made, err) < 0) {
		give_up(c, id, err);
		return -1;
	}
	feed_changed(&c->feed, id);
	log_info(&c->ctx, "instance admitted",
	    LOG_STR("instance", uuid_text(id.u, id_text)),
	    LOG_STR("component", wanted.component_ref),
	    LOG_STR("by", by->subject != NULL ? by->subject : "this machine"));
	*ret = made;
	made = (struct instance){0};
	return 0;
}
