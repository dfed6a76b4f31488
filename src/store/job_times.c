/* Times of jobs: see job_times.h. A borrowed connection. */
#include "store/job_times.h"

#include "base/clock.h"
#include "store/store_internal.h"

static int read_end(struct db_stmt *st, struct job_end *ret, struct err *err)
{
	const char *at = db_col_text(st);
	const char *status = db_col_text(st);

	if (clock_parse_iso(at, &ret->at) < 0 ||
	    job_status_parse(status, &ret->status) < 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "a stored job ended at \"%.40s\" as \"%.20s\"", at, status);
	ret->queued = db_col_int(st);
	ret->started = db_col_int(st);
	ret->ended = db_col_int(st);
	return 0;
}

/* All of it stands in the index jobs_by_end. */
int64_t store_job_ends(struct store *s, int64_t from_ns, int64_t to_ns,
    int64_t limit, void (*cb)(void *arg, const struct job_end *end), void *arg,
    struct err *err)
{
	static const char sql[] =
	    "SELECT completed_at, status, phase_queued_ns, phase_started_ns,"
	    " phase_ended_ns FROM jobs WHERE completed_at IS NOT NULL"
	    " AND completed_at >= ? AND completed_at < ?"
	    " ORDER BY completed_at DESC LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char from[CLOCK_ISO_LEN], to[CLOCK_ISO_LEN];
	struct job_end end;
	int64_t n = 0;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, clock_iso(from_ns, from));
	db_bind_text(st, clock_iso(to_ns, to));
	db_bind_int(st, limit);
	while ((rc = db_step(st, err)) == 1) {
		TRY(read_end(st, &end, err));
		cb(arg, &end);
		n++;
	}
	TRY(rc);
	return n;
}

/* The time is in the id: the primary key alone is read. */
int64_t store_job_starts(struct store *s, int64_t from_ns, int64_t to_ns,
    int64_t limit, void (*cb)(void *arg, int64_t at), void *arg,
    struct err *err)
{
	static const char sql[] = "SELECT id FROM jobs WHERE id >= ? AND id < ?"
				  " ORDER BY id DESC LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char from[UUID_TEXT_LEN], to[UUID_TEXT_LEN];
	int64_t n = 0;
	job_id id;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	job_id_floor(from_ns, from);
	job_id_floor(to_ns, to);
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, from);
	db_bind_text(st, to);
	db_bind_int(st, limit);
	while ((rc = db_step(st, err)) == 1) {
		if (uuid_parse(db_col_text(st), &id.u) < 0)
			return err_set(err, ERR_INTERNAL, "store_corrupt",
			    "a stored job has an unreadable id");
		cb(arg, job_id_time_ns(id));
		n++;
	}
	TRY(rc);
	return n;
}
