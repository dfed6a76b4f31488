/*
 * Figures of the last hours, in points of equal length: how many jobs were
 * delegated and ended, how long they waited and ran. Percentiles are exact
 * (nearest rank), of the jobs that ended in that point and had a container.
 *
 * Cost: one walk over the index entries of the jobs of that time, and sorting
 * them. At most FIGURES_JOBS ended and as many delegated ones are looked at,
 * the newest; older points are then left out. Any thread.
 */
#ifndef JOBS_FIGURES_H
#define JOBS_FIGURES_H

#include "store/jobs.h"

#define FIGURES_POINTS_MAX 400
#define FIGURES_JOBS       1000000

struct figures_spread {
	bool known;      /* else there was no such job */
	double p50, p95; /* seconds */
};
struct figures_point {
	int64_t at; /* wall ns of its begin */
	int64_t completed, failed, cancelled, delegated;
	struct figures_spread wait;     /* delegation to container running */
	struct figures_spread duration; /* container running to the end */
};
struct figures {
	int64_t from, to; /* wall ns; the last point may lie in the future */
	size_t n;
	struct figures_point points[FIGURES_POINTS_MAX];
};
/* The points of `step` seconds that the last `hours` touch; ERR_INVALID: more
 * than FIGURES_POINTS_MAX. */
int figures_read(struct store *s, int64_t now_ns, int64_t hours, int64_t step,
    struct figures *ret, struct err *err) MUST_CHECK;

#endif
