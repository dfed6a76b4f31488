/*
 * ~ The life of an instance, top to bottom: download, extract, build, start,
 * monitor; its restarts; then its end. One thread an instance. Whenever the hub
 * dies in here, recover.c goes on: what was starting starts again from the top,
 * what runs is adopted, what was stopping is stopped.
 */
#include "components/flow.h"

#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "components/secrets.h"

/* -- the store and those who wait ---------------------------------------- */

static void write_progress(struct flow *f, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	mtx_lock(&f->owner->mtx);
	deployment_write(&f->progress, &j);
	mtx_unlock(&f->owner->mtx);
}

int flow_change(
    struct flow *f, const struct instance_change *change, struct err *err)
{
	CLEANUP(buf_fini) struct buf progress = {.max = 64 * 1024};
	struct instance_change with = *change;

	if (f->progress.started_at != 0) {
		write_progress(f, &progress);
		with.progress = buf_str(&progress);
	}
	TRY(store_instance_change(f->owner->config.store, f->id, &with, err));
	feed_changed(&f->owner->feed, f->id);
	return 0;
}

/* The next step of the start; a stop that came between ends it here. */
static int enter(struct flow *f, enum deployment_step step, struct err *err)
{
	const struct instance_change change = {.from = {INSTANCE_STARTING}};

	TRY(ctx_check(&f->start, err));
	mtx_lock(&f->owner->mtx);
	deployment_enter(&f->progress, step, clock_wall_ns());
	mtx_unlock(&f->owner->mtx);
	FAULT("component_step");
	return flow_change(f, &change, err);
}

/* -- the first four steps ------------------------------------------------ */

static int fetch(struct flow *f, struct err *err)
{
	TRY(enter(f, DEPLOY_DOWNLOAD, err));
	TRY(workplace_make(f, err));
	TRY(workplace_fill(f, err));
	TRY(enter(f, DEPLOY_EXTRACT, err));
	TRY(workplace_read(f, err));
	TRY(flow_secrets_check(f, err));
	return ports_choose(f, err);
}

/* Is there a place for it, or is one that it replaces still ending? */
static int has_place(struct flow *f, bool *ret, struct err *err)
{
	CLEANUP(instance_list_free) struct instance_list l = {0};
	int64_t before = 0;
	bool same = false;

	TRY(store_instance_list(
	    f->owner->config.store, true, INSTANCE_LIST_MAX, &l, err));
	for (size_t i = 0; i < l.n && l.items[i].seq < f->seq; i++) {
		before++;
		same |= strcmp(l.items[i].component_ref, f->component_ref) == 0;
	}
	*ret = !same && before < f->owner->config.options->components_max;
	return 0;
}

static int await_place(struct flow *f, struct err *err)
{
	struct components *c = f->owner;
	uint64_t seen;
	bool free;

	for (;;) {
		mtx_lock(&c->mtx);
		seen = c->ends;
		mtx_unlock(&c->mtx);
		TRY(has_place(f, &free, err));
		if (free)
			return 0;
		mtx_lock(&c->mtx);
		while (c->ends == seen && !f->stop_wanted && !f->leaving)
			cond_wait(&c->changed, &c->mtx);
		mtx_unlock(&c->mtx);
		TRY(ctx_check(&f->start, err));
	}
}

/* That of a start which was cut short: it still has the ports. */
static int clear_ground(struct flow *f, struct err *err)
{
	if (run_remove(f, &f->life, err) < 0)
		return fault_set(err, FAULT_ENGINE);
	return 0;
}

static int start_container(struct flow *f, struct err *err)
{
	TRY(await_place(f, err));
	TRY(clear_ground(f, err));
	TRY(fetch(f, err));
	TRY(enter(f, DEPLOY_BUILD, err));
	TRY(build_image(f, err));
	workplace_remove(f);
	TRY(enter(f, DEPLOY_START, err));
	TRY(run_container(f, err));
	FAULT("component_started");
	return logs_follow(f, err);
}

/* -- the fifth, and its life --------------------------------------------- */

static int become_running(struct flow *f, struct err *err)
{
	const struct instance_change change = {
	    .from = {INSTANCE_STARTING}, .to = INSTANCE_RUNNING};
	const bool first = ending_is_of_start(f);

	if (first)
		TRY(enter(f, DEPLOY_MONITOR, err));
	TRY(watch_until_ready(f, err));
	if (watch_has_ended(f))
		return 0;
	if (first) {
		mtx_lock(&f->owner->mtx);
		deployment_complete(&f->progress, clock_wall_ns());
		mtx_unlock(&f->owner->mtx);
	}
	TRY(flow_change(f, &change, err));
	f->running_since = clock_mono_ns();
	log_info(&f->root, "instance runs", LOG_STR("image", f->image),
	    LOG_STR("container", f->container));
	flow_tell(f, false);
	monitor_tidy(f->owner);
	return 0;
}

/* One that came up again and is not well has failed as if it had ended. */
static bool failed_again(struct flow *f, struct ending *e)
{
	if (ending_is_of_start(f) || strcmp(e->err.code, FAULT_UNHEALTHY) != 0)
		return false;
	ending_halt(f, 0);
	e->known = true;
	e->to = INSTANCE_ERROR;
	return true;
}

/* Did it end by itself? Then e says how. */
static bool has_ended_by_itself(struct flow *f, struct ending *e)
{
	bool stop, leave;

	ending_wishes(f, &stop, &leave);
	if (stop || leave || !watch_has_ended(f))
		return false;
	logs_join(f);
	ending_judge(f, e);
	return true;
}

/* From a container that runs to its last end. */
static void live(struct flow *f, struct ending *e)
{
	bool runs = f->found != INSTANCE_STARTING;

	if (runs)
		f->running_since = clock_mono_ns();
	for (;; runs = false) {
		if (!runs && become_running(f, &e->err) < 0) {
			if (!failed_again(f, e))
				return;
		} else {
			watch_until_end(f);
			if (!has_ended_by_itself(f, e))
				return;
		}
		if (!restart(f, e))
			return;
	}
}

/* -- the thread ------------------------------------------------------------ */

static int begin(struct flow *f, struct err *err)
{
	const bool there = f->container[0] != '\0';

	TRY(logs_open(f, there || f->found == INSTANCE_STOPPING, err));
	if (!there)
		return f->found == INSTANCE_STOPPING ? 0
						     : start_container(f, err);
	if (f->found != INSTANCE_STOPPING && run_look(f, err) < 0)
		err_clear(err); /* it has ended; judged when that is seen */
	return logs_follow(f, err);
}

void *flow_main(void *arg)
{
	struct flow *f = arg;
	struct ending e = {.to = INSTANCE_STOPPED};
	bool ended;

	if (begin(f, &e.err) == 0)
		live(f, &e);
	ended = ending_complete(f, &e);
	flow_tell(f, true);
	if (ended) { /* nobody waits for that */
		ending_remove_network(f);
		ending_prune(f->owner);
	}
	mtx_lock(&f->owner->mtx);
	f->gone = true;
	mtx_unlock(&f->owner->mtx);
	return NULL;
}
