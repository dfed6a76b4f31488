/*
 * What the API asks of sessions: on the API's threads it is checked and put
 * into the mailbox of whoever carries the session, who answers. Heartbeats
 * and ends are here, too: delegate.c has the rest of a job's life.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "jobs/session.h"
#include "jobs/session_step.h"

/* -- the lease --------------------------------------------------------- */

int hub_renew_lease(
    struct hub *h, job_id id, const char *runner_id, struct err *err)
{
	int64_t lease_ns = h->options->lease_ms * CLOCK_NS_PER_MS;
	struct job_change note = {
	    .lease_until = clock_wall_ns() + lease_ns, .runner_id = runner_id};
	bool stale;

	/* The store's is for the next hub, which is generous: it need not
	 * know each renewal. */
	if (live_renew(h->live, id, note.lease_until, lease_ns / 4, &stale) &&
	    !stale && runner_id == NULL)
		return 0;
	return store_job_note(h->store, id, &note, NULL, err);
}

/* A call that was taken is a sign of life, whatever becomes of the note. */
static void renew(struct hub *h, job_id id)
{
	struct ctx ctx = ctx_root();
	struct err err = ERR_INIT;

	if (hub_renew_lease(h, id, NULL, &err) < 0)
		log_warn(&ctx, "cannot note that a session is driven",
		    LOG_ERR(&err));
}

/* -- into the mailbox -------------------------------------------------- */

static int is_over(struct err *err)
{
	return err_set(
	    err, ERR_CONFLICT, "session_not_running", "The session has ended");
}

/* Nobody has it in hand: what the store says of it. */
static int explain_absence(struct hub *h, job_id id, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};
	int found = store_job_get(h->store, id, &job, err);

	TRY(found);
	if (found == 0)
		return err_set(
		    err, ERR_NOT_FOUND, "job_not_found", "Job not found");
	if (!job.is_session)
		return err_set(err, ERR_CONFLICT, "not_a_session",
		    "The hub drives this job itself");
	if (job_status_is_final(job.status))
		return is_over(err);
	if (job.status == JOB_RUNNING)
		return err_set(err, ERR_UNAVAILABLE, "session_resuming",
		    "The hub was restarted and takes the session over: repeat "
		    "this in a moment");
	return err_set(err, ERR_CONFLICT, "session_not_running",
	    "The session is %s, it does not run yet",
	    job_status_name(job.status));
}

static int put(
    struct hub *h, job_id id, struct session_call *call, struct err *err)
{
	switch (live_post(h->live, id, call)) {
	case LIVE_POSTED:
		renew(h, id);
		return 0;
	case LIVE_ABSENT:
		return explain_absence(h, id, err);
	case LIVE_FULL:
		return err_set(err, ERR_LIMIT, "session_busy",
		    "Too many calls for the session wait: repeat this when "
		    "others were answered");
	case LIVE_REFUSED_OVER:
		return is_over(err);
	case LIVE_REFUSED_LEFT:
		break;
	}
	return err_set(err, ERR_UNAVAILABLE, "draining",
	    "the hub is shutting down: repeat this in a moment");
}

static int post(
    struct hub *h, job_id id, struct session_call *call, struct err *err)
{
	int r = put(h, id, call, err);

	if (r < 0)
		session_call_free(call);
	return r;
}

static struct session_call *call_new(
    enum session_call_kind kind, session_done done, void *arg)
{
	struct session_call *call = mem_zalloc(sizeof(*call));

	*call = (struct session_call){.kind = kind, .done = done, .arg = arg};
	return call;
}

int hub_session_step(struct hub *h, job_id id, const char *body, size_t len,
    session_done done, void *arg, struct err *err)
{
	struct request_limits limits;
	struct session_call *call;
	json_t *step;

	hub_request_limits(h, &limits);
	step = session_step_parse(body, len, &limits, err);
	if (step == NULL)
		return -1;
	call = call_new(SESSION_STEP, done, arg);
	call->body = step;
	call->body_len = len;
	return post(h, id, call, err);
}

int hub_session_signal(struct hub *h, job_id id, int step, int signo,
    session_done done, void *arg, struct err *err)
{
	struct session_call *call = call_new(SESSION_SIGNAL, done, arg);

	call->step = step;
	call->signo = signo;
	return post(h, id, call, err);
}

int hub_session_input(struct hub *h, job_id id, int step, uint64_t offset,
    const void *data, size_t len, bool end, session_done done, void *arg,
    struct err *err)
{
	struct session_call *call;

	if (len > SESSION_INPUT_MAX)
		return err_set(err, ERR_LIMIT, "input_too_large",
		    "%zu bytes of input in one call, at most %d are taken", len,
		    SESSION_INPUT_MAX);
	if (offset > INT64_MAX - len)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Query \"offset\": expected a byte's number");
	call = call_new(SESSION_INPUT, done, arg);
	call->step = step;
	call->offset = offset;
	call->end = end;
	call->len = len;
	call->data = mem_alloc(len + 1);
	if (len > 0)
		memcpy(call->data, data, len);
	return post(h, id, call, err);
}

/* -- heartbeat --------------------------------------------------------- */

int hub_session_heartbeat(
    struct hub *h, job_id id, enum job_status *ret, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};
	int found = store_job_get(h->store, id, &job, err);

	TRY(found);
	if (found == 0)
		return err_set(
		    err, ERR_NOT_FOUND, "job_not_found", "Job not found");
	if (!job.is_session)
		return err_set(err, ERR_CONFLICT, "not_a_session",
		    "The hub drives this job itself: it has no lease");
	*ret = job.status;
	if (job.status != JOB_RUNNING)
		return 0;
	return hub_renew_lease(h, id, NULL, err);
}
