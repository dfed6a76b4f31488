/*
 * Reading jobs: one, its secrets, lists, counts. On the caller's thread with
 * a borrowed reader connection; never waits for the writer.
 *
 * Cost beside n jobs: get and open list O(log n); a page is found through
 * an index; totals by status alone come from the counters, others count
 * index entries (linear in the matching ones).
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/job_list.h"

#define LIST_LIMIT_MAX 1000

int store_job_get(struct store *s, job_id id, struct job *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(job_fini) struct job j = {0};
	char id_text[UUID_TEXT_LEN];
	int rc;

	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(id.u, id_text));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	TRY(job_read_row(st, &j, err));
	*ret = j;
	j = (struct job){0};
	return 1;
}

/* -- secrets ----------------------------------------------------------- */

/* No sealed row: fine for a job that never had secrets or has ended. */
static int explain_missing(
    const char *id_text, const char *status, bool has_secrets, struct err *err)
{
	enum job_status parsed;

	if (!has_secrets || job_status_parse(status, &parsed) < 0 ||
	    job_status_is_final(parsed))
		return 0;
	return err_set(err, ERR_INTERNAL, "secrets_missing",
	    "the secrets of job %s are no longer in the store: delegate it "
	    "again",
	    id_text);
}

int store_job_secrets(
    struct store *s, job_id id, struct secret **ret, struct err *err)
{
	static const char sql[] =
	    "SELECT j.status, j.has_secrets, s.sealed FROM jobs j"
	    " LEFT JOIN job_secrets s ON s.job_id = j.id WHERE j.id = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char id_text[UUID_TEXT_LEN];
	const char *status;
	const void *sealed;
	bool has_secrets;
	size_t len;
	int rc;

	*ret = NULL;
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(id.u, id_text));
	rc = db_step(st, err);
	TRY(rc);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "job_not_found",
		    "there is no job %s", id_text);
	status = db_col_text(st);
	has_secrets = db_col_int(st) != 0;
	sealed = db_col_blob(st, &len);
	if (sealed == NULL)
		return explain_missing(id_text, status, has_secrets, err);
	if (unseal(&s->sealer, id.u, sealed, len, ret, err) < 0)
		return err_wrap(err, "job %s", id_text);
	return 0;
}

/* -- lists ------------------------------------------------------------- */

int job_list_add(
    struct job_list *l, size_t *cap, struct db_stmt *st, struct err *err)
{
	if (l->n == *cap) {
		*cap = *cap > 0 ? 2 * *cap : 16;
		l->items = mem_realloc(l->items, *cap * sizeof(l->items[0]));
	}
	memset(&l->items[l->n], 0, sizeof(l->items[0]));
	return job_read_row(st, &l->items[l->n++], err);
}

static int list_read(struct db_stmt *st, struct job_list *ret, struct err *err)
{
	CLEANUP(job_list_free) struct job_list l = {0};
	size_t cap = 0;
	int rc;

	while ((rc = db_step(st, err)) == 1)
		TRY(job_list_add(&l, &cap, st, err));
	TRY(rc);
	ret->items = STEAL(l.items);
	ret->n = l.n;
	l.n = 0;
	return 0;
}

/* The page is chosen on the index alone, then its rows are fetched. */
#define SELECT_PAGE(where)                                                     \
	"SELECT " JOB_COLUMNS " FROM jobs WHERE id IN (SELECT id FROM jobs"    \
	" WHERE " where " id >= ? AND id <= ? ORDER BY id DESC LIMIT ?"        \
	" OFFSET ?) ORDER BY id DESC"
#define SELECT_COUNT(where)                                                    \
	"SELECT COUNT(*) FROM jobs WHERE " where " id >= ? AND id <= ?"
#define BY_STATUS     "status = ? AND"
#define BY_REPOSITORY "repository = ? AND"
#define BY_BOTH       "status = ? AND repository = ? AND"

#define BY_RUNNER "runner_id = ? AND "
#define BY_PARENT "parent_id = ? AND "
/* By [status][repository], of whom `own` says. */
#define EACH(select, own)                                                      \
	{                                                                      \
		{select(own), select(own BY_REPOSITORY)},                      \
		{                                                              \
			select(own BY_STATUS), select(own BY_BOTH)             \
		}                                                              \
	}
#define EACH_OWNER(select)                                                     \
	{                                                                      \
		{EACH(select, ""), EACH(select, BY_PARENT)},                   \
		{                                                              \
			EACH(select, BY_RUNNER),                               \
			    EACH(select, BY_RUNNER BY_PARENT)                  \
		}                                                              \
	}

/* [runner][parent][status][repository]: does the filter name one? */
typedef const char *const filtered_sql[2][2][2][2];
static filtered_sql page_sql = EACH_OWNER(SELECT_PAGE);
static filtered_sql count_sql = EACH_OWNER(SELECT_COUNT);

static int use_filtered(struct db *db, filtered_sql sql,
    const struct job_filter *f, struct db_stmt **ret, struct err *err)
{
	return db_use(db,
	    sql[f->runner_id != NULL][f->parent_id != NULL][f->status != 0]
	       [f->repository != NULL],
	    ret, err);
}

static void bind_filter(struct db_stmt *st, const struct job_filter *f,
    char from[UUID_TEXT_LEN], char to[UUID_TEXT_LEN])
{
	job_id_floor(f->from_ns, from);
	job_id_ceiling(f->to_ns != 0 ? f->to_ns : INT64_MAX, to);
	if (f->runner_id != NULL)
		db_bind_text(st, f->runner_id);
	if (f->parent_id != NULL)
		db_bind_text(st, f->parent_id);
	if (f->status != 0)
		db_bind_text(st, job_status_name(f->status));
	if (f->repository != NULL)
		db_bind_text(st, f->repository);
	db_bind_text(st, from);
	db_bind_text(st, to);
}

static int64_t total_from_counters(struct store *s, enum job_status status)
{
	struct counters c;
	int64_t sum = 0;

	writer_counters(s, &c);
	if (status != 0)
		return c.present[status];
	for (int i = JOB_PENDING; i < JOB_STATUS_COUNT; i++)
		sum += c.present[i];
	return sum;
}

static int count_total(struct store *s, struct db *db,
    const struct job_filter *f, int64_t *ret, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char from[UUID_TEXT_LEN], to[UUID_TEXT_LEN];

	if (f->repository == NULL && f->runner_id == NULL &&
	    f->parent_id == NULL && f->from_ns == 0 && f->to_ns == 0) {
		*ret = total_from_counters(s, f->status);
		return 0;
	}
	TRY(use_filtered(db, count_sql, f, &st, err));
	bind_filter(st, f, from, to);
	TRY(db_step(st, err));
	*ret = db_col_int(st);
	return 0;
}

int store_job_list(struct store *s, const struct job_filter *f,
    struct job_list *ret, struct err *err)
{
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char from[UUID_TEXT_LEN], to[UUID_TEXT_LEN];
	int64_t total = 0;

	if (f->limit < 1 || f->limit > LIST_LIMIT_MAX || f->page < 1 ||
	    f->page > INT64_MAX / LIST_LIMIT_MAX)
		return err_set(err, ERR_INVALID, NULL,
		    "page must be at least 1 and limit 1 to %d",
		    LIST_LIMIT_MAX);
	TRY(reader_take(s, &r, err));
	if (f->words != NULL || f->runner_name != NULL)
		return job_list_search(r.db, f, ret, err);
	TRY(count_total(s, r.db, f, &total, err));
	TRY(use_filtered(r.db, page_sql, f, &st, err));
	bind_filter(st, f, from, to);
	db_bind_int(st, f->limit);
	db_bind_int(st, (f->page - 1) * f->limit);
	TRY(list_read(st, ret, err));
	ret->total = total;
	return 0;
}

int store_job_list_open(struct store *s, const job_id *after, int64_t limit,
    struct job_list *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " JOB_COLUMNS " FROM jobs"
	    " WHERE completed_at IS NULL AND id > ? ORDER BY id LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	static const struct uuid before_all;
	char from[UUID_TEXT_LEN];

	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(
	    st, uuid_text(after != NULL ? after->u : before_all, from));
	db_bind_int(st, limit);
	TRY(list_read(st, ret, err));
	ret->total = (int64_t)ret->n;
	return 0;
}

int store_job_counts(
    struct store *s, int64_t ret[JOB_STATUS_COUNT], struct err *err)
{
	struct counters c;

	MAGIC_CHECK(s, STORE_MAGIC);
	(void)err;
	writer_counters(s, &c);
	ret[0] = 0;
	for (int i = JOB_PENDING; i < JOB_STATUS_COUNT; i++)
		ret[i] = job_status_is_final((enum job_status)i) ? c.ended[i]
								 : c.present[i];
	return 0;
}
