/* Histograms of jobs: see meter.h. */
#include "jobs/meter.h"

#include <inttypes.h>

const double meter_job_bounds[METER_BUCKETS] = {0.001, 0.0025, 0.005, 0.01,
    0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1200, 3600};
const double meter_call_bounds[METER_BUCKETS] = {0.00005, 0.0001, 0.00025,
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
    10};

const char *const phase_names[PHASE_COUNT] = {
    [PHASE_ASSIGNED] = "queued_to_assigned",
    [PHASE_CREATED] = "assigned_to_created",
    [PHASE_STARTED] = "created_to_started",
    [PHASE_FIRST_OUTPUT] = "started_to_first_output",
    [PHASE_ENDED] = "started_to_ended",
    [PHASE_REMOVED] = "ended_to_removed",
};

void meter_observe(struct meter *m, int64_t ns)
{
	double s;
	int i = 0;

	if (ns < 0)
		ns = 0;
	s = (double)ns / 1e9;
	while (i < METER_BUCKETS && s > m->bounds[i])
		i++;
	if (i < METER_BUCKETS)
		atomic_fetch_add_explicit(
		    &m->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(
	    &m->sum_ns, (unsigned long long)ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->count, 1, memory_order_relaxed);
}

/* Overflow is kept in the buffer: the caller checks once. */
void meter_write(
    const struct meter *m, const char *name, const char *labels, struct buf *b)
{
	const char *comma = *labels != '\0' ? "," : "";
	const char *open = *labels != '\0' ? "{" : "";
	const char *close = *labels != '\0' ? "}" : "";
	unsigned long long sum = 0, count = atomic_load(&m->count);

	for (int i = 0; i < METER_BUCKETS; i++) {
		sum += atomic_load(&m->buckets[i]);
		IGNORE(buf_printf(b, "%s_bucket{%s%sle=\"%g\"} %llu\n", name,
		    labels, comma, m->bounds[i], sum));
	}
	/* Counted last above, read first: never below the last bucket. */
	if (count < sum)
		count = sum;
	IGNORE(buf_printf(b, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels,
	    comma, count));
	IGNORE(buf_printf(b, "%s_sum%s%s%s %.9f\n", name, open, labels, close,
	    (double)atomic_load(&m->sum_ns) / 1e9));
	IGNORE(buf_printf(
	    b, "%s_count%s%s%s %llu\n", name, open, labels, close, count));
}

void job_meters_init(struct job_meters *m)
{
	m->wait.bounds = meter_job_bounds;
	m->duration.bounds = meter_job_bounds;
	for (int i = 0; i < PHASE_COUNT; i++)
		m->phases[i].bounds = meter_job_bounds;
}

static void span(struct meter *m, int64_t from, int64_t to)
{
	if (from > 0 && to > 0)
		meter_observe(m, to - from);
}

void job_meters_ended(struct job_meters *m, const struct job_phases *p)
{
	span(&m->wait, p->queued, p->started);
	span(&m->duration, p->started, p->ended);
	span(&m->phases[PHASE_ASSIGNED], p->queued, p->assigned);
	span(&m->phases[PHASE_CREATED], p->assigned, p->created);
	span(&m->phases[PHASE_STARTED], p->created, p->started);
	span(&m->phases[PHASE_FIRST_OUTPUT], p->started, p->first_output);
	span(&m->phases[PHASE_ENDED], p->started, p->ended);
	span(&m->phases[PHASE_REMOVED], p->ended, p->removed);
}
