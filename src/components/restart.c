/*
 * A component that ended by itself and is to be started again: by the hub, not
 * by the engine, so that the hub's word counts, each end is told and a stop
 * ends it. The same container, so with the files it wrote. The thread of the
 * flow.
 *
 * An end is counted in the store, with the run that it was the end of, before
 * it is told in the log: a hub that finds the container of a dead one ended
 * knows by that whether it has been counted, and by the length of the log
 * whether it has been told.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "components/flow.h"

/* One that ran for so long begins with short waits again. */
#define STEADY_NS (10 * CLOCK_NS_PER_S)

static void say(
    struct flow *f, const struct ending *e, int restarts, int64_t delay_ms)
{
	struct err err = ERR_INIT;
	char line[640];
	int n = snprintf(line, sizeof(line),
	    "runnerhub: %.480s Start %d again in %lld ms.\n",
	    e->to == INSTANCE_ERROR ? e->err.msg : "The component ended.",
	    restarts, (long long)delay_ms);

	if (logs_say(f, line, (size_t)n, &err) < 0)
		log_warn(&f->root, "cannot write into the log of an instance",
		    LOG_ERR(&err));
	log_warn(&f->root, "a component is started again",
	    LOG_INT("restart", restarts), LOG_INT("delay_ms", delay_ms),
	    LOG_ERR(&e->err));
}

/* Found by a hub that came back: has the one before it counted this end? */
static bool is_counted(const struct flow *f)
{
	return f->in_a_row == 0 && f->run[0] != '\0' &&
	       strcmp(f->run, f->plan.ended_run) == 0;
}

static int64_t log_length(const struct flow *f)
{
	struct err ignored = ERR_INIT; /* it is told once too often then */
	struct spool_stat st;

	if (spool_stat(f->owner->config.spool, f->id_text, &st, &ignored) < 0)
		return 0;
	return (int64_t)st.text_bytes;
}

static void mark(struct flow *f)
{
	const int64_t told = log_length(f);

	mtx_lock(&f->owner->mtx);
	if (f->run[0] != '\0')
		memcpy(f->plan.ended_run, f->run, sizeof(f->run));
	f->plan.ended_log = told;
	mtx_unlock(&f->owner->mtx);
}

/* -1: it cannot be written, or a stop came. */
static int count(struct flow *f, const struct ending *e, int restarts)
{
	CLEANUP(buf_fini) struct buf plan = {.max = 64 * 1024};
	struct instance_change change = {
	    .from = {INSTANCE_RUNNING, INSTANCE_STARTING},
	    .to = INSTANCE_STARTING,
	    .restarts = restarts,
	    .set_exit_code = e->has_code,
	    .exit_code = e->code,
	    .oom_killed = e->oom_killed};
	const struct fault_context in = {.operation = "startComponent",
	    .instance = f->id_text,
	    .container = f->container,
	    .component = f->component_ref};
	struct err err = ERR_INIT;

	if (e->to == INSTANCE_ERROR)
		faults_add(&f->owner->faults, &e->err, &in);
	mark(f);
	run_write_plan(f, &plan);
	change.plan = buf_str(&plan);
	if (flow_change(f, &change, &err) == 0)
		return 0;
	if (err.kind != ERR_CONFLICT)
		log_error(&f->root, "cannot write a restart", LOG_ERR(&err));
	return -1;
}

/* Of an earlier run, no more of this one. Counted once it is written: whoever
 * sees the number sees the status that belongs to it. */
static void forget_run(struct flow *f, int restarts)
{
	mtx_lock(&f->owner->mtx);
	f->restarts = restarts;
	f->ended = false;
	f->healthy = false;
	f->failures = 0;
	f->nchecks = 0;
	mtx_unlock(&f->owner->mtx);
}

/* Counts and tells its end, each of them once. -1: as count. */
static int note(struct flow *f, const struct ending *e, int64_t delay_ms)
{
	const bool counted = is_counted(f);
	const int restarts = f->restarts + !counted;

	if (!counted)
		TRY(count(f, e, restarts));
	FAULT("component_restart_counted");
	if (log_length(f) == f->plan.ended_log)
		say(f, e, restarts, delay_ms);
	logs_begin_run(f);
	forget_run(f, restarts);
	FAULT("component_restart");
	return 0;
}

/* False: a stop, or the end of its time. */
static bool wait_for_turn(struct flow *f, int64_t delay_ms)
{
	int64_t until = clock_deadline_ms(delay_ms);
	bool stop, leave;

	do {
		watch_pause(f, watch_deadline(f, until));
		if (watch_time_is_over(f))
			return false;
		ending_wishes(f, &stop, &leave);
	} while (!stop && !leave && clock_mono_ns() < until);
	return !stop && !leave;
}

bool restart(struct flow *f, struct ending *e)
{
	int64_t delay_ms;

	while (!ending_is_of_start(f) &&
	       lifeplan_restarts(&f->plan, e->to == INSTANCE_ERROR)) {
		if (f->running_since != 0 &&
		    clock_mono_ns() - f->running_since >= STEADY_NS)
			f->in_a_row = 0;
		f->running_since = 0; /* until it runs again */
		delay_ms = lifeplan_delay_ms(f->in_a_row + 1);
		logs_join(f);
		if (note(f, e, delay_ms) < 0)
			return false;
		f->in_a_row++;
		if (!wait_for_turn(f, delay_ms))
			return false;
		*e = (struct ending){.to = INSTANCE_STOPPED};
		if (run_again(f, &e->err) == 0 && logs_follow(f, &e->err) == 0)
			return true;
		e->known = true;
		e->to = INSTANCE_ERROR;
		if (e->err.kind == ERR_NOT_FOUND)
			return false; /* its container was removed */
	}
	return false;
}
