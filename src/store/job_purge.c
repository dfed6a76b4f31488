/*
 * Retention: deletes ended jobs with their history, oldest first, in small
 * batches so that nobody waits long behind them. Called by the retention
 * chore; the callback runs on its thread after each batch's commit.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

#define PURGE_BATCH 100

struct purge {
	struct write write; /* first */
	char before[CLOCK_ISO_LEN];
	char before_id[UUID_TEXT_LEN];
	int64_t limit;
	/* set by run */
	struct {
		char id[UUID_TEXT_LEN];
		enum job_status status;
	} victims[PURGE_BATCH];
	size_t n;
};

/* In the order of ids: a job that ended before the moment was created
 * before it, so only few rows are looked at in vain. */
static int choose(struct db *db, struct purge *p, struct err *err)
{
	static const char sql[] =
	    "SELECT id, status FROM jobs WHERE id <= ?"
	    " AND completed_at IS NOT NULL AND completed_at < ?"
	    " ORDER BY id LIMIT ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	p->n = 0;
	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, p->before_id);
	db_bind_text(st, p->before);
	db_bind_int(st, p->limit);
	while ((rc = db_step(st, err)) == 1) {
		const char *id = db_col_text(st);
		const char *status = db_col_text(st);

		ASSERT(p->n < PURGE_BATCH);
		if (strlen(id) != UUID_TEXT_LEN - 1 ||
		    job_status_parse(status, &p->victims[p->n].status) < 0)
			return err_set(err, ERR_INTERNAL, "store_corrupt",
			    "the stored job %.40s has the status %.20s", id,
			    status);
		memcpy(p->victims[p->n++].id, id, UUID_TEXT_LEN);
	}
	return rc;
}

static int delete_by_id(
    struct db *db, const char *sql, const char *id, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, id);
	return db_run(st, err);
}

static int run_purge(struct tx *tx, struct write *w, struct err *err)
{
	static const char events[] = "DELETE FROM job_events WHERE job_id = ?";
	static const char job[] = "DELETE FROM jobs WHERE id = ?";
	struct purge *p = (struct purge *)w;

	TRY(choose(tx->db, p, err));
	for (size_t i = 0; i < p->n; i++) {
		TRY(delete_by_id(tx->db, events, p->victims[i].id, err));
		TRY(delete_by_id(tx->db, job, p->victims[i].id, err));
		tx->counters.present[p->victims[i].status]--;
	}
	return 0;
}

static void tell(
    const struct purge *p, void (*cb)(void *arg, job_id id), void *arg)
{
	job_id id;

	for (size_t i = 0; cb != NULL && i < p->n; i++)
		if (uuid_parse(p->victims[i].id, &id.u) == 0)
			cb(arg, id);
}

int store_job_purge(struct store *s, int64_t before_wall_ns, int64_t limit,
    void (*cb)(void *arg, job_id id), void *arg, struct err *err)
{
	struct purge *p = mem_zalloc(sizeof(*p));
	int64_t done = 0;
	int rc = 0;

	MAGIC_CHECK(s, STORE_MAGIC);
	clock_iso(before_wall_ns, p->before);
	job_id_ceiling(before_wall_ns, p->before_id);
	do {
		p->write.run = run_purge;
		p->limit =
		    limit - done < PURGE_BATCH ? limit - done : PURGE_BATCH;
		if (p->limit <= 0)
			break;
		rc = writer_run(s, &p->write, err);
		if (rc == 0) {
			tell(p, cb, arg);
			done += (int64_t)p->n;
		}
	} while (rc == 0 && (int64_t)p->n == p->limit);
	mem_free(p);
	return rc < 0 ? -1 : (int)done;
}
