/* Figures over time: see figures.h. Handler threads; owns what it collects. */
#include "jobs/figures.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/job_times.h"

/* One job's time, in the point of its end. */
struct sample {
	uint32_t point, ms;
};
struct samples {
	struct sample *items;
	size_t n, cap;
};

struct collect {
	struct figures *f;
	int64_t step_ns;
	int64_t oldest; /* that was looked at */
	struct samples wait, duration;
};

static void add(struct samples *s, size_t point, int64_t from, int64_t to)
{
	int64_t ms = (to - from) / CLOCK_NS_PER_MS;

	if (from == 0 || to == 0)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 1024;
		s->items = mem_realloc(s->items, s->cap * sizeof(*s->items));
	}
	/* The wall clock may have gone back meanwhile. */
	ms = ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : ms;
	s->items[s->n++] = (struct sample){(uint32_t)point, (uint32_t)ms};
}

static struct figures_point *point_of(
    struct collect *c, int64_t at, size_t *ret_index)
{
	*ret_index = (size_t)((at - c->f->from) / c->step_ns);
	c->oldest = at;
	return &c->f->points[*ret_index];
}

static void add_end(void *arg, const struct job_end *end)
{
	struct collect *c = arg;
	size_t index;
	struct figures_point *p = point_of(c, end->at, &index);

	p->completed += end->status == JOB_COMPLETED;
	p->failed += end->status == JOB_FAILED;
	p->cancelled += end->status == JOB_CANCELLED;
	add(&c->wait, index, end->queued, end->started);
	add(&c->duration, index, end->started, end->ended);
}

static void add_start(void *arg, int64_t at)
{
	struct collect *c = arg;
	size_t index;

	point_of(c, at, &index)->delegated++;
}

static int by_point_and_time(const void *x, const void *y)
{
	const struct sample *a = x, *b = y;

	if (a->point != b->point)
		return a->point < b->point ? -1 : 1;
	return (a->ms > b->ms) - (a->ms < b->ms);
}

/* The smallest value that so many percent are not above. */
static double rank(const struct sample *items, size_t n, size_t percent)
{
	return items[(n * percent + 99) / 100 - 1].ms / 1e3;
}

static void spread(struct samples *s, struct figures *f, bool waits)
{
	size_t end;

	if (s->n > 0)
		qsort(s->items, s->n, sizeof(*s->items), by_point_and_time);
	for (size_t i = 0; i < s->n; i = end) {
		struct figures_point *p = &f->points[s->items[i].point];

		for (end = i; end < s->n; end++)
			if (s->items[end].point != s->items[i].point)
				break;
		*(waits ? &p->wait : &p->duration) = (struct figures_spread){
		    true, rank(s->items + i, end - i, 50),
		    rank(s->items + i, end - i, 95)};
	}
}

static int collect(struct store *s, struct collect *c, struct err *err)
{
	const struct figures *f = c->f;
	int64_t from = f->from, n;

	n = store_job_ends(s, f->from, f->to, FIGURES_JOBS, add_end, c, err);
	TRY(n);
	if (n == FIGURES_JOBS)
		from = c->oldest;
	n = store_job_starts(
	    s, f->from, f->to, FIGURES_JOBS, add_start, c, err);
	TRY(n);
	if (n == FIGURES_JOBS && c->oldest > from)
		from = c->oldest;
	c->oldest = from;
	return 0;
}

/* Points of which not every job was looked at. */
static void leave_out(struct figures *f, int64_t oldest, int64_t step_ns)
{
	size_t skip = (size_t)((oldest - f->from + step_ns - 1) / step_ns);

	f->n -= skip;
	f->from += (int64_t)skip * step_ns;
	memmove(f->points, f->points + skip, f->n * sizeof(f->points[0]));
}

int figures_read(struct store *s, int64_t now_ns, int64_t hours, int64_t step,
    struct figures *ret, struct err *err)
{
	struct collect c = {.f = ret, .step_ns = step * CLOCK_NS_PER_S};
	int64_t begin = now_ns - hours * 3600 * CLOCK_NS_PER_S, n;
	int r;

	*ret = (struct figures){.from = begin - begin % c.step_ns};
	ret->to = now_ns - now_ns % c.step_ns + c.step_ns;
	n = (ret->to - ret->from) / c.step_ns;
	if (n > FIGURES_POINTS_MAX)
		return err_set(err, ERR_INVALID, "too_many_points",
		    "%lld hours in steps of %lld s are %lld points, at most %d "
		    "are given: take longer steps",
		    (long long)hours, (long long)step, (long long)n,
		    FIGURES_POINTS_MAX);
	ret->n = (size_t)n;
	for (size_t i = 0; i < ret->n; i++)
		ret->points[i].at = ret->from + (int64_t)i * c.step_ns;
	r = collect(s, &c, err);
	if (r == 0) {
		spread(&c.wait, ret, true);
		spread(&c.duration, ret, false);
		leave_out(ret, c.oldest, c.step_ns);
	}
	mem_free(c.wait.items);
	mem_free(c.duration.items);
	return r;
}
