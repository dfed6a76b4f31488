/*
 * The parts of a session's life, for the files of jobs/ that carry one:
 *   request_session.c  container, services, nested of a delegation, checked
 *   registries.c       passwords of registries, in memory only
 *   carry_make.c       network, volume, container, services: made and undone
 *   carry_side.c       a step that is a container of its own
 *   session_calls.c    what the API asks of a running session: queued, woken
 *   session_step.c     the JSON of a step, checked
 *   carry_session.c    the carrier's loop: calls, lease, end
 * Contract with the outside: docs/SESSIONS.md.
 */
#ifndef JOBS_SESSION_H
#define JOBS_SESSION_H

#include <jansson.h>

#include "jobs/carry_internal.h"

/* -- carry_make.c, carrier's thread ------------------------------------ */
/*
 * For a session that asks for `container`, `services` or `nested`: makes
 * everything until all of it runs and is healthy, c->sandbox first. Lines for
 * the log through carry_note. Sets the job's "session" in the store. What an
 * error leaves half made, carry_unmake removes.
 */
int carry_make(
    struct carry *c, struct sandbox_limits limits, struct err *err) MUST_CHECK;
bool carry_is_made(const struct carry *c); /* does the spec ask for it? */
/* Removes side containers, network and volume of the session; idempotent;
 * called at every end, after the sandbox is gone. */
void carry_unmake(struct carry *c);
/* The same for sessions that no carrier has: what bears the label of a job
 * that is not open. With the collector, at start and now and then. */
int hub_sweep_sessions(
    struct hub *h, const struct ctx *ctx, struct err *err) MUST_CHECK;

/* -- carry_side.c ------------------------------------------------------ */
/*
 * A step in a container of its own, on a thread of its own: image pulled or
 * built, container made on the session's network, output and end appended to
 * the log (carry_append) as that step's. wish: the "container" object of the
 * step, taken over; may hold secrets. One at a time.
 */
struct side;
/* Is the wish one? For before a step gets its number. */
int side_check(const json_t *wish, struct err *err) MUST_CHECK;
int side_start(struct carry *c, int step, json_t *wish, struct side **ret,
    struct err *err) MUST_CHECK;
/* After a hub's restart: goes on with the container that bears the labels of
 * this step, skipping the output that the log has already. 1 found, 0 there
 * is none (the step never began, or is lost), -1 error. */
int side_resume(
    struct carry *c, int step, struct side **ret, struct err *err) MUST_CHECK;
void side_signal(struct side *s, int signo);
/* Has it put its STEP_END into the log? Wakes the sandbox when it has. */
bool side_is_over(const struct side *s);
/* What its end is to say when side_finish cuts it short. */
void side_tell_why(struct side *s, const char *why);
/* Ends it when it is not over, joins its thread, frees. leave: the hub stops
 * and the next one goes on with the container. */
void side_finish(struct side *s, bool leave);

/* -- carry_channel.c --------------------------------------------------- */
/* Appends to the job's log and folds into its progress; any thread of the
 * job. Records with agent_off 0 are the hub's own. */
int carry_append(struct carry *c, const struct spool_record *recs, size_t n,
    struct err *err) MUST_CHECK;

/* -- session_calls.c: from the API's threads to the carrier ------------ */
enum session_call_kind { SESSION_STEP, SESSION_SIGNAL, SESSION_INPUT };
struct session_call {
	struct session_call *next;
	enum session_call_kind kind;
	int step, signo;
	json_t *body; /* STEP: checked by session_step.c */
	uint64_t offset;
	void *data;
	size_t len;
	size_t body_len; /* of the JSON that body was */
	bool end;
	session_done done;
	void *arg;
};
/* Wipes what it holds; without an answer. NULL is fine. */
void session_call_free(struct session_call *call);

#endif
