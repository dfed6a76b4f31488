/*
 * An instance's container under observation: until it is ready, and while it
 * runs. Its health check, its time to live, and whether anybody uses it. The
 * thread of the flow.
 */
#include <stdio.h>

#include "base/log.h"
#include "components/flow.h"
#include "components/probe.h"

enum {
	END_SEEN_MS = 60000,
	SETTLE_MS = 300,     /* one that dies at once is not called running */
	READY_FIRST_MS = 10, /* many listen at once; then twice as long */
	READY_POLL_MS = 250,
	USE_LOOK_MS = 10000, /* how often its use is looked at, at most */
	USE_LOOK_LEAST_MS = 100,
};

/* Waits until the moment, or the end of the container, or a stop. */
void watch_pause(struct flow *f, int64_t deadline)
{
	struct components *c = f->owner;

	mtx_lock(&c->mtx);
	while (!f->ended && !f->stop_wanted && !f->leaving &&
	       cond_wait_until(&c->changed, &c->mtx, deadline))
		;
	mtx_unlock(&c->mtx);
}

bool watch_has_ended(struct flow *f)
{
	bool ended;

	mtx_lock(&f->owner->mtx);
	ended = f->ended;
	mtx_unlock(&f->owner->mtx);
	return ended;
}

/* -- its health -------------------------------------------------------- */

/* Those who look are told when it changes, not of every check. */
static void keep_check(struct flow *f, int64_t began, const struct err *err)
{
	bool well = err->kind == ERR_NONE, changed;
	struct check *k;

	mtx_lock(&f->owner->mtx);
	k = &f->checks[f->nchecks++ % CHECKS_KEPT];
	*k = (struct check){.at = clock_wall_ns(),
	    .took_ns = clock_mono_ns() - began,
	    .success = well};
	snprintf(k->error, sizeof(k->error), "%.190s", err->msg);
	changed =
	    well ? !f->healthy : f->failures + 1 == f->plan.health.retries;
	f->failures = well ? 0 : f->failures + 1;
	f->healthy = well || (f->healthy && !changed);
	mtx_unlock(&f->owner->mtx);
	if (changed)
		feed_changed(&f->owner->feed, f->id);
}

/* 0 well, -1 not (or cancelled). */
static int probe(struct flow *f, struct err *err)
{
	int64_t began = clock_mono_ns();
	int r = probe_once(&f->plan.health, f->ip, &f->start, err);

	if (r == 0 || err->kind != ERR_CANCELED)
		keep_check(f, began, err);
	return r;
}

/* Its last lines may take longer to read than it lived: the engine says
 * whether it still does. */
static int settle(struct flow *f, struct err *err)
{
	watch_pause(f, clock_deadline_ms(SETTLE_MS));
	TRY(ctx_check(&f->start, err));
	TRY(run_look(f, err));
	if (f->pid == 0)
		watch_pause(f, clock_deadline_ms(END_SEEN_MS));
	return ctx_check(&f->start, err);
}

int watch_until_ready(struct flow *f, struct err *err)
{
	const struct descriptor_health *h = &f->plan.health;
	int64_t patience = h->start_period_ms +
			   (h->retries + 1) * (h->interval_ms + h->timeout_ms);
	int64_t deadline = clock_deadline_ms(patience);
	const int64_t most =
	    h->interval_ms < READY_POLL_MS ? h->interval_ms : READY_POLL_MS;
	int64_t step = READY_FIRST_MS;
	struct err why = ERR_INIT;

	if (h->kind == HEALTH_NONE)
		return settle(f, err);
	while (!watch_has_ended(f)) {
		err_clear(&why);
		if (probe(f, &why) == 0)
			return 0;
		TRY(ctx_check(&f->start, err));
		if (clock_mono_ns() >= deadline)
			return err_set(err, ERR_TIMEOUT, FAULT_UNHEALTHY,
			    "The component was not ready within %lld s: %.300s",
			    (long long)(patience / 1000), why.msg);
		watch_pause(f, clock_deadline_ms(step));
		step = 2 * step < most ? 2 * step : most;
	}
	return 0;
}

/* -- its use ----------------------------------------------------------- */

static int64_t look_ms(const struct flow *f)
{
	int64_t ms = f->plan.idle_ms / 4;

	if (ms < USE_LOOK_LEAST_MS)
		return USE_LOOK_LEAST_MS;
	return ms < USE_LOOK_MS ? ms : USE_LOOK_MS;
}

/* What was counted so far is no use: it is our own health check's. */
static void pass_over_probe(struct flow *f)
{
	struct use_count now;
	struct err ignored = ERR_INIT; /* the next look tells */

	if (f->plan.idle_ms > 0 &&
	    use_count(f->pid, f->container, &f->plan, &now, &ignored) == 0)
		f->use = now;
}

static void look_at_use(struct flow *f)
{
	struct use_count now;
	struct err err = ERR_INIT;

	if (use_count(f->pid, f->container, &f->plan, &now, &err) < 0) {
		f->used_at =
		    clock_mono_ns(); /* never stop what we cannot see */
		if (!f->use_unknown)
			log_warn(&f->root,
			    "cannot see whether an instance is used: it is "
			    "not stopped when it is idle (idleStop)",
			    LOG_ERR(&err));
		f->use_unknown = true;
		return;
	}
	f->use_unknown = false;
	if (use_was_made(&f->use, &now))
		f->used_at = clock_mono_ns();
	f->use = now;
}

/* -- until it ends ----------------------------------------------------- */

static bool ask_to_stop(struct flow *f, const char *why)
{
	log_info(&f->root, "an instance is stopped", LOG_STR("why", why));
	mtx_lock(&f->owner->mtx);
	f->stop_wanted = true;
	f->stop_reason = why;
	mtx_unlock(&f->owner->mtx);
	return true;
}

bool watch_time_is_over(struct flow *f)
{
	if (f->plan.deadline == 0 || clock_wall_ns() < f->plan.deadline)
		return false;
	return ask_to_stop(f, "its time to live is over (ttl)");
}

static bool is_idle(struct flow *f)
{
	int64_t idle_ns = f->plan.idle_ms * CLOCK_NS_PER_MS;

	if (f->plan.idle_ms == 0)
		return false;
	look_at_use(f);
	if (clock_mono_ns() - f->used_at < idle_ns)
		return false;
	return ask_to_stop(f, "nobody has used it for long (idleStop)");
}

/* The time to live is wall time, which people may set: not far ahead. */
int64_t watch_deadline(const struct flow *f, int64_t moment)
{
	int64_t far = clock_deadline_ms(60000), left;

	if (f->plan.deadline == 0)
		return moment;
	left = f->plan.deadline - clock_wall_ns();
	if (left < 0)
		left = 0;
	if (clock_mono_ns() + left < far)
		far = clock_mono_ns() + left;
	return far < moment ? far : moment;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void watch_until_end(struct flow *f)
{
	const bool checks = f->plan.health.kind != HEALTH_NONE;
	int64_t probe_at = CLOCK_NO_DEADLINE, look_at = CLOCK_NO_DEADLINE;
	struct err ignored = ERR_INIT;

	if (checks) /* one that was adopted is asked at once */
		probe_at = f->nchecks == 0
			       ? clock_mono_ns()
			       : clock_deadline_ms(f->plan.health.interval_ms);
	if (f->plan.idle_ms > 0)
		look_at = clock_deadline_ms(look_ms(f));
	f->used_at = clock_mono_ns();
	pass_over_probe(f);
	for (;;) {
		watch_pause(f, watch_deadline(f, sooner(probe_at, look_at)));
		if (watch_has_ended(f) || ctx_check(&f->start, &ignored) < 0 ||
		    watch_time_is_over(f))
			return;
		if (clock_mono_ns() >= look_at) {
			if (is_idle(f))
				return;
			look_at = clock_deadline_ms(look_ms(f));
		}
		if (clock_mono_ns() >= probe_at) {
			IGNORE(probe(f, &ignored)); /* kept; GET health tells */
			err_clear(&ignored);
			pass_over_probe(f);
			probe_at =
			    clock_deadline_ms(f->plan.health.interval_ms);
		}
	}
}
