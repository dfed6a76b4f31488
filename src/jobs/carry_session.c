/*
 * A session: a container leased to a proxy that drives it from outside. Here
 * are its lease, the loop that serves its calls (carry_calls.c), and its end.
 * Carrier's thread.
 */
#include <signal.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "jobs/session.h"

enum { CHILDREN_END_MS = 30000 };

static bool ended_by_proxy(const struct carry *c)
{
	return atomic_load(&c->live.session_end) != 0;
}

/* What the scheduler has not been told yet: it may start another session. */
static bool newly_driven(const struct carry *c)
{
	return atomic_load(&c->live.driven) && c->grant->idle_session;
}

static bool proxy_spoke(struct carry *c)
{
	return ended_by_proxy(c) || newly_driven(c) || carry_is_called(c);
}

/* When the lease ends, on the monotonic clock. */
static int64_t lease_deadline(const struct carry *c)
{
	int64_t left = atomic_load(&c->live.lease_until) - clock_wall_ns();

	return clock_deadline_ms(left > 0 ? left / CLOCK_NS_PER_MS : 0);
}

static bool lease_over(const struct carry *c)
{
	return clock_wall_ns() >= atomic_load(&c->live.lease_until);
}

struct outcome carry_session_ended(const struct carry *c)
{
	const struct live_end *end = &c->live.end;
	struct outcome o = outcome_end(end->status,
	    end->code[0] != '\0' ? end->code : NULL, "%s", end->words);

	o.has_exit_code = end->has_exit_code;
	o.exit_code = end->exit_code;
	return o;
}

static struct outcome lease_expired(const struct carry *c)
{
	atomic_fetch_add(&c->hub->meters.lost_leases, 1);
	return outcome_end(JOB_FAILED, "lease_expired",
	    "no call came for the session within its lease of %lld s: %s",
	    (long long)((atomic_load(&c->live.driven)
				? c->hub->options->lease_ms
				: c->hub->options->lease_first_ms) /
			1000),
	    atomic_load(&c->live.driven) ? "the proxy has vanished"
					 : "nobody drove it");
}

/* A step in a container of its own ends with the session's: side_finish. */
static void end_gently(struct carry *c)
{
	if (c->now.step >= 0 && c->now.side == NULL)
		carry_end_step(c);
}

/* How the wait ended, when it ended for good. */
static bool decide(struct carry *c, enum carry_news news, const struct err *err,
    struct outcome *ret)
{
	char words[200];

	switch (news) {
	case CARRY_DONE:
		if (!ended_by_proxy(c))
			return false;
		*ret = carry_session_ended(c);
		return true;
	case CARRY_DIED:
		*ret = carry_died(c);
		return true;
	case CARRY_CANCEL:
		end_gently(c);
		live_cancel_words(c->hub->live, &c->live,
		    "the session was cancelled", words, sizeof(words));
		*ret = outcome_end(JOB_CANCELLED, "cancelled", "%s", words);
		return true;
	case CARRY_STOPPING:
		*ret = (struct outcome){.kind = OUTCOME_LEAVE};
		return true;
	case CARRY_LOST:
		*ret = outcome_end(JOB_FAILED, err->code, "%s", err->msg);
		return true;
	case CARRY_TIMEOUT:
		break;
	}
	if (clock_mono_ns() >= c->deadline_ns) {
		end_gently(c);
		*ret = outcome_end(JOB_FAILED, "job_timeout",
		    "the session ran into its time limit of %lld s",
		    (long long)(carry_timeout_ms(c) / 1000));
		return true;
	}
	if (lease_over(c)) {
		*ret = lease_expired(c);
		return true;
	}
	return false; /* renewed meanwhile */
}

struct outcome carry_session(struct carry *c)
{
	struct outcome o;
	struct err err = ERR_INIT;
	enum carry_news news;
	int64_t until;

	if (c->resumed && carry_calls_resume(c, &err) < 0)
		return outcome_end(JOB_FAILED, err.code, "%s", err.msg);
	do {
		if (newly_driven(c))
			schedule_driven(c->hub->schedule, c->grant);
		carry_serve(c);
		until = lease_deadline(c);
		if (until > c->deadline_ns)
			until = c->deadline_ns;
		news = carry_await(c, proxy_spoke, until, 0, &err);
	} while (!decide(c, news, &err, &o));
	return o;
}

/* -- letting go -------------------------------------------------------- */

/* What came too late, and input that nobody takes any more. */
static void refuse_rest(struct carry *c, bool left)
{
	struct session_call *rest[] = {
	    c->now.input, live_shut_door(c->hub->live, &c->live,
			      left ? LIVE_LEFT : LIVE_OVER)};
	struct session_call *next;

	c->now.input = NULL;
	for (size_t i = 0; i < ARRAY_LEN(rest); i++)
		for (; rest[i] != NULL; rest[i] = next) {
			next = rest[i]->next;
			if (left)
				session_call_refuse(rest[i], ERR_UNAVAILABLE,
				    "draining",
				    "the hub is shutting down: repeat this in "
				    "a moment");
			else
				session_call_refuse(rest[i], ERR_CONFLICT,
				    "session_not_running",
				    "The session has ended");
		}
}

static const char *why_ended(const struct outcome *o)
{
	return o->words[0] != '\0' ? o->words : "the session was completed";
}

/* Whoever follows a step's output gets its end. */
static void end_open_steps(struct carry *c, const struct outcome *o)
{
	struct progress_cut cut = {
	    .exit_code = 128 + SIGKILL, .reason = why_ended(o)};
	CLEANUP(buf_fini) struct buf note = {0};
	struct spool_record rec;
	struct err err = ERR_INIT;
	size_t at = 0;

	buf_init(&note, 8192);
	while (c->log != NULL &&
	       progress_cut_next(&c->progress, &at, &cut, &note, &rec))
		if (carry_append(c, &rec, 1, &err) < 0) {
			log_warn(&c->ctx, "cannot write the end of a step",
			    LOG_ERR(&err));
			return;
		}
}

void carry_session_over(struct carry *c, const struct outcome *o)
{
	bool left = o->kind == OUTCOME_LEAVE;

	if (c->now.side != NULL) {
		side_tell_why(c->now.side, why_ended(o));
		side_finish(c->now.side, left);
	}
	c->now.side = NULL;
	if (c->now.leaving != NULL)
		side_finish(c->now.leaving, false);
	c->now.leaving = NULL;
	if (o->kind == OUTCOME_END || o->kind == OUTCOME_OVER)
		end_open_steps(c, o);
	FAULT("after_session_cut");
	refuse_rest(c, left);
}

/* -- families ---------------------------------------------------------- */

void carry_end_children(struct carry *c)
{
	struct live_end end = {.status = JOB_CANCELLED,
	    .code = "parent_ended",
	    .words = "the session in which it was opened has ended"};

	hub_end_children(c->hub, c->id_text, &end);
	if (!live_wait_children(
		c->hub->live, c->id_text, clock_deadline_ms(CHILDREN_END_MS)))
		log_warn(&c->ctx, "sessions opened inside of this one have not "
				  "ended in time");
}

bool carry_is_orphan(struct carry *c, struct outcome *ret)
{
	CLEANUP(job_fini) struct job parent = {0};
	struct err err = ERR_INIT;
	job_id id;

	if (c->job.parent_id == NULL)
		return false;
	live_set_parent(c->hub->live, &c->live, c->job.parent_id);
	if (uuid_parse(c->job.parent_id, &id.u) == 0 &&
	    store_job_get(c->hub->store, id, &parent, &err) != 0 &&
	    parent.status == JOB_RUNNING)
		return false;
	*ret = outcome_end(JOB_CANCELLED, "parent_ended",
	    "the session in which it was opened has ended");
	return true;
}
