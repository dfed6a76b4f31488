/*
 * ~ Webhooks' life: which there are, their threads, tests and figures. See
 * notify.h. Opened and closed by cmd/serve.c; the rest from handlers.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "notify/notify_internal.h"

/* -- targets ----------------------------------------------------------- */

static struct target *find(struct notify *n, struct uuid id)
{
	struct target *t = n->targets;

	while (t != NULL && !uuid_equal(t->id, id))
		t = t->next;
	return t;
}

static void set_text(char **place, const char *text)
{
	mem_free(*place);
	*place = mem_strdup_or_null(text);
}

static void update_locked(struct target *t, const struct webhook *w)
{
	set_text(&t->name, w->name);
	set_text(&t->events, w->events);
	set_text(&t->repository, w->repository);
	set_text(&t->format, w->format);
	t->enabled = w->enabled;
	/* Whoever changed it wants to see whether it helped. */
	t->failures = 0;
	t->open_until = 0;
}

static void target_free(struct target *t)
{
	cancel_fini(&t->cancel);
	mem_free(t->name);
	mem_free(t->events);
	mem_free(t->repository);
	mem_free(t->format);
	mem_free(t);
}

static int add(struct notify *n, const struct webhook *w, struct err *err)
{
	struct target *t = mem_zalloc(sizeof(*t));

	t->n = n;
	t->id = w->id;
	uuid_text(w->id, t->id_text);
	if (cancel_init(&t->cancel, err) < 0) {
		mem_free(t);
		return -1;
	}
	update_locked(t, w); /* nobody else knows it yet */
	if (thread_start(&t->thread, "webhook", target_main, t, err) < 0) {
		target_free(t);
		return -1;
	}
	mtx_lock(&n->mtx);
	t->next = n->targets;
	n->targets = t;
	mtx_unlock(&n->mtx);
	return 0;
}

/* Takes those out of the list that are not in l. */
static struct target *take_gone_locked(
    struct notify *n, const struct webhook_list *l)
{
	struct target **p = &n->targets, *gone = NULL;

	while (*p != NULL) {
		struct target *t = *p;
		bool there = false;

		for (size_t i = 0; i < l->n && !there; i++)
			there = uuid_equal(l->items[i].id, t->id);
		if (there) {
			p = &t->next;
			continue;
		}
		*p = t->next;
		t->next = gone;
		gone = t;
	}
	return gone;
}

static void end_all(struct notify *n, struct target *gone)
{
	for (struct target *t = gone; t != NULL; t = t->next)
		cancel_now(&t->cancel);
	mtx_lock(&n->mtx);
	cond_broadcast(&n->changed);
	mtx_unlock(&n->mtx);
	while (gone != NULL) {
		struct target *t = gone;

		gone = t->next;
		thread_join(t->thread);
		target_free(t);
	}
}

static int start_feeder(struct notify *n, struct err *err)
{
	if (n->feeds)
		return 0;
	TRY(thread_start(&n->feeder, "notify", feed_main, n, err));
	n->feeds = true;
	return 0;
}

static int reload_changing(struct notify *n, struct err *err)
{
	CLEANUP(webhook_list_free) struct webhook_list l = {0};
	const struct webhook_list none = {0};
	struct target *gone;
	int r = 0;

	TRY(store_webhook_list(n->config.store, &l, err));
	mtx_lock(&n->mtx);
	gone = take_gone_locked(n, n->stopping ? &none : &l);
	n->reloads++;
	n->woken = true;
	mtx_unlock(&n->mtx);
	end_all(n, gone);
	if (n->stopping || l.n == 0)
		return 0;
	for (size_t i = 0; i < l.n && r == 0; i++) {
		struct target *t;

		mtx_lock(&n->mtx);
		t = find(n, l.items[i].id);
		if (t != NULL)
			update_locked(t, &l.items[i]);
		mtx_unlock(&n->mtx);
		if (t == NULL)
			r = add(n, &l.items[i], err);
	}
	if (r == 0)
		r = start_feeder(n, err);
	mtx_lock(&n->mtx);
	n->reloads++; /* again: until here the feeder saw the old ones */
	mtx_unlock(&n->mtx);
	notify_wake(n);
	targets_wake(n);
	return r;
}

int notify_reload(struct notify *n, struct err *err)
{
	int r;

	mtx_lock(&n->changing);
	r = reload_changing(n, err);
	mtx_unlock(&n->changing);
	return r;
}

/* -- life -------------------------------------------------------------- */

static int read_rules(struct notify *n, struct err *err)
{
	struct address_rules *r = &n->rules;

	if (ip_ranges_read(n->config.allow, r->allow, ADDRESS_RANGES_MAX,
		&r->nallow, err) < 0)
		return err_wrap(err, "RUNNERHUB_WEBHOOKS_ALLOW");
	for (size_t i = 0; i < ARRAY_LEN(n->config.jobs); i++)
		TRY(ip_ranges_read(n->config.jobs[i], r->jobs,
		    ARRAY_LEN(r->jobs), &r->njobs, err));
	return 0;
}

int notify_open(
    struct notify **ret, const struct notify_config *config, struct err *err)
{
	struct notify *n = mem_zalloc(sizeof(*n));

	n->config = *config;
	n->root = ctx_root();
	mtx_init(&n->changing, "webhooks");
	mtx_init(&n->mtx, "notify");
	cond_init(&n->changed);
	if (read_rules(n, err) == 0 && notify_reload(n, err) == 0) {
		*ret = n;
		return 0;
	}
	notify_stop(n);
	notify_close(n);
	return -1;
}

void notify_stop(struct notify *n)
{
	const struct webhook_list none = {0};
	struct target *gone;

	mtx_lock(&n->changing);
	mtx_lock(&n->mtx);
	n->stopping = true;
	gone = take_gone_locked(n, &none);
	cond_broadcast(&n->changed);
	mtx_unlock(&n->mtx);
	end_all(n, gone);
	if (n->feeds)
		thread_join(n->feeder);
	n->feeds = false;
	mtx_unlock(&n->changing);
}

void notify_close(struct notify *n)
{
	if (n == NULL)
		return;
	ASSERT(n->targets == NULL && !n->feeds);
	cond_fini(&n->changed);
	mtx_fini(&n->mtx);
	mtx_fini(&n->changing);
	mem_free(n);
}

void notify_wake(void *arg)
{
	struct notify *n = arg;

	mtx_lock(&n->mtx);
	n->woken = true;
	cond_broadcast(&n->changed);
	mtx_unlock(&n->mtx);
}

void targets_wake(struct notify *n)
{
	mtx_lock(&n->mtx);
	n->turns++;
	cond_broadcast(&n->changed);
	mtx_unlock(&n->mtx);
}

/* -- tests ------------------------------------------------------------- */

static int record(struct notify *n, const struct webhook *w,
    const struct parcel *p, const struct notify_sent *sent, struct err *err)
{
	struct webhook_item item = {w->id, p->event, NULL, p->body};
	struct webhook_result r = {
	    .state = sent->delivered ? "delivered" : "failed",
	    .due_at = clock_wall_ns(),
	    .status = sent->status,
	    .error = *sent->error != '\0' ? sent->error : NULL};

	atomic_fetch_add(sent->delivered ? &n->delivered : &n->failed, 1);
	return store_webhook_record(n->config.store, &item, p->id, &r, err);
}

int notify_test(struct notify *n, struct uuid id, char ret_id[UUID_TEXT_LEN],
    struct notify_sent *ret, struct err *err)
{
	CLEANUP(webhook_fini) struct webhook w = {.name = NULL};
	CLEANUP(webhook_door_fini) struct webhook_door door = {0};
	CLEANUP(happening_fini) struct happening h = {.id = ""};
	CLEANUP(mem_free) char *body = NULL;
	struct ctx ctx = n->root;
	int rc = store_webhook_get(n->config.store, id, &w, err);

	if (rc == 1)
		rc = store_webhook_door(n->config.store, id, &door, err);
	TRY(rc);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "webhook_not_found",
		    "There is no such webhook");
	happening_of_test(&h);
	body = render(w.format, n->config.hub_id, &h);
	ASSERT(body != NULL);
	uuid_text(uuid_v7(), ret_id);
	parcel_send(
	    n, &ctx, &door, &(struct parcel){ret_id, h.type, body}, ret);
	return record(n, &w, &(struct parcel){ret_id, h.type, body}, ret, err);
}

/* -- looking in -------------------------------------------------------- */

static const char *circuit_of(const struct target *t)
{
	if (t->open_until == 0)
		return "closed";
	return t->probing || t->open_until <= clock_mono_ns() ? "half-open"
							      : "open";
}

void notify_state(struct notify *n, struct uuid id, struct notify_state *ret)
{
	const struct target *t;

	*ret = (struct notify_state){.circuit = "closed"};
	mtx_lock(&n->mtx);
	t = find(n, id);
	if (t != NULL) {
		ret->circuit = circuit_of(t);
		ret->failures = t->failures;
		if (t->open_until != 0)
			ret->open_until =
			    clock_wall_ns() + t->open_until - clock_mono_ns();
		memcpy(ret->error, t->error, sizeof(ret->error));
	}
	mtx_unlock(&n->mtx);
}

void notify_stats(struct notify *n, struct notify_stats *ret)
{
	CLEANUP(webhook_list_free) struct webhook_list l = {0};
	struct err ignored = ERR_INIT;

	*ret = (struct notify_stats){.delivered = atomic_load(&n->delivered),
	    .failed = atomic_load(&n->failed),
	    .retried = atomic_load(&n->retried),
	    .dropped = atomic_load(&n->dropped)};
	mtx_lock(&n->mtx);
	for (const struct target *t = n->targets; t != NULL; t = t->next) {
		ret->webhooks++;
		ret->open += t->open_until != 0;
	}
	mtx_unlock(&n->mtx);
	if (ret->webhooks > 0 &&
	    store_webhook_list(n->config.store, &l, &ignored) == 0)
		for (size_t i = 0; i < l.n; i++)
			ret->waiting += l.items[i].waiting;
}
