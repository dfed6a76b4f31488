/*
 * What the hub counts about jobs: histograms and counters for /metrics. Any
 * thread; each is a handful of relaxed atomic adds.
 */
#ifndef JOBS_METER_H
#define JOBS_METER_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/jobs.h"

#define METER_BUCKETS 16

/* Upper bounds in seconds are given at rendering: see meter_write. */
struct meter {
	const double *bounds; /* METER_BUCKETS of them, ascending */
	atomic_ullong buckets[METER_BUCKETS];
	atomic_ullong count;
	atomic_ullong sum_ns;
};

/* From a millisecond to an hour: waits and durations of jobs. */
extern const double meter_job_bounds[METER_BUCKETS];
/* From 50 µs to 10 s: calls of the API. */
extern const double meter_call_bounds[METER_BUCKETS];

void meter_observe(struct meter *m, int64_t ns);
/* The series of one histogram; labels: "route=\"/x\"" or "". */
void meter_write(
    const struct meter *m, const char *name, const char *labels, struct buf *b);

enum phase {
	PHASE_ASSIGNED,     /* queued -> assigned */
	PHASE_CREATED,      /* assigned -> created */
	PHASE_STARTED,      /* created -> running */
	PHASE_FIRST_OUTPUT, /* running -> first output */
	PHASE_ENDED,        /* running -> ended */
	PHASE_REMOVED,      /* ended -> removed */
	PHASE_COUNT,
};
extern const char *const phase_names[PHASE_COUNT];

struct job_meters {
	struct meter wait, duration, phases[PHASE_COUNT];
	atomic_ullong delegated, retries, lost_leases;
};
void job_meters_init(struct job_meters *m);
/* A job has ended and its container is gone. How many have, the store
 * counts. */
void job_meters_ended(struct job_meters *m, const struct job_phases *p);

#endif
