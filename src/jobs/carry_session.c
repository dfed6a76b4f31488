/*
 * A session: a container leased to a proxy that drives it from outside. Here
 * are its lease and its end. Carrier's thread.
 */
#include "base/log.h"
#include "jobs/carry_internal.h"

static bool ended_by_proxy(const struct carry *c)
{
	return atomic_load(&c->live.session_end) != 0;
}

/* What the scheduler has not been told yet: it may start another session. */
static bool newly_driven(const struct carry *c)
{
	return atomic_load(&c->live.driven) && c->grant->idle_session;
}

static bool proxy_spoke(const struct carry *c)
{
	return ended_by_proxy(c) || newly_driven(c);
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

static struct outcome as_the_proxy_said(const struct carry *c)
{
	switch ((enum job_status)atomic_load(&c->live.session_end)) {
	case JOB_COMPLETED:
		return outcome_end(JOB_COMPLETED, NULL, "%s", "");
	case JOB_CANCELLED:
		return outcome_end(JOB_CANCELLED, "cancelled",
		    "the proxy cancelled its session");
	case JOB_FAILED:
	case JOB_PENDING:
	case JOB_QUEUED:
	case JOB_ASSIGNED:
	case JOB_RUNNING:
		break;
	}
	return outcome_end(JOB_FAILED, "session_failed",
	    "the proxy reported that its session failed");
}

static struct outcome lease_expired(const struct carry *c)
{
	return outcome_end(JOB_FAILED, "lease_expired",
	    "no call came for the session within its lease of %lld s: %s",
	    (long long)((atomic_load(&c->live.driven)
				? c->hub->options->lease_ms
				: c->hub->options->lease_first_ms) /
			1000),
	    atomic_load(&c->live.driven) ? "the proxy has vanished"
					 : "nobody drove it");
}

/* How the wait ended, when it ended for good. */
static bool decide(struct carry *c, enum carry_news news, const struct err *err,
    struct outcome *ret)
{
	switch (news) {
	case CARRY_DONE:
		if (!ended_by_proxy(c))
			return false;
		*ret = as_the_proxy_said(c);
		return true;
	case CARRY_DIED:
		*ret = carry_died(c);
		return true;
	case CARRY_CANCEL:
		*ret = outcome_end(
		    JOB_CANCELLED, "cancelled", "the session was cancelled");
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
		*ret = outcome_end(JOB_FAILED, "job_timeout",
		    "the session ran into the job's time limit");
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

	do {
		if (newly_driven(c))
			schedule_driven(c->hub->schedule, c->grant);
		until = lease_deadline(c);
		if (until > c->deadline_ns)
			until = c->deadline_ns;
		news = carry_await(c, proxy_spoke, until, 0, &err);
	} while (!decide(c, news, &err, &o));
	return o;
}
