/*
 * The figures of instances: see monitor.h. The thread looks at who is in hand
 * (components.mtx), asks the engine without a lock, and keeps what it heard
 * (monitor.mtx); the API reads.
 */
#include "components/monitor.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "components/flow.h"

#define EVERY_NS (INT64_C(10) * CLOCK_NS_PER_S)
/* The first is compared with a second that comes soon. */
#define SOON_NS CLOCK_NS_PER_S
/* Two measurements that are closer tell little about the processor. */
#define APART_NS (INT64_C(500) * CLOCK_NS_PER_MS)
enum { MEASURE_MS = 5000, APART_MS = 500 };

struct series {
	instance_id id;
	char container[ENGINE_ID_LEN];
	bool ended, seen;
	int64_t next_at; /* mono */
	struct figure *ring;
	uint64_t n; /* ever */
	struct series *next;
};

int monitor_init(struct monitor *m, struct err *err)
{
	*m = (struct monitor){.cancel = {.fd = -1}};
	mtx_init(&m->mtx, "monitor");
	cond_init(&m->woken);
	return cancel_init(&m->cancel, err);
}

static void series_free(struct series *s)
{
	mem_free(s->ring);
	mem_free(s);
}

void monitor_fini(struct monitor *m)
{
	struct series *s;

	ASSERT(!m->runs);
	while ((s = m->series) != NULL) {
		m->series = s->next;
		series_free(s);
	}
	cancel_fini(&m->cancel);
	cond_fini(&m->woken);
	mtx_fini(&m->mtx);
}

/* -- what is kept ------------------------------------------------------ */

static struct series *find_locked(struct monitor *m, instance_id id)
{
	struct series *s = m->series;

	mtx_assert_held(&m->mtx);
	while (s != NULL && !uuid_equal(s->id.u, id.u))
		s = s->next;
	return s;
}

static const struct figure *figure_at(const struct series *s, uint64_t i)
{
	return &s->ring[i % MONITOR_KEPT];
}

/* The newest that is old enough to compare with; NULL: none. */
static const struct figure *earlier(const struct series *s, int64_t now)
{
	uint64_t end = s->n > MONITOR_KEPT ? s->n - MONITOR_KEPT : 0;

	for (uint64_t i = s->n; i > end; i--)
		if (figure_at(s, i - 1)->at <= now - APART_NS)
			return figure_at(s, i - 1);
	return NULL;
}

static void keep(struct monitor *m, instance_id id,
    const struct engine_container_stats *stats)
{
	int64_t now = clock_wall_ns();
	struct series *s;

	mtx_lock(&m->mtx);
	s = find_locked(m, id);
	if (s != NULL) {
		struct figure made;

		figure_make(&made, stats, earlier(s, now), now);
		s->ring[s->n++ % MONITOR_KEPT] = made;
	}
	mtx_unlock(&m->mtx);
}

/* Of those that ended, the ones that did so long ago: the list is in the
 * order of beginnings, which is near enough. */
static void forget_locked(struct monitor *m)
{
	struct series **at = &m->series, *s;
	int ended = 0;

	while ((s = *at) != NULL) {
		if (!s->ended || ++ended <= MONITOR_ENDED_KEPT) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		series_free(s);
	}
}

/* -- whom to measure --------------------------------------------------- */

static void see_locked(struct monitor *m, const struct flow *f)
{
	struct series *s = find_locked(m, f->id);

	if (s == NULL) {
		s = mem_zalloc(sizeof(*s));
		s->id = f->id;
		s->ring = mem_calloc(MONITOR_KEPT, sizeof(*s->ring));
		s->next = m->series;
		m->series = s;
	}
	s->seen = true;
	memcpy(s->container, f->container, sizeof(s->container));
}

/* Who runs, by those who are in hand. */
static void look_around(struct components *c)
{
	struct monitor *m = &c->monitor;

	mtx_lock(&c->mtx);
	mtx_lock(&m->mtx);
	for (struct series *s = m->series; s != NULL; s = s->next)
		s->seen = false;
	for (const struct flow *f = c->flows; f != NULL; f = f->next)
		if (!f->over && !f->ended && f->container[0] != '\0')
			see_locked(m, f);
	for (struct series *s = m->series; s != NULL; s = s->next)
		s->ended = !s->seen;
	forget_locked(m);
	mtx_unlock(&m->mtx);
	mtx_unlock(&c->mtx);
}

/* Somebody whose turn it is. ret_next: when the next one's is. */
static bool next_due(struct monitor *m, instance_id *ret,
    char container[ENGINE_ID_LEN], int64_t *ret_next)
{
	int64_t now = clock_mono_ns();
	bool found = false;

	*ret_next = CLOCK_NO_DEADLINE;
	mtx_lock(&m->mtx);
	for (struct series *s = m->series; s != NULL && !found; s = s->next) {
		if (s->ended)
			continue;
		if (s->next_at <= now) {
			found = true;
			s->next_at = now + (s->n > 0 ? EVERY_NS : SOON_NS);
			*ret = s->id;
			memcpy(container, s->container, ENGINE_ID_LEN);
		} else if (s->next_at < *ret_next) {
			*ret_next = s->next_at;
		}
	}
	mtx_unlock(&m->mtx);
	return found;
}

/* -- the thread -------------------------------------------------------- */

/* Everybody whose turn it is. ret_next: when the next one's is. */
static void measure_due(
    struct components *c, const struct ctx *ctx, int64_t *ret_next)
{
	char container[ENGINE_ID_LEN];
	struct err err = ERR_INIT;
	instance_id id;

	while (next_due(&c->monitor, &id, container, ret_next)) {
		struct ctx limited = ctx_with_timeout(ctx, MEASURE_MS);
		struct engine_container_stats stats;

		if (engine_container_stats(c->config.engine, &limited,
			container, &stats, &err) == 0)
			keep(&c->monitor, id, &stats);
		/* Else it has just ended, or the engine is away: the next turn
		 * tells. */
		err_clear(&err);
	}
}

/* False: the hub ends. */
static bool await_work(
    struct monitor *m, int64_t next, bool *ret_woken, bool *ret_tidy)
{
	bool ending;

	mtx_lock(&m->mtx);
	while (
	    !m->wake && !m->ending && cond_wait_until(&m->woken, &m->mtx, next))
		;
	*ret_woken = m->wake;
	*ret_tidy = m->tidy;
	m->wake = m->tidy = false;
	ending = m->ending;
	mtx_unlock(&m->mtx);
	return !ending;
}

/* Images that nobody asks after may be over by then. */
static int64_t tidy_at(struct components *c)
{
	int64_t at;

	mtx_lock(&c->mtx);
	at = c->tidy_at;
	mtx_unlock(&c->mtx);
	return at;
}

static void *monitor_main(void *arg)
{
	struct components *c = arg;
	struct ctx ctx = ctx_with_cancel(&c->ctx, &c->monitor.cancel);
	bool tidy = false, woken = true;
	int64_t next;

	do {
		if (tidy || clock_mono_ns() >= tidy_at(c)) {
			recover_leftovers(c, &ctx);
			images_tidy(c, &ctx);
		}
		look_around(c);
		measure_due(c, &ctx, &next);
		spare_keep(c, &ctx, woken, &next);
		if (tidy_at(c) < next)
			next = tidy_at(c);
	} while (await_work(&c->monitor, next, &woken, &tidy));
	return NULL;
}

static void wake(struct components *c, bool tidy)
{
	struct monitor *m = &c->monitor;
	struct err err = ERR_INIT;

	mtx_lock(&m->mtx);
	m->tidy |= tidy;
	m->wake = true;
	cond_signal(&m->woken);
	if (!m->runs && !m->ending) {
		m->runs = thread_start(&m->thread, "monitor", monitor_main, c,
			      &err) == 0;
		if (!m->runs)
			log_warn(&c->ctx,
			    "instances are not measured, the next one that "
			    "starts tries again",
			    LOG_ERR(&err));
	}
	mtx_unlock(&m->mtx);
}

void monitor_wake(struct components *c)
{
	wake(c, false);
}

void monitor_tidy(struct components *c)
{
	wake(c, true);
}

void monitor_stop(struct monitor *m)
{
	bool runs;

	mtx_lock(&m->mtx);
	m->ending = true;
	runs = m->runs;
	cond_signal(&m->woken);
	mtx_unlock(&m->mtx);
	cancel_now(&m->cancel);
	if (runs)
		thread_join(m->thread);
	m->runs = false;
}

/* -- what is asked ----------------------------------------------------- */

static bool find_running(struct components *c, instance_id id,
    char container[ENGINE_ID_LEN], char name[64])
{
	const struct flow *f;
	bool found;

	mtx_lock(&c->mtx);
	f = c->flows;
	while (f != NULL && (f->over || !uuid_equal(f->id.u, id.u)))
		f = f->next;
	found = f != NULL && !f->ended && f->container[0] != '\0';
	if (found) {
		memcpy(container, f->container, ENGINE_ID_LEN);
		run_name(f, name);
	}
	mtx_unlock(&c->mtx);
	return found;
}

static bool copy_earlier(struct monitor *m, instance_id id, struct figure *ret)
{
	const struct figure *found = NULL;
	const struct series *s;

	mtx_lock(&m->mtx);
	s = find_locked(m, id);
	if (s != NULL)
		found = earlier(s, clock_wall_ns());
	if (found != NULL)
		*ret = *found;
	mtx_unlock(&m->mtx);
	return found != NULL;
}

/* Now, against what was measured before, or a moment ago. */
static int measure(struct components *c, instance_id id, const char *container,
    struct figure *ret, struct err *err)
{
	struct ctx limited = ctx_with_timeout(&c->ctx, MEASURE_MS);
	struct engine_container_stats stats;
	struct figure before;

	if (!copy_earlier(&c->monitor, id, &before)) {
		TRY(engine_container_stats(
		    c->config.engine, &limited, container, &stats, err));
		figure_make(&before, &stats, NULL, clock_wall_ns());
		TRY(ctx_sleep(&limited, APART_MS, err));
	}
	TRY(engine_container_stats(
	    c->config.engine, &limited, container, &stats, err));
	figure_make(ret, &stats, &before, clock_wall_ns());
	return 0;
}

void components_stats(struct components *c, instance_id id, struct json *j)
{
	char container[ENGINE_ID_LEN], name[64];
	struct err err = ERR_INIT;
	struct figure now;

	if (find_running(c, id, container, name) &&
	    measure(c, id, container, &now, &err) == 0)
		figure_write_words(&now, container, name, j);
	else
		json_none(j);
}

void components_metrics(
    struct components *c, instance_id id, int64_t limit, struct json *j)
{
	struct monitor *m = &c->monitor;
	const struct series *s;
	uint64_t first = 0;

	json_arr(j);
	mtx_lock(&m->mtx);
	s = find_locked(m, id);
	if (s != NULL && s->n > MONITOR_KEPT)
		first = s->n - MONITOR_KEPT;
	if (s != NULL && limit > 0 && s->n - first > (uint64_t)limit)
		first = s->n - (uint64_t)limit;
	for (uint64_t i = first; s != NULL && i < s->n; i++)
		figure_write(figure_at(s, i), s->container, j);
	mtx_unlock(&m->mtx);
	json_end(j);
}
