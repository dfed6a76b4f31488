/*
 * What GitHub's replies say about how often it may be asked. Kept per handle,
 * shown by github_budget, honoured by repository_call.c. Any thread.
 */
#include "github/github_internal.h"

enum { BLOCKED_MAX_S = 3600 }; /* GitHub's windows are an hour */

void github_budget_note(struct github *g, const struct github_reply *r)
{
	int64_t wait = 0;

	if (github_is_limited(r, ""))
		wait = github_rate_wait(r);
	if (wait > BLOCKED_MAX_S)
		wait = BLOCKED_MAX_S;
	mtx_lock(&g->mtx);
	g->budget.asked++;
	g->budget.unchanged += r->status == 304;
	if (r->limit >= 0)
		g->budget.limit = r->limit;
	if (r->remaining >= 0)
		g->budget.remaining = r->remaining;
	if (r->reset_at >= 0)
		g->budget.reset_at = r->reset_at;
	if (wait > 0)
		g->budget.blocked_until =
		    clock_wall_ns() / CLOCK_NS_PER_S + wait;
	else if (r->status / 100 == 2 || r->status == 304)
		g->budget.blocked_until = 0;
	mtx_unlock(&g->mtx);
}

int64_t github_budget_wait(struct github *g)
{
	int64_t now = clock_wall_ns() / CLOCK_NS_PER_S, until;

	mtx_lock(&g->mtx);
	until = g->budget.blocked_until;
	mtx_unlock(&g->mtx);
	return until > now ? until - now : 0;
}

void github_budget(struct github *g, struct github_budget *ret)
{
	mtx_lock(&g->mtx);
	*ret = g->budget;
	mtx_unlock(&g->mtx);
}
