/*
 * Who waits and runs, by repository: see schedule.h. Handler threads, under
 * the schedule's mutex.
 */
#include <stdio.h>
#include <string.h>

#include "jobs/schedule_internal.h"

static bool is_busier(
    const struct schedule_share *a, const struct schedule_share *b)
{
	if (a->waiting != b->waiting)
		return a->waiting > b->waiting;
	if (a->running != b->running)
		return a->running > b->running;
	return strcmp(a->repository, b->repository) < 0;
}

/* Into its place among the n busiest so far; what falls off is forgotten. */
static size_t insert(struct schedule_share *out, size_t n, size_t max,
    const struct schedule_share *one)
{
	size_t at = n;

	while (at > 0 && is_busier(one, &out[at - 1]))
		at--;
	if (at == max)
		return n;
	if (n == max)
		n--;
	memmove(&out[at + 1], &out[at], (n - at) * sizeof(*out));
	out[at] = *one;
	return n + 1;
}

size_t schedule_shares(
    struct schedule *s, struct schedule_share *out, size_t max)
{
	struct schedule_share one;
	size_t n = 0;

	mtx_lock(&s->mtx);
	for (const struct repo *r = s->first_repo; r != NULL; r = r->next) {
		one.waiting = r->waiting;
		one.running = r->running + r->children;
		snprintf(one.repository, sizeof(one.repository), "%s", r->name);
		n = insert(out, n, max, &one);
	}
	mtx_unlock(&s->mtx);
	return n;
}
