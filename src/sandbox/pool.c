/*
 * The pool of warm sandboxes: see pool.h. Two refill threads keep each
 * target at its size; a failed start waits, doubling from one second to a
 * minute. The mutex guards everything below it; starts and removals happen
 * outside of it.
 */
#include "sandbox/pool.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

enum {
	REFILLERS = 2,
	LOOK_EVERY_MS = 1000,
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 60000,
	STOP_MS = 10000,
};

struct shelf { /* the ready ones of one target */
	struct pool_target target;
	struct sandbox **ready;
	unsigned nready, starting;
	int64_t backoff_ms, not_before_ns;
};

struct pool {
	struct pool_config config;
	struct mtx mtx;
	struct cond changed;
	struct shelf *shelves; /* guarded by mtx, like all below */
	bool stopping;
	struct pool_stats stats;
	struct cancel cancel;
	pthread_t threads[REFILLERS];
	unsigned nthreads;
};

int pool_wanted(const struct pool_target *t, int minute, int weekday)
{
	int day_before = (weekday + 6) % 7;

	if (t->from_minute == t->to_minute)
		return t->size;
	if (t->from_minute < t->to_minute)
		return minute >= t->from_minute && minute < t->to_minute &&
			       (t->days & 1 << weekday) != 0
			   ? t->size
			   : 0;
	/* Over midnight: the early hours belong to the day before. */
	if (minute >= t->from_minute)
		return (t->days & 1 << weekday) != 0 ? t->size : 0;
	if (minute < t->to_minute)
		return (t->days & 1 << day_before) != 0 ? t->size : 0;
	return 0;
}

static int wanted_now(const struct pool_target *t)
{
	time_t now = (time_t)(clock_wall_ns() / CLOCK_NS_PER_S);
	struct tm tm;

	localtime_r(&now, &tm);
	return pool_wanted(t, tm.tm_hour * 60 + tm.tm_min, tm.tm_wday);
}

static unsigned total_locked(const struct pool *p)
{
	unsigned n = 0;

	mtx_assert_held(&p->mtx);
	for (size_t i = 0; i < p->config.ntargets; i++)
		n += p->shelves[i].nready + p->shelves[i].starting;
	return n;
}

static struct sandbox *shelf_pop(struct shelf *s, unsigned at)
{
	struct sandbox *sb = s->ready[at];

	s->ready[at] = s->ready[--s->nready];
	return sb;
}

/* One that must go: dead, above its target, or above the allowance. */
static struct sandbox *find_surplus_locked(struct pool *p, int64_t allowed)
{
	bool over = (int64_t)total_locked(p) > allowed;

	if (allowed < 0)
		return NULL;
	for (size_t i = 0; i < p->config.ntargets; i++) {
		struct shelf *s = &p->shelves[i];

		for (unsigned k = 0; k < s->nready; k++)
			if (atomic_load(&s->ready[k]->died) || over ||
			    (int)s->nready > wanted_now(&s->target))
				return shelf_pop(s, k);
	}
	return NULL;
}

static struct shelf *find_lack_locked(struct pool *p, int64_t allowed)
{
	struct shelf *s;

	if ((int64_t)total_locked(p) >= allowed)
		return NULL;
	for (size_t i = 0; i < p->config.ntargets; i++) {
		s = &p->shelves[i];
		if ((int)(s->nready + s->starting) < wanted_now(&s->target) &&
		    clock_mono_ns() >= s->not_before_ns)
			return s;
	}
	return NULL;
}

static void destroy_by(
    struct pool *p, const struct ctx *ctx, struct sandbox *sb)
{
	struct err err = ERR_INIT;

	if (sandbox_destroy(p->config.sandboxes, ctx, sb, &err) < 0)
		log_warn(ctx,
		    "cannot remove a warm sandbox, the collector "
		    "will",
		    LOG_ERR(&err));
}

static void destroy(struct pool *p, struct sandbox *sb)
{
	struct ctx ctx = ctx_root();

	destroy_by(p, &ctx, sb);
}

/* True when it is news: the same trouble is told once. */
static bool note_failure_locked(
    struct pool *p, struct shelf *s, const struct err *err)
{
	bool news = strncmp(p->stats.last_error, err->msg, 200) != 0;

	s->backoff_ms =
	    s->backoff_ms == 0 ? BACKOFF_FIRST_MS : s->backoff_ms * 2;
	if (s->backoff_ms > BACKOFF_MAX_MS)
		s->backoff_ms = BACKOFF_MAX_MS;
	s->not_before_ns = clock_deadline_ms(s->backoff_ms);
	snprintf(p->stats.last_error, sizeof(p->stats.last_error), "%.250s",
	    err->msg);
	return news;
}

static int start_or_fetch(struct pool *p, const struct ctx *ctx,
    const struct sandbox_spec *spec, struct sandbox **ret, struct err *err)
{
	if (sandbox_start(p->config.sandboxes, ctx, spec, ret, err) == 0)
		return 0;
	if (strcmp(err->code, "image_not_found") != 0)
		return -1;
	err_clear(err);
	TRY(p->config.fetch(p->config.arg, ctx, spec->image, err));
	return sandbox_start(p->config.sandboxes, ctx, spec, ret, err);
}

/* Starts one for the shelf; s->starting was counted up by the caller. */
static void refill(struct pool *p, struct shelf *s)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_cancel(&root, &p->cancel);
	struct sandbox_spec spec = {.image = s->target.image};
	struct sandbox *sb = NULL;
	struct err err = ERR_INIT;
	bool stopping, news = false;
	int r;

	mtx_lock(&p->mtx);
	spec.limits = p->config.limits;
	mtx_unlock(&p->mtx);
	r = start_or_fetch(p, &ctx, &spec, &sb, &err);
	mtx_lock(&p->mtx);
	s->starting--;
	stopping = p->stopping;
	if (r < 0) {
		news = note_failure_locked(p, s, &err);
	} else if (!stopping) {
		s->backoff_ms = 0;
		p->stats.last_error[0] = '\0';
		s->ready =
		    mem_realloc(s->ready, (s->nready + 1) * sizeof(*s->ready));
		s->ready[s->nready++] = sb;
		sb = NULL;
	}
	mtx_unlock(&p->mtx);
	if (news && !stopping)
		log_warn(&ctx,
		    "cannot start a warm sandbox, trying again and again",
		    LOG_STR("image", s->target.image), LOG_ERR(&err));
	if (sb != NULL)
		destroy(p, sb);
}

/* How many there may be; negative: leave them as they are. */
static int64_t allowed_count(struct pool *p)
{
	int64_t bytes = p->config.allowance(p->config.arg), each;

	mtx_lock(&p->mtx);
	each = p->config.limits.memory_bytes;
	mtx_unlock(&p->mtx);
	if (bytes <= 0)
		return bytes;
	return each > 0 ? bytes / each : INT64_MAX;
}

static void *refiller(void *arg)
{
	struct pool *p = arg;
	struct sandbox *sb;
	struct shelf *s;
	int64_t allowed;

	for (;;) {
		allowed = allowed_count(p);
		mtx_lock(&p->mtx);
		if (p->stopping) {
			mtx_unlock(&p->mtx);
			return NULL;
		}
		sb = find_surplus_locked(p, allowed);
		s = sb == NULL ? find_lack_locked(p, allowed) : NULL;
		if (s != NULL)
			s->starting++;
		if (sb == NULL && s == NULL)
			IGNORE(cond_wait_until(&p->changed, &p->mtx,
			    clock_deadline_ms(LOOK_EVERY_MS)));
		mtx_unlock(&p->mtx);
		if (sb != NULL)
			destroy(p, sb);
		if (s != NULL)
			refill(p, s);
	}
}

static int start(struct pool *p, struct err *err)
{
	TRY(cancel_init(&p->cancel, err));
	for (; p->nthreads < REFILLERS && p->config.ntargets > 0; p->nthreads++)
		TRY(thread_start(
		    &p->threads[p->nthreads], "pool", refiller, p, err));
	return 0;
}

static struct sandbox *pop_first(struct pool *p, struct shelf *s)
{
	struct sandbox *sb;

	mtx_lock(&p->mtx);
	sb = s->nready > 0 ? shelf_pop(s, 0) : NULL;
	mtx_unlock(&p->mtx);
	return sb;
}

int pool_open(struct pool **ret, const struct pool_config *c, struct err *err)
{
	struct pool *p = mem_zalloc(sizeof(*p));

	p->config = *c;
	mtx_init(&p->mtx, "pool");
	cond_init(&p->changed);
	p->cancel.fd = -1;
	p->shelves = mem_calloc(c->ntargets, sizeof(*p->shelves));
	for (size_t i = 0; i < c->ntargets; i++)
		p->shelves[i].target = c->targets[i];
	if (start(p, err) < 0) {
		pool_close(p);
		return -1;
	}
	*ret = p;
	return 0;
}

void pool_stop(struct pool *p)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, STOP_MS);

	mtx_lock(&p->mtx);
	p->stopping = true;
	cond_broadcast(&p->changed);
	mtx_unlock(&p->mtx);
	if (p->cancel.fd >= 0)
		cancel_now(&p->cancel);
	for (; p->nthreads > 0; p->nthreads--)
		thread_join(p->threads[p->nthreads - 1]);
	for (size_t i = 0; i < p->config.ntargets; i++) {
		struct sandbox *sb;

		while ((sb = pop_first(p, &p->shelves[i])) != NULL)
			destroy_by(p, &ctx, sb);
	}
}

void pool_close(struct pool *p)
{
	if (p == NULL)
		return;
	pool_stop(p);
	for (size_t i = 0; i < p->config.ntargets; i++)
		mem_free(p->shelves[i].ready);
	mem_free(p->shelves);
	cancel_fini(&p->cancel);
	cond_fini(&p->changed);
	mtx_fini(&p->mtx);
	mem_free(p);
}

struct sandbox *pool_take(struct pool *p, const char *image)
{
	struct sandbox *sb = NULL, *dead[8];
	unsigned ndead = 0;

	mtx_lock(&p->mtx);
	for (size_t i = 0; sb == NULL && i < p->config.ntargets; i++) {
		struct shelf *s = &p->shelves[i];

		if (strcmp(s->target.image, image) != 0)
			continue;
		while (sb == NULL && s->nready > 0 && ndead < ARRAY_LEN(dead)) {
			sb = shelf_pop(s, 0);
			if (atomic_load(&sb->died)) {
				dead[ndead++] = sb;
				sb = NULL;
			}
		}
	}
	if (sb != NULL)
		p->stats.hits++;
	else
		p->stats.misses++;
	cond_broadcast(&p->changed);
	mtx_unlock(&p->mtx);
	while (ndead > 0)
		destroy(p, dead[--ndead]);
	return sb;
}

void pool_set_limits(struct pool *p, struct sandbox_limits limits)
{
	mtx_lock(&p->mtx);
	p->config.limits = limits;
	mtx_unlock(&p->mtx);
}

void pool_kick(struct pool *p)
{
	mtx_lock(&p->mtx);
	cond_broadcast(&p->changed);
	mtx_unlock(&p->mtx);
}

void pool_stats(struct pool *p, struct pool_stats *ret)
{
	mtx_lock(&p->mtx);
	*ret = p->stats;
	for (size_t i = 0; i < p->config.ntargets; i++) {
		ret->ready += p->shelves[i].nready;
		ret->starting += p->shelves[i].starting;
		ret->wanted += (unsigned)wanted_now(&p->shelves[i].target);
	}
	mtx_unlock(&p->mtx);
}
