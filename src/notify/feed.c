/*
 * ~ From what happened to what is to be delivered: reads the history of jobs
 * behind a cursor and the notices, and queues for each webhook what it wants,
 * in one transaction with the cursor. One thread, `notify`, from the first
 * webhook on; woken by the bus.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "notify/notify_internal.h"

enum {
	AT_ONCE = 100,
	SAVE_EVERY = 1000, /* events that nobody wanted */
	AGAIN_MS = 2000,
	LOOK_MS = 60 * 1000,
};

/* Where the feeder is. Of its thread alone. */
struct feed {
	struct notify *n;
	uint64_t reloads;      /* as of the last look */
	int64_t jobs, notices; /* read up to there */
	int64_t saved;         /* jobs, as the store knows it */
};

/* -- what is to be queued ---------------------------------------------- */

struct batch {
	struct webhook_item *items;
	size_t n, cap;
	char **owned; /* texts of the items */
	size_t nowned;
};

static void batch_fini_guard(struct batch *b)
{
	for (size_t i = 0; i < b->nowned; i++)
		mem_free(b->owned[i]);
	mem_free(b->owned);
	mem_free(b->items);
}

static char *own(struct batch *b, char *text)
{
	if (text == NULL)
		return NULL;
	b->owned = mem_realloc(b->owned, (b->nowned + 1) * sizeof(b->owned[0]));
	return b->owned[b->nowned++] = text;
}

static void push(struct batch *b, struct webhook_item item)
{
	if (b->n == b->cap) {
		b->cap = b->cap > 0 ? 2 * b->cap : 16;
		b->items = mem_realloc(b->items, b->cap * sizeof(item));
	}
	b->items[b->n++] = item;
}

/* Under the lock: texts of targets do not change meanwhile. */
static void match_locked(
    struct notify *n, struct batch *b, const struct happening *h)
{
	char *bodies[2] = {NULL, NULL}, *event = NULL, *trace = NULL;

	for (const struct target *t = n->targets; t != NULL; t = t->next) {
		int kind = strcmp(t->format, "slack") == 0;

		if (!t->enabled || !pattern_matches(t->events, h->type) ||
		    !pattern_takes_repository(t->repository, h->repository))
			continue;
		if (event == NULL) {
			event = own(b, mem_strdup(h->type));
			trace = own(b, mem_strdup_or_null(h->trace));
		}
		if (bodies[kind] == NULL)
			bodies[kind] =
			    own(b, render(t->format, n->config.hub_id, h));
		if (bodies[kind] != NULL)
			push(b, (struct webhook_item){
				    t->id, event, trace, bodies[kind]});
	}
}

static void match(struct notify *n, struct batch *b, const struct happening *h)
{
	mtx_lock(&n->mtx);
	match_locked(n, b, h);
	mtx_unlock(&n->mtx);
}

/* -- reading ----------------------------------------------------------- */

/* Does anybody want it? Then the job is worth reading. */
static bool is_wanted(struct notify *n, const struct job_event *e)
{
	const char *type = happening_type(e);
	bool wanted = false;

	if (type == NULL)
		return false;
	mtx_lock(&n->mtx);
	for (const struct target *t = n->targets; t != NULL && !wanted;
	     t = t->next)
		wanted = t->enabled && pattern_matches(t->events, type) &&
			 pattern_takes_repository(t->repository, e->repository);
	mtx_unlock(&n->mtx);
	return wanted;
}

static int take_job(
    struct feed *f, struct batch *b, const struct job_event *e, struct err *err)
{
	CLEANUP(happening_fini) struct happening h = {.id = ""};
	CLEANUP(job_fini) struct job job = {0};
	int rc;

	if (!is_wanted(f->n, e))
		return 0;
	rc = store_job_get(f->n->config.store, e->job, &job, err);
	TRY(rc);
	happening_of_job(e, rc == 1 ? &job : NULL, &h);
	match(f->n, b, &h);
	return 0;
}

static int take_jobs(struct feed *f, struct batch *b, int64_t *ret_upto,
    bool *ret_more, struct err *err)
{
	CLEANUP(job_event_list_free) struct job_event_list l = {0};

	*ret_upto = f->jobs;
	TRY(store_events_after(
	    f->n->config.store, f->jobs, NULL, NULL, AT_ONCE, &l, err));
	for (size_t i = 0; i < l.n; i++) {
		TRY(take_job(f, b, &l.items[i], err));
		*ret_upto = l.items[i].seq;
	}
	*ret_more = *ret_more || l.n == AT_ONCE;
	return 0;
}

static int take_notices(struct feed *f, struct batch *b, int64_t *ret_upto,
    bool *ret_more, struct err *err)
{
	CLEANUP(notice_list_free) struct notice_list l = {0};

	*ret_upto = f->notices;
	TRY(store_notices_after(
	    f->n->config.store, f->notices, AT_ONCE, &l, err));
	for (size_t i = 0; i < l.n; i++) {
		CLEANUP(happening_fini) struct happening h = {.id = ""};

		happening_of_notice(&l.items[i], &h);
		match(f->n, b, &h);
		*ret_upto = l.items[i].seq;
	}
	*ret_more = *ret_more || l.n == AT_ONCE;
	return 0;
}

/* -- queueing ---------------------------------------------------------- */

static int save(struct feed *f, const struct batch *b, int64_t jobs,
    int64_t notices, struct err *err)
{
	struct notify *n = f->n;
	size_t dropped = 0;

	FAULT("webhook_before_queue");
	TRY(store_webhook_queue(n->config.store, b->items, b->n, jobs, notices,
	    n->config.queue_max, &dropped, err));
	FAULT("webhook_after_queue");
	f->saved = jobs;
	atomic_fetch_add(&n->dropped, dropped);
	if (dropped > 0)
		log_warn(&n->root,
		    "webhooks have too much to deliver, some is dropped",
		    LOG_INT("dropped", (int64_t)dropped));
	if (b->n > dropped)
		targets_wake(n);
	return 0;
}

/* Some of what happened. *ret_more: there is more. */
static int feed_some(struct feed *f, bool *ret_more, struct err *err)
{
	CLEANUP(batch_fini) struct batch b = {0};
	int64_t jobs, notices;

	*ret_more = false;
	TRY(take_jobs(f, &b, &jobs, ret_more, err));
	TRY(take_notices(f, &b, &notices, ret_more, err));
	/* What nobody wants is only passed over. */
	if (b.n > 0 || notices > f->notices || jobs - f->saved > SAVE_EVERY)
		TRY(save(f, &b, jobs, notices, err));
	f->jobs = jobs;
	f->notices = notices;
	return 0;
}

/* A first webhook begins at the end of the history: the store knows it. What
 * the others did not want is passed over for good, before a new one, or new
 * wishes, would find it after a restart. */
static int follow_reloads(struct feed *f, uint64_t reloads, struct err *err)
{
	const struct batch none = {0};
	int64_t cursor = 0;

	if (reloads == f->reloads)
		return 0;
	TRY(store_webhook_cursor(f->n->config.store, &cursor, err));
	f->saved = cursor;
	if (cursor > f->jobs)
		f->jobs = cursor;
	if (cursor < f->jobs)
		TRY(save(f, &none, f->jobs, f->notices, err));
	f->reloads = reloads;
	return 0;
}

/* False: the end. */
static bool wait_for_work(
    struct notify *n, bool more, uint64_t *ret_reloads, bool *ret_idle)
{
	bool goes_on;

	mtx_lock(&n->mtx);
	while (!n->woken && !more && !n->stopping)
		if (!cond_wait_until(
			&n->changed, &n->mtx, clock_deadline_ms(LOOK_MS)))
			break;
	n->woken = false;
	*ret_reloads = n->reloads;
	*ret_idle = n->targets == NULL;
	goes_on = !n->stopping;
	mtx_unlock(&n->mtx);
	return goes_on;
}

void *feed_main(void *arg)
{
	struct notify *n = arg;
	struct feed f = {.n = n};
	bool more = true, idle;
	uint64_t reloads;

	while (wait_for_work(n, more, &reloads, &idle)) {
		struct err err = ERR_INIT;

		more = false;
		if (idle)
			continue;
		if (follow_reloads(&f, reloads, &err) == 0 &&
		    feed_some(&f, &more, &err) == 0)
			continue;
		log_warn(&n->root, "events for webhooks cannot be queued",
		    LOG_ERR(&err));
		err_clear(&err);
		more = true; /* they stay where they are */
		mtx_lock(&n->mtx);
		if (!n->stopping)
			IGNORE(cond_wait_until(
			    &n->changed, &n->mtx, clock_deadline_ms(AGAIN_MS)));
		mtx_unlock(&n->mtx);
	}
	return NULL;
}
