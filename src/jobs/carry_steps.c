/*
 * The steps of a running job, one after the other, and what can come
 * between: cancel, time limit, the container's death, the hub's shutdown.
 * Goes on from whatever the log says has happened. Carrier's thread.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "jobs/carry_internal.h"

/* Beyond the grace that the agent gives a step: it must have answered. */
enum {
	AGENT_MARGIN_MS = 5000,
	ENGINE_ANSWERS_MS = 5000,
	ENGINE_GOES_MS = 3000,
	ENGINE_LOOK_MS = 200,
};

/* -- what ends a job early --------------------------------------------- */

/* It does not answer, or its event stream has ended since. */
static bool engine_went(struct carry *c, const struct hub_engine_state *before)
{
	struct ctx ctx = ctx_with_timeout(&c->ctx, ENGINE_ANSWERS_MS);
	struct hub_engine_state now;
	struct err err = ERR_INIT;

	if (engine_ping(c->hub->engine, &ctx, &err) < 0)
		return true;
	hub_engine_state(c->hub, &now);
	return !now.up || now.since != before->since;
}

/*
 * An engine that shuts down ends its containers first, with a signal, and
 * tells of each death; it stops answering when all are down. Measured with
 * dockerd 20.10: a second later.
 */
static bool engine_is_going(struct carry *c, int exit_code)
{
	struct ctx wait = ctx_with_cancel(&c->ctx, &c->hub->cancel);
	bool by_signal =
	    exit_code == 128 + SIGKILL || exit_code == 128 + SIGTERM;
	int64_t until = clock_deadline_ms(by_signal ? ENGINE_GOES_MS : 0);
	struct hub_engine_state before;
	struct err slept = ERR_INIT;

	hub_engine_state(c->hub, &before);
	do {
		if (engine_went(c, &before))
			return true;
		if (clock_mono_ns() >= until)
			return false;
	} while (ctx_sleep(&wait, ENGINE_LOOK_MS, &slept) == 0);
	return false;
}

struct outcome carry_died(struct carry *c)
{
	int code = atomic_load(&c->sandbox->exit_code);

	if (atomic_load(&c->sandbox->engine_restarted) ||
	    engine_is_going(c, code))
		return outcome_end(JOB_FAILED, "engine_restarted",
		    "the container engine was restarted, which ended the "
		    "job's container");
	return outcome_end(JOB_FAILED, "container_died",
	    "the job's container ended by itself (exit code %d); out of "
	    "memory, or removed by hand",
	    code);
}

/* A session's step is on its way to the agent before it has begun. */
static bool step_is_over(struct carry *c)
{
	if (c->job.is_session && c->now.step >= 0 &&
	    !carry_step_ended(c, (size_t)c->now.step))
		return false;
	for (size_t i = 0; i < c->progress.nsteps; i++)
		if (c->progress.steps[i].started && !c->progress.steps[i].ended)
			return false;
	return true;
}

void carry_end_step(struct carry *c)
{
	int64_t grace = c->hub->options->grace_ms;
	enum carry_news news;
	struct err err = ERR_INIT;
	struct buf b;

	buf_init(&b, 16);
	wire_put_u32(&b, (uint32_t)grace);
	channel_send(c->sandbox->channel, WIRE_CANCEL, WIRE_STEP_NONE, &b);
	buf_fini(&b);
	news = carry_await(c, step_is_over,
	    clock_deadline_ms(grace + AGENT_MARGIN_MS), 1 << CARRY_CANCEL,
	    &err);
	FAULT("after_step_cut_short");
	if (news != CARRY_TIMEOUT)
		return;
	log_warn(&c->ctx, "the agent did not end the step in time, killing "
			  "the container");
	if (sandbox_kill(c->hub->sandboxes, &c->ctx, c->sandbox, &err) < 0)
		log_warn(&c->ctx, "cannot kill the container", LOG_ERR(&err));
}

static struct outcome cancelled(struct carry *c)
{
	char words[200];

	carry_end_step(c);
	live_cancel_words(c->hub->live, &c->live, "cancelled while it ran",
	    words, sizeof(words));
	return outcome_end(JOB_CANCELLED, "cancelled", "%s", words);
}

static struct outcome timed_out(struct carry *c)
{
	carry_end_step(c);
	return outcome_end(JOB_FAILED, "job_timeout",
	    "the job ran into its time limit of %lld s",
	    (long long)(carry_timeout_ms(c) / 1000));
}

static struct outcome interrupted(
    struct carry *c, enum carry_news news, const struct err *err)
{
	switch (news) {
	case CARRY_CANCEL:
		return cancelled(c);
	case CARRY_TIMEOUT:
		return timed_out(c);
	case CARRY_DIED:
		return carry_died(c);
	case CARRY_STOPPING:
		return (struct outcome){.kind = OUTCOME_LEAVE};
	case CARRY_LOST:
		return outcome_end(JOB_FAILED, err->code, "%s", err->msg);
	case CARRY_DONE:
		break;
	}
	WRONG("an interruption that is none");
}

/* -- one step ---------------------------------------------------------- */

static bool awaited_step_ended(struct carry *c)
{
	return c->progress.steps[c->awaited].ended;
}

/* What the hub before us has decided, or should have: a step that was ended
 * for it, a wish or a limit that stands before the next one. */
static bool is_cut_short(
    struct carry *c, const struct step_progress *s, struct outcome *ret)
{
	bool by_hub = s->ended && (s->end.flags & WIRE_END_CANCELLED) != 0;

	if (!by_hub && (s->started || s->ended))
		return false;
	if (atomic_load(&c->live.cancel_requested))
		*ret = cancelled(c);
	else if (by_hub || clock_mono_ns() >= c->deadline_ns)
		*ret = timed_out(c);
	else
		return false;
	return true;
}

/* 0: the step has ended; -1: *ret says why the job ends. */
static int run_step(struct carry *c, size_t index, struct outcome *ret)
{
	enum carry_news news;
	struct err err = ERR_INIT;
	uint32_t seq = 0;

	if (!c->job_sent && carry_send_job(c, &err) < 0) {
		*ret = outcome_end(JOB_FAILED, err.code, "%s", err.msg);
		return -1;
	}
	if (!c->progress.steps[index].started)
		seq = carry_send_step(c, index);
	c->awaited = index;
	news = carry_await(c, awaited_step_ended, c->deadline_ns, 0, &err);
	if (news != CARRY_DONE) {
		*ret = interrupted(c, news, &err);
		return -1;
	}
	channel_confirm(c->sandbox->channel, seq);
	return 0;
}

/* -- all of them ------------------------------------------------------- */

static bool is_due(const struct step_spec *step, bool failed)
{
	switch (step->when) {
	case STEP_ALWAYS:
		return true;
	case STEP_ON_FAILURE:
		return failed;
	case STEP_ON_SUCCESS:
		return !failed;
	}
	WRONG("a condition of no kind");
}

/* The first step that failed and may not be passed over decides. */
static void judge(struct outcome *o, const struct step_progress *s,
    const struct step_spec *step, size_t index)
{
	if (o->status == JOB_FAILED || step->continue_on_error ||
	    !step_failed(s))
		return;
	o->status = JOB_FAILED;
	o->exit_code = (s->end.flags & WIRE_END_SIGNALED) != 0
			   ? 128 + (int)s->end.code
			   : (int)s->end.code;
	if (o->exit_code == 0) /* ended by a time limit, and said 0 */
		o->exit_code = 1;
	step_describe(
	    s, index, step->name, o->code, o->words, sizeof(o->words));
}

struct outcome carry_steps(struct carry *c)
{
	struct outcome o = {.kind = OUTCOME_END,
	    .status = JOB_COMPLETED,
	    .has_exit_code = true};
	struct outcome early;
	struct step_spec step;

	for (size_t i = 0; i < c->spec.nsteps; i++) {
		struct step_progress *s = &c->progress.steps[i];

		spec_step(&c->spec, i, &step);
		if (!s->started && !s->ended &&
		    !is_due(&step, o.status == JOB_FAILED))
			continue;
		if (is_cut_short(c, s, &early) ||
		    (!s->ended && run_step(c, i, &early) < 0))
			return early;
		judge(&o, s, &step, i);
	}
	return o;
}
