/*
 * The history: one row per change, numbered without gaps going back. Rows
 * are added on the writer thread inside the change's own transaction; the
 * number comes from the counters, which the same transaction saves, so it is
 * never given twice, not even after a purge. Read on the caller's thread.
 */
#include <string.h>

#include "base/mem.h"
#include "store/store_internal.h"

#define EVENTS_LIMIT_MAX 10000

int event_add(
    struct tx *tx, struct write *w, const struct job_event *e, struct err *err)
{
	static const char sql[] = "INSERT INTO job_events (" EVENT_COLUMNS
				  ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char id_text[UUID_TEXT_LEN];

	TRY(db_use(tx->db, sql, &st, err));
	w->event = *e;
	w->event.seq = tx->counters.event_seq + 1;
	db_bind_int(st, w->event.seq);
	db_bind_text(st, uuid_text(e->job.u, id_text));
	db_bind_text(st, e->repository);
	db_bind_int(st, e->at);
	db_bind_text(st, e->type);
	db_bind_text(st, e->from);
	db_bind_text(st, e->to);
	db_bind_text(st, e->reason_code);
	db_bind_text(st, e->reason);
	db_bind_text(st, e->data);
	TRY(db_run(st, err));
	tx->counters.event_seq++;
	w->has_event = true;
	return 0;
}

void store_on_event(struct store *s,
    void (*fn)(void *arg, const struct job_event *e), void *arg)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	s->on_event = fn;
	s->on_event_arg = arg;
}

int64_t store_last_event_seq(struct store *s)
{
	struct counters c;

	MAGIC_CHECK(s, STORE_MAGIC);
	writer_counters(s, &c);
	return c.event_seq;
}

/* -- reading ----------------------------------------------------------- */

static int read_event(struct db_stmt *st, struct job_event *e, struct err *err)
{
	const char *id;

	memset(e, 0, sizeof(*e));
	e->seq = db_col_int(st);
	id = db_col_text(st);
	if (uuid_parse(id, &e->job.u) < 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the history row %lld has the unreadable job id %s",
		    (long long)e->seq, id);
	e->repository = db_col_strdup(st);
	e->at = db_col_int(st);
	e->type = db_col_strdup(st);
	e->from = db_col_strdup(st);
	e->to = db_col_strdup(st);
	e->reason_code = db_col_strdup(st);
	e->reason = db_col_strdup(st);
	e->data = db_col_strdup(st);
	return 0;
}

static int read_events(
    struct db_stmt *st, struct job_event_list *ret, struct err *err)
{
	CLEANUP(job_event_list_free) struct job_event_list l = {0};
	size_t cap = 0;
	int rc;

	while ((rc = db_step(st, err)) == 1) {
		if (l.n == cap) {
			cap = cap > 0 ? 2 * cap : 16;
			l.items =
			    mem_realloc(l.items, cap * sizeof(l.items[0]));
		}
		TRY(read_event(st, &l.items[l.n], err));
		l.n++;
	}
	TRY(rc);
	ret->items = STEAL(l.items);
	ret->n = l.n;
	l.n = 0;
	return 0;
}

#define SELECT_EVENTS(where)                                                   \
	"SELECT " EVENT_COLUMNS " FROM job_events WHERE " where                \
	" seq > ? ORDER BY seq LIMIT ?"

static const char *const events_sql[2][2] = {
    {SELECT_EVENTS(""), SELECT_EVENTS("repository = ? AND")},
    {SELECT_EVENTS("job_id = ? AND"),
	SELECT_EVENTS("job_id = ? AND repository = ? AND")},
};

int store_events_after(struct store *s, int64_t after_seq, const job_id *job,
    const char *repository, int64_t limit, struct job_event_list *ret,
    struct err *err)
{
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char id_text[UUID_TEXT_LEN];

	if (limit < 1 || limit > EVENTS_LIMIT_MAX)
		return err_set(err, ERR_INVALID, NULL, "limit must be 1 to %d",
		    EVENTS_LIMIT_MAX);
	TRY(reader_take(s, &r, err));
	TRY(db_use(
	    r.db, events_sql[job != NULL][repository != NULL], &st, err));
	if (job != NULL)
		db_bind_text(st, uuid_text(job->u, id_text));
	if (repository != NULL)
		db_bind_text(st, repository);
	db_bind_int(st, after_seq);
	db_bind_int(st, limit);
	return read_events(st, ret, err);
}

int store_job_events(struct store *s, job_id id, int64_t after_seq,
    int64_t limit, struct job_event_list *ret, struct err *err)
{
	return store_events_after(s, after_seq, &id, NULL, limit, ret, err);
}
