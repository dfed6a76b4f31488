/*
 * When jobs were delegated and how they ended, for figures over time: read
 * from indexes alone, in the order of time. Any thread.
 */
#ifndef STORE_JOB_TIMES_H
#define STORE_JOB_TIMES_H

#include "store/jobs.h"

struct job_end {
	int64_t at; /* wall ns, cut to ms */
	enum job_status status;
	int64_t queued, started, ended; /* wall ns; 0: unknown, or never */
};
/* Calls cb for each job that ended in [from_ns, to_ns), the newest first, at
 * most limit times. Returns how often, or -1. */
int64_t store_job_ends(struct store *s, int64_t from_ns, int64_t to_ns,
    int64_t limit, void (*cb)(void *arg, const struct job_end *end), void *arg,
    struct err *err) MUST_CHECK;
/* The same for each job that was delegated then: its moment, cut to ms. */
int64_t store_job_starts(struct store *s, int64_t from_ns, int64_t to_ns,
    int64_t limit, void (*cb)(void *arg, int64_t at), void *arg,
    struct err *err) MUST_CHECK;

#endif
