/*
 * Who is in hand: the list of flows, each with a thread of its own, and those
 * who wait for one of them. Any thread; c->mtx guards the list and what is the
 * flows', and is never held over a call that blocks.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "components/flow.h"

void flow_free(struct flow *f)
{
	ASSERT(f->waiters == NULL);
	if (f->log != NULL)
		spool_log_close(f->log);
	origin_fini(&f->origin);
	source_fini(&f->source);
	descriptor_fini(&f->d);
	lifeplan_fini(&f->plan);
	cancel_fini(&f->stop_cancel);
	cancel_fini(&f->leave_cancel);
	mem_free(f->component_ref);
	mem_free(f);
}

/* Is there a container to go on with, or does it begin from the top? */
static bool has_run(const struct instance *i)
{
	return i->container_id != NULL &&
	       (i->status != INSTANCE_STARTING || i->restarts > 0);
}

static struct flow *flow_new(
    struct components *c, const struct instance *i, struct err *err)
{
	struct flow *f = mem_zalloc(sizeof(*f));

	f->owner = c;
	f->id = i->id;
	f->seq = i->seq;
	uuid_text(i->id.u, f->id_text);
	f->component_ref = mem_strdup(i->component_ref);
	f->found = i->status;
	f->restarts = i->restarts;
	lifeplan_read(&f->plan, i->plan);
	origin_read(i->plan, &f->origin);
	if (has_run(i))
		snprintf(
		    f->container, sizeof(f->container), "%s", i->container_id);
	snprintf(f->dir, sizeof(f->dir), "%s/components/%s",
	    c->config.options->state_dir, f->id_text);
	f->stop_cancel.fd = f->leave_cancel.fd = -1;
	if (cancel_init(&f->stop_cancel, err) < 0 ||
	    cancel_init(&f->leave_cancel, err) < 0) {
		flow_free(f);
		return NULL;
	}
	f->root = ctx_with_field(&c->ctx, "instance", f->id_text);
	f->life = ctx_with_cancel(&f->root, &f->leave_cancel);
	f->start = ctx_with_cancel(&f->root, &f->stop_cancel);
	f->stop_wanted = i->status == INSTANCE_STOPPING;
	if (f->stop_wanted)
		cancel_now(&f->stop_cancel);
	if (i->status == INSTANCE_STARTING && !has_run(i))
		deployment_begin(&f->progress, i->started_at);
	return f;
}

/* Those whose thread has nothing more to do. */
static struct flow *take_gone(struct components *c)
{
	struct flow **at = &c->flows, *f;

	while ((f = *at) != NULL && !f->gone)
		at = &f->next;
	if (f != NULL)
		*at = f->next;
	return f;
}

static void reap(struct components *c)
{
	struct flow *f;

	for (;;) {
		mtx_lock(&c->mtx);
		f = take_gone(c);
		mtx_unlock(&c->mtx);
		if (f == NULL)
			return;
		thread_join(f->thread);
		flow_free(f);
	}
}

int flow_launch(struct components *c, const struct instance *i, struct err *err)
{
	struct flow *f = flow_new(c, i, err);
	int r;

	if (f == NULL)
		return -1;
	reap(c);
	mtx_lock(&c->mtx); /* its thread waits for the list */
	r = c->stopping
		? err_set(err, ERR_UNAVAILABLE, "shutting_down",
		      "the hub is shutting down")
		: thread_start(&f->thread, "instance", flow_main, f, err);
	if (r == 0) {
		f->next = c->flows;
		c->flows = f;
	}
	mtx_unlock(&c->mtx);
	if (r < 0)
		flow_free(f);
	return r;
}

void flow_tell(struct flow *f, bool over)
{
	struct components *c = f->owner;
	struct waiter *due = NULL, **at, *w;

	mtx_lock(&c->mtx);
	for (at = &f->waiters; (w = *at) != NULL;) {
		if (w->until_over && !over) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = due;
		due = w;
	}
	f->over = over;
	if (over) {
		c->ends++;
		cond_broadcast(&c->changed);
	}
	mtx_unlock(&c->mtx);
	while ((w = due) != NULL) {
		due = w->next;
		w->done(w->arg);
		mem_free(w);
	}
}

struct flow *flow_find_locked(struct components *c, instance_id id)
{
	struct flow *f = c->flows;

	mtx_assert_held(&c->mtx);
	while (f != NULL && (f->over || !uuid_equal(f->id.u, id.u)))
		f = f->next;
	return f;
}

bool flow_is_in_hand(struct components *c, instance_id id)
{
	bool found;

	mtx_lock(&c->mtx);
	found = flow_find_locked(c, id) != NULL;
	mtx_unlock(&c->mtx);
	return found;
}

void flow_ask_locked(struct flow *f, bool leave)
{
	if (leave)
		f->leaving = true;
	else
		f->stop_wanted = true;
	cancel_now(&f->stop_cancel);
	if (leave)
		cancel_now(&f->leave_cancel);
	cond_broadcast(&f->owner->changed);
}

enum attached flow_attach(struct components *c, instance_id id, bool end,
    component_done done, void *arg)
{
	enum attached r = ATTACHED;
	struct waiter *w;
	struct flow *f;

	mtx_lock(&c->mtx);
	f = flow_find_locked(c, id);
	if (f == NULL) {
		r = c->recovered ? NOBODY_HAS_IT : NOT_YET;
	} else {
		w = mem_zalloc(sizeof(*w));
		*w = (struct waiter){
		    .done = done, .arg = arg, .until_over = end};
		w->next = f->waiters;
		f->waiters = w;
		if (end)
			flow_ask_locked(f, false);
	}
	mtx_unlock(&c->mtx);
	return r;
}
