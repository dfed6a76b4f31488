/*
 * ~ Every change of a job after its delegation. A transition is one
 * compare-and-set and one history row in the same transaction; this is the
 * only place where a status changes. The functions below block until the
 * writer thread has committed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

enum kind { TRANSITION, NOTE, REQUEST_CANCEL };

struct change {
	struct write write; /* first */
	enum kind kind;
	job_id id;
	const struct job_change *wanted; /* the blocked caller's */
	const char *event_type;          /* NULL: no history row */
	int64_t now_ns;
	char id_text[UUID_TEXT_LEN];
	char now[CLOCK_ISO_LEN];
	/* set by run */
	enum job_status found;
	char *repository; /* owned */
	bool has_secrets, cancel_requested;
};

/* -- what there is ----------------------------------------------------- */

static int read_current(struct db *db, struct change *c, struct err *err)
{
	static const char sql[] =
	    "SELECT status, repository, has_secrets, cancel_requested"
	    " FROM jobs WHERE id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const char *status;
	int rc;

	TRY(db_use(db, sql, &st, err));
	db_bind_textn(st, c->id_text, UUID_TEXT_LEN - 1);
	rc = db_step(st, err);
	TRY(rc);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "job_not_found",
		    "there is no job %s", c->id_text);
	status = db_col_text(st);
	if (job_status_parse(status, &c->found) < 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the stored job %s has the unknown status %s", c->id_text,
		    status);
	mem_free(c->repository);
	c->repository = db_col_strdup(st);
	c->has_secrets = db_col_int(st) != 0;
	c->cancel_requested = db_col_int(st) != 0;
	return 0;
}

/* An empty list allows every state. */
static bool is_allowed(const enum job_status from[4], enum job_status found)
{
	if (from[0] == 0)
		return true;
	for (int i = 0; i < 4 && from[i] != 0; i++)
		if (from[i] == found)
			return true;
	return false;
}

static int check_state(const struct change *c, struct err *err)
{
	const struct job_change *w = c->wanted;
	const char *found = job_status_name(c->found);

	if (!is_allowed(w->from, c->found))
		return err_set(err, ERR_CONFLICT, "job_state",
		    "job %s is %s by now", c->id_text, found);
	if (c->kind == TRANSITION && !job_status_may_follow(c->found, w->to))
		return err_set(err, ERR_CONFLICT, "job_transition",
		    "job %s is %s and cannot become %s", c->id_text, found,
		    job_status_name(w->to));
	return 0;
}

/* -- the change -------------------------------------------------------- */

/* What a transition and a note both write; unset ones stay. */
#define SET_COMMON                                                             \
	" image = COALESCE(?, image),"                                         \
	" runner_id = COALESCE(?, runner_id),"                                 \
	" sandbox_id = COALESCE(?,"                                            \
	"  CASE WHEN ? = 1 THEN NULL ELSE sandbox_id END),"                    \
	" container_id = COALESCE(?,"                                          \
	"  CASE WHEN ? = 1 THEN NULL ELSE container_id END),"                  \
	" exit_code = COALESCE(?, exit_code),"                                 \
	" result = COALESCE(?, result),"                                       \
	" session = COALESCE(?, session),"                                     \
	" not_before_ns = COALESCE(?, not_before_ns),"                         \
	" lease_until_ns = COALESCE(?, lease_until_ns),"                       \
	" tries = tries + ?,"                                                  \
	" phase_queued_ns = COALESCE(?, phase_queued_ns),"                     \
	" phase_assigned_ns = COALESCE(?, phase_assigned_ns),"                 \
	" phase_created_ns = COALESCE(?, phase_created_ns),"                   \
	" phase_started_ns = COALESCE(?, phase_started_ns),"                   \
	" phase_first_output_ns = COALESCE(?, phase_first_output_ns),"         \
	" phase_ended_ns = COALESCE(?, phase_ended_ns),"                       \
	" phase_removed_ns = COALESCE(?, phase_removed_ns),"                   \
	" updated_at = ?"

static void bind_common(struct db_stmt *st, const struct change *c)
{
	const struct job_change *w = c->wanted;
	const struct job_phases *p = &w->phases;

	db_bind_text(st, w->image);
	db_bind_text(st, w->runner_id);
	db_bind_text(st, w->sandbox_id);
	db_bind_int(st, w->clear_container);
	db_bind_text(st, w->container_id);
	db_bind_int(st, w->clear_container);
	if (w->set_exit_code)
		db_bind_int(st, w->exit_code);
	else
		db_bind_null(st);
	db_bind_text(st, w->result);
	db_bind_text(st, w->session);
	db_bind_int_or_null(st, w->not_before);
	db_bind_int_or_null(st, w->lease_until);
	db_bind_int(st, w->count_try);
	db_bind_int_or_null(st, p->queued);
	db_bind_int_or_null(st, p->assigned);
	db_bind_int_or_null(st, p->created);
	db_bind_int_or_null(st, p->started);
	db_bind_int_or_null(st, p->first_output);
	db_bind_int_or_null(st, p->ended);
	db_bind_int_or_null(st, p->removed);
	db_bind_text(st, c->now);
}

/* The compare-and-set's second half: nobody can have come between, since
 * one thread writes; another database driver may see it differently. */
static int run_exactly_one(
    struct db_stmt *st, const struct change *c, struct err *err)
{
	TRY(db_run(st, err));
	if (db_changes(st) != 1)
		return err_set(err, ERR_CONFLICT, "job_state",
		    "job %s is no longer %s", c->id_text,
		    job_status_name(c->found));
	return 0;
}

/* The phase that the caller measured, so that both columns agree. */
static const char *moment(const struct change *c, bool applies,
    int64_t phase_ns, char out[CLOCK_ISO_LEN])
{
	if (!applies)
		return NULL;
	return phase_ns != 0 ? clock_iso(phase_ns, out) : c->now;
}

/* completed_at is not even named before the end: naming it would make every
 * transition touch the index of open jobs. */
#define UPDATE_STATUS(also)                                                    \
	"UPDATE jobs SET" SET_COMMON ", status = ?, reason_code = ?,"          \
	" reason = ?, started_at = COALESCE(?, started_at)" also               \
	" WHERE id = ? AND status = ?"

static int update_status(struct db *db, const struct change *c, struct err *err)
{
	static const char open[] = UPDATE_STATUS("");
	static const char end[] = UPDATE_STATUS(", completed_at = ?");
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const struct job_change *w = c->wanted;
	bool ends = job_status_is_final(w->to);
	char started[CLOCK_ISO_LEN], ended[CLOCK_ISO_LEN];

	TRY(db_use(db, ends ? end : open, &st, err));
	bind_common(st, c);
	db_bind_text(st, job_status_name(w->to));
	db_bind_text(st, w->reason_code);
	db_bind_text(st, w->reason);
	db_bind_text(
	    st, moment(c, w->to == JOB_RUNNING, w->phases.started, started));
	if (ends)
		db_bind_text(st, moment(c, true, w->phases.ended, ended));
	db_bind_textn(st, c->id_text, UUID_TEXT_LEN - 1);
	db_bind_text(st, job_status_name(c->found));
	return run_exactly_one(st, c, err);
}

static int update_note(struct db *db, const struct change *c, struct err *err)
{
	static const char sql[] = "UPDATE jobs SET" SET_COMMON
				  ", reason_code = COALESCE(?, reason_code),"
				  " reason = COALESCE(?, reason) WHERE id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	bind_common(st, c);
	db_bind_text(st, c->wanted->reason_code);
	db_bind_text(st, c->wanted->reason);
	db_bind_textn(st, c->id_text, UUID_TEXT_LEN - 1);
	return run_exactly_one(st, c, err);
}

static int delete_secrets(
    struct db *db, const struct change *c, struct err *err)
{
	static const char sql[] = "DELETE FROM job_secrets WHERE job_id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_textn(st, c->id_text, UUID_TEXT_LEN - 1);
	return db_run(st, err);
}

static int add_history(struct tx *tx, struct change *c, struct err *err)
{
	const struct job_change *w = c->wanted;
	struct job_event e = {
	    .job = c->id,
	    .repository = c->repository,
	    .at = c->now_ns,
	    .type = (char *)c->event_type,
	    .reason_code = (char *)w->reason_code,
	    .reason = (char *)w->reason,
	    .data = (char *)w->event_data,
	};

	if (c->event_type == NULL)
		return 0;
	if (c->kind == TRANSITION) {
		e.from = (char *)job_status_name(c->found);
		e.to = (char *)job_status_name(w->to);
	}
	return event_add(tx, &c->write, &e, err);
}

static int run_transition(struct tx *tx, struct write *write, struct err *err)
{
	struct change *c = (struct change *)write;
	enum job_status to = c->wanted->to;

	TRY(read_current(tx->db, c, err));
	TRY(check_state(c, err));
	TRY(update_status(tx->db, c, err));
	if (job_status_is_final(to) && c->has_secrets)
		TRY(delete_secrets(tx->db, c, err));
	TRY(add_history(tx, c, err));
	tx->counters.present[c->found]--;
	tx->counters.present[to]++;
	if (job_status_is_final(to))
		tx->counters.ended[to]++;
	return 0;
}

static int run_note(struct tx *tx, struct write *write, struct err *err)
{
	struct change *c = (struct change *)write;

	TRY(read_current(tx->db, c, err));
	TRY(check_state(c, err));
	TRY(update_note(tx->db, c, err));
	return add_history(tx, c, err);
}

/* Nothing to do, and no second history row, for an ended job or a repeat. */
static int run_request_cancel(
    struct tx *tx, struct write *write, struct err *err)
{
	static const char sql[] =
	    "UPDATE jobs SET cancel_requested = 1, updated_at = ?"
	    " WHERE id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	struct change *c = (struct change *)write;

	TRY(read_current(tx->db, c, err));
	if (job_status_is_final(c->found) || c->cancel_requested)
		return 0;
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, c->now);
	db_bind_textn(st, c->id_text, UUID_TEXT_LEN - 1);
	TRY(run_exactly_one(st, c, err));
	return add_history(tx, c, err);
}

/* -- for the callers --------------------------------------------------- */

static int change_run(struct store *s, struct change *c,
    int (*run)(struct tx *, struct write *, struct err *), struct err *err)
{
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	c->write.run = run;
	c->now_ns = clock_wall_ns();
	clock_iso(c->now_ns, c->now);
	uuid_text(c->id.u, c->id_text);
	rc = writer_run(s, &c->write, err);
	mem_free(c->repository);
	return rc;
}

int store_job_transition(struct store *s, job_id id,
    const struct job_change *change, struct err *err)
{
	struct change c = {
	    .kind = TRANSITION,
	    .id = id,
	    .wanted = change,
	    .event_type = "status",
	};

	return change_run(s, &c, run_transition, err);
}

int store_job_note(struct store *s, job_id id, const struct job_change *change,
    const char *event_type, struct err *err)
{
	struct change c = {
	    .kind = NOTE,
	    .id = id,
	    .wanted = change,
	    .event_type = event_type,
	};

	return change_run(s, &c, run_note, err);
}

int store_job_request_cancel(struct store *s, job_id id, const char *who,
    enum job_status *ret_status, struct err *err)
{
	struct job_change wanted = {.reason = who};
	struct change c = {
	    .kind = REQUEST_CANCEL,
	    .id = id,
	    .wanted = &wanted,
	    .event_type = "cancel_requested",
	};

	TRY(change_run(s, &c, run_request_cancel, err));
	*ret_status = c.found;
	return 0;
}
