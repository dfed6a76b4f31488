/*
 * What the API asks about instances and components: see components.h. Any
 * thread; the store's answer, with what their flows know besides.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "components/flow.h"

/* The store has each step, the flow also the percents between. */
static void add_live(struct components *c, struct instance *i)
{
	struct buf text;
	struct json j;
	struct flow *f;

	if (i->status != INSTANCE_STARTING)
		return;
	buf_init(&text, 64 * 1024);
	mtx_lock(&c->mtx);
	f = flow_find_locked(c, i->id);
	if (f != NULL && f->progress.started_at != 0) {
		json_init(&j, &text);
		deployment_write(&f->progress, &j);
	}
	mtx_unlock(&c->mtx);
	if (text.len > 0) {
		mem_free(i->progress);
		i->progress = buf_steal(&text, NULL);
	}
	buf_fini(&text);
}

int components_get(
    struct components *c, instance_id id, struct instance *ret, struct err *err)
{
	int found = store_instance_get(c->config.store, id, ret, err);

	if (found > 0)
		add_live(c, ret);
	return found;
}

int components_list(
    struct components *c, struct instance_list *ret, struct err *err)
{
	TRY(store_instance_list(
	    c->config.store, false, INSTANCE_LIST_MAX, ret, err));
	for (size_t i = 0; i < ret->n; i++)
		add_live(c, &ret->items[i]);
	return 0;
}

static void write_check(const struct check *k, struct json *j)
{
	json_obj(j);
	json_ktime(j, "timestamp", k->at);
	json_kbool(j, "success", k->success);
	json_kint(j, "responseTime", k->took_ns / CLOCK_NS_PER_MS);
	if (!k->success)
		json_kstr(j, "error", k->error);
	json_end(j);
}

/* Unwell is who was not well `retries` times in a row. */
static const char *health_of(const struct flow *f)
{
	if (f->plan.health.kind == HEALTH_NONE)
		return "unknown";
	if (f->healthy)
		return "healthy";
	return f->failures >= f->plan.health.retries ? "unhealthy" : "starting";
}

static void write_checks(const struct flow *f, struct json *j)
{
	uint64_t first =
	    f->nchecks > CHECKS_KEPT ? f->nchecks - CHECKS_KEPT : 0;
	const struct check *last = &f->checks[(f->nchecks - 1) % CHECKS_KEPT];

	json_kstr(j, "status", health_of(f));
	if (f->nchecks > 0)
		json_ktime(j, "lastCheck", last->at);
	json_karr(j, "checks");
	for (uint64_t i = first; i < f->nchecks; i++)
		write_check(&f->checks[i % CHECKS_KEPT], j);
	json_end(j);
}

void components_health(struct components *c, instance_id id, struct json *j)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	struct flow *f;

	if (store_instance_get(c->config.store, id, &i, &err) <= 0) {
		json_none(j);
		return;
	}
	mtx_lock(&c->mtx);
	f = flow_find_locked(c, id);
	if (f == NULL || f->container[0] == '\0') {
		json_none(j);
	} else {
		json_obj(j);
		json_kstr(j, "containerId", f->container);
		write_checks(f, j);
		json_kint(j, "uptime",
		    (clock_wall_ns() - i.started_at) / CLOCK_NS_PER_S);
		json_kint(j, "restartCount", f->restarts);
		json_end(j);
	}
	mtx_unlock(&c->mtx);
}

void components_faults(
    struct components *c, const char *instance, int64_t limit, struct json *j)
{
	faults_write(&c->faults, instance, limit, j);
}

struct feed *components_feed(struct components *c)
{
	return &c->feed;
}
