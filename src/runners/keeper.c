/*
 * Keeps the proxies that the hub makes: each row has a running container, each
 * container a row. Looks every few seconds and when woken; so a proxy that
 * died, one of an earlier hub, and one whose row is gone are all the same
 * case. A thread of its own: pulls of images may take minutes.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "runners/runners_internal.h"

enum {
	LOOK_MS = 2000,
	BACKOFF_MS = 1000, /* doubles with each failure in a row */
	BACKOFF_MAX_MS = 60000,
	STEADY_MS = 60000,   /* one that ran so long had not failed, */
	EPHEMERAL_MS = 2000, /* or had done the one job that it was for */
	CALL_MS = 300000,
};

/* What is remembered of one proxy; guarded by mtx. */
struct ward {
	struct ward *next;
	runner_id id;
	int failures;                /* in a row */
	int64_t started_ns, next_ns; /* monotonic */
	bool told;                   /* to drain */
	char problem[300];
};

void runners_forget_wards(struct runners *r)
{
	struct ward *w;

	while ((w = r->wards) != NULL) {
		r->wards = w->next;
		mem_free(w);
	}
}

static struct ward *find_ward_locked(struct runners *r, runner_id id)
{
	mtx_assert_held(&r->mtx);
	for (struct ward *w = r->wards; w != NULL; w = w->next)
		if (uuid_equal(w->id.u, id.u))
			return w;
	return NULL;
}

/* A copy, new when there is none. */
static struct ward ward_get(struct runners *r, runner_id id)
{
	struct ward *w, copy = {.id = id};

	mtx_lock(&r->mtx);
	w = find_ward_locked(r, id);
	if (w != NULL)
		copy = *w;
	mtx_unlock(&r->mtx);
	return copy;
}

static void ward_put(struct runners *r, const struct ward *copy)
{
	struct ward *w, *next;

	mtx_lock(&r->mtx);
	w = find_ward_locked(r, copy->id);
	if (w == NULL) {
		w = mem_zalloc(sizeof(*w));
		w->next = r->wards;
		r->wards = w;
	}
	next = w->next;
	*w = *copy;
	w->next = next;
	mtx_unlock(&r->mtx);
}

static void ward_drop(struct runners *r, runner_id id)
{
	mtx_lock(&r->mtx);
	for (struct ward **p = &r->wards; *p != NULL; p = &(*p)->next)
		if (uuid_equal((*p)->id.u, id.u)) {
			struct ward *w = *p;

			*p = w->next;
			mem_free(w);
			break;
		}
	mtx_unlock(&r->mtx);
}

void runners_problem(struct runners *r, runner_id id, char ret[300])
{
	struct ward w = ward_get(r, id);

	snprintf(ret, 300, "%s", w.problem);
}

/* -- one look ---------------------------------------------------------- */

struct look {
	struct runners *r;
	const struct ctx *ctx;
	struct engine_container_list there;
	bool *claimed; /* by a row, for each of `there` */
};

static const struct engine_container *container_of(
    struct look *l, runner_id id, struct err *err)
{
	const struct engine_container *best = NULL;
	char text[UUID_TEXT_LEN];

	(void)err;
	uuid_text(id.u, text);
	for (size_t i = 0; i < l->there.n; i++) {
		const struct engine_container *c = &l->there.items[i];
		const char *whose =
		    engine_container_label(c, PROXY_LABEL_RUNNER);

		if (whose == NULL || strcmp(whose, text) != 0)
			continue;
		l->claimed[i] = true;
		if (best == NULL || strcmp(c->state, "running") == 0)
			best = c;
	}
	return best;
}

static void set_back(struct ward *w, const struct err *err)
{
	int64_t wait = BACKOFF_MS;

	for (int i = 0; i < w->failures && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX_MS)
		wait = BACKOFF_MAX_MS;
	w->failures++;
	w->next_ns = clock_deadline_ms(wait);
	snprintf(w->problem, sizeof(w->problem), "%.290s", err->msg);
}

static void start(struct look *l, const struct runner *row, struct ward *w)
{
	struct runner_change starting = {.status = "starting"};
	struct err err = ERR_INIT;

	if (clock_mono_ns() < w->next_ns)
		return;
	if (proxy_start(l->r, l->ctx, row, &err) < 0) {
		log_warn(l->ctx, "a proxy could not be started",
		    LOG_STR("runner", row->name), LOG_ERR(&err));
		set_back(w, &err);
		ward_put(l->r, w);
		return;
	}
	log_info(l->ctx, "proxy started", LOG_STR("runner", row->name));
	w->started_ns = clock_mono_ns();
	w->problem[0] = '\0';
	ward_put(l->r, w);
	mtx_lock(&l->r->life);
	if (runner_is(row, "offline") && store_runner_change(l->r->config.store,
					     row->id, &starting, &err) < 0)
		err_clear(&err); /* removed meanwhile: the next look tells */
	mtx_unlock(&l->r->life);
}

/* It has ended: its container goes, a new one comes when it is time. */
static void bury(struct look *l, const struct runner *row, struct ward *w,
    const struct engine_container *c)
{
	int64_t ran_ns = clock_mono_ns() - w->started_ns;
	struct err err = ERR_INIT, why = ERR_INIT;
	struct made made = {.image = ""};
	struct engine_container seen = {0};
	bool ended_well;

	if (engine_container_inspect(
		l->r->config.engine, l->ctx, c->id, &seen, &err) < 0)
		err_clear(&err);
	ended_well = seen.exit_code == 0;
	IGNORE(err_set(&why, ERR_UNAVAILABLE, NULL,
	    "its container ended with exit code %d%s%.160s", seen.exit_code,
	    seen.error[0] != '\0' ? ": " : "", seen.error));
	engine_container_fini(&seen);
	if (made_read(row->made, &made, &err) < 0)
		err_clear(&err);
	if (proxy_remove(l->r, l->ctx, c->id, row->id, &err) < 0) {
		log_warn(l->ctx, "an ended proxy could not be removed",
		    LOG_STR("runner", row->name), LOG_ERR(&err));
		return;
	}
	log_warn(l->ctx, "a proxy ended and is made anew",
	    LOG_STR("runner", row->name), LOG_STR("why", why.msg));
	/* started_ns 0: an earlier hub's, which is older than we are. */
	if (ran_ns > (made.ephemeral && ended_well ? EPHEMERAL_MS : STEADY_MS) *
			 CLOCK_NS_PER_MS)
		w->failures = 0;
	set_back(w, &why);
	ward_put(l->r, w);
}

/* Told once; it waits for its job itself, however long that takes. */
static void drain(struct look *l, const struct runner *row, struct ward *w,
    const struct engine_container *c)
{
	struct err err = ERR_INIT;
	char note[300];

	if (c != NULL && strcmp(c->state, "running") == 0) {
		if (!w->told && engine_container_kill(l->r->config.engine,
				    l->ctx, c->id, "SIGTERM", &err) == 0) {
			w->told = true;
			ward_put(l->r, w);
		}
		return;
	}
	/* No container, no job of it: what its session does ends by lease. */
	if (runners_remove(l->r, l->ctx, row->id, true, note, &err) < 0) {
		log_warn(l->ctx, "a drained proxy could not be removed",
		    LOG_STR("runner", row->name), LOG_ERR(&err));
		return;
	}
	log_info(l->ctx, "proxy drained and removed",
	    LOG_STR("runner", row->name),
	    LOG_STR("note", note[0] != '\0' ? note : NULL));
	if (c != NULL && proxy_remove(l->r, l->ctx, c->id, row->id, &err) < 0)
		err_clear(&err); /* without a row: the next look removes it */
	ward_drop(l->r, row->id);
}

static int look_at_row(void *arg, const struct runner *row, struct err *err)
{
	struct look *l = arg;
	const struct engine_container *c;
	struct ward w;

	if (row->made == NULL || cancel_is_set(&l->r->cancel))
		return 0;
	c = container_of(l, row->id, err);
	w = ward_get(l->r, row->id);
	if (runner_is(row, "stopping"))
		drain(l, row, &w, c);
	else if (c == NULL)
		start(l, row, &w);
	else if (strcmp(c->state, "exited") == 0 ||
		 strcmp(c->state, "dead") == 0 ||
		 strcmp(c->state, "created") == 0)
		bury(l, row, &w, c);
	return 0;
}

/* Containers whose row is gone: removed by somebody, or by a crash between
 * the two. */
static void sweep(struct look *l)
{
	struct err err = ERR_INIT;
	runner_id id;

	for (size_t i = 0; i < l->there.n; i++) {
		const struct engine_container *c = &l->there.items[i];
		const char *whose =
		    engine_container_label(c, PROXY_LABEL_RUNNER);

		if (l->claimed[i] || whose == NULL ||
		    uuid_parse(whose, &id.u) < 0)
			continue;
		if (proxy_remove(l->r, l->ctx, c->id, id, &err) < 0)
			log_warn(l->ctx, "a proxy could not be removed",
			    LOG_STR("container", c->id), LOG_ERR(&err));
		else
			ward_drop(l->r, id);
		err_clear(&err);
	}
}

static int look(struct runners *r, const struct ctx *ctx, struct err *err)
{
	struct look l = {.r = r, .ctx = ctx};
	char hub[128];
	const char *labels[] = {PROXY_LABEL_TYPE "=proxy", hub, NULL};
	int rc;

	snprintf(hub, sizeof(hub), PROXY_LABEL_HUB "=%s", r->config.hub_id);
	TRY(engine_container_list(
	    r->config.engine, ctx, labels, &l.there, err));
	l.claimed = mem_calloc(l.there.n + 1, sizeof(*l.claimed));
	rc = runner_each(r, look_at_row, &l, err);
	if (rc == 0)
		sweep(&l);
	mem_free(l.claimed);
	engine_container_list_free(&l.there);
	return rc;
}

/* -- the thread -------------------------------------------------------- */

static bool await_work(struct runners *r, int64_t due_ns)
{
	bool goes_on, timely = true;

	mtx_lock(&r->mtx);
	while (!r->stopping && !r->proxies_changed && timely)
		timely = cond_wait_until(&r->changed, &r->mtx, due_ns);
	r->proxies_changed = false;
	goes_on = !r->stopping;
	mtx_unlock(&r->mtx);
	return goes_on;
}

void *runners_keeper(void *arg)
{
	struct runners *r = arg;
	struct ctx root = ctx_root(), stop = ctx_with_cancel(&root, &r->cancel);
	int64_t due = clock_mono_ns();

	while (await_work(r, due)) {
		struct ctx ctx = ctx_with_timeout(&stop, CALL_MS);
		struct err err = ERR_INIT;

		/* An engine that is away: the watcher has said so. */
		if (look(r, &ctx, &err) < 0)
			log_debug(&ctx, "proxies could not be looked at",
			    LOG_ERR(&err));
		due = clock_deadline_ms(LOOK_MS);
	}
	return NULL;
}
