/*
 * The table of runners: see runners.h. Touch and delete pass through the
 * writer thread, reads use a borrowed connection. The filters of a list are
 * bound even when unset: there are few runners, so no index is needed.
 */
#include "store/runners.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "store/store_internal.h"

#define LIST_LIMIT_MAX 1000
#define RUNNER_COLUMNS                                                         \
	"id, name, type, status, labels, repository, container_id, roots, "    \
	"made, job_id, last_heartbeat, created_at, updated_at"

void runner_fini(struct runner *r)
{
	char *const owned[] = {r->name, r->type, r->status, r->labels,
	    r->repository, r->container_id, r->roots, r->made, r->job_id};

	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		mem_free(owned[i]);
	memset(r, 0, sizeof(*r));
}

void runner_list_free(struct runner_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		runner_fini(&l->items[i]);
	mem_free(l->items);
	memset(l, 0, sizeof(*l));
}

/* -- telling it -------------------------------------------------------- */

enum { TOLD_MAX = 4096 };

/* As a row is before a change; its strings are owned. */
struct before {
	char *id, *name, *type, *repository;
	char *status; /* NULL: there is no row */
};

static void before_fini_guard(struct before *b)
{
	mem_free(b->id);
	mem_free(b->name);
	mem_free(b->type);
	mem_free(b->repository);
	mem_free(b->status);
}

/* `sql` selects these columns by one key. */
#define SELECT_BEFORE                                                          \
	"SELECT id, name, type, repository, status FROM runners WHERE "
static const char BEFORE_BY_NAME[] = SELECT_BEFORE "name = ?";
static const char BEFORE_BY_ID[] = SELECT_BEFORE "id = ?";

static int look_before(struct db *db, const char *sql, const char *key,
    struct before *ret, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, key);
	rc = db_step(st, err);
	TRY(rc);
	if (rc == 0)
		return 0;
	ret->id = db_col_strdup(st);
	ret->name = db_col_strdup(st);
	ret->type = db_col_strdup(st);
	ret->repository = db_col_strdup(st);
	ret->status = db_col_strdup(st);
	return 0;
}

/* Out of reach or back: webhooks are told; busy or idle: only who looks. */
static const char *type_of_notice(const char *from, const char *to)
{
	bool works = strcmp(to, "idle") == 0 || strcmp(to, "busy") == 0;
	bool worked = from != NULL &&
		      (strcmp(from, "idle") == 0 || strcmp(from, "busy") == 0);

	if (strcmp(to, "offline") == 0)
		return from != NULL ? "runner.offline" : "runner.status";
	return works && !worked ? "runner.online" : "runner.status";
}

static int tell_status(struct tx *tx, struct write *w, const struct before *b,
    const char *to, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {0};
	struct notice n = {.repository = b->repository};
	struct json j;

	if (b->status != NULL && strcmp(b->status, to) == 0)
		return 0;
	n.type = (char *)type_of_notice(b->status, to);
	buf_init(&text, TOLD_MAX);
	json_init(&j, &text);
	json_obj(&j);
	json_kstr(&j, "id", b->id);
	json_kstr(&j, "name", b->name);
	json_kstr(&j, "type", b->type);
	json_kstr(&j, "repository", b->repository);
	json_kstr(&j, "from", b->status);
	json_kstr(&j, "status", to);
	json_end(&j);
	if (text.overflow)
		return 0; /* no runner has such names */
	n.data = text.data;
	return notice_add(tx, w, n, strcmp(n.type, "runner.status") != 0, err);
}

/* -- touch ------------------------------------------------------------- */

struct touch {
	struct write write; /* first */
	const struct runner *seen;
	char now[CLOCK_ISO_LEN];
	char new_id[UUID_TEXT_LEN];
	runner_id id; /* set by run */
};

/* The heartbeat alone leaves updated_at: people read it as a change. */
static const char TOUCH[] =
    "INSERT INTO runners (id, name, type, status, labels, repository,"
    " container_id, last_heartbeat, created_at, updated_at)"
    " VALUES (?, ?, ?, ?, COALESCE(?, '[]'), ?, ?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET"
    " type = excluded.type, status = excluded.status,"
    " labels = COALESCE(?, runners.labels),"
    " repository = COALESCE(excluded.repository, runners.repository),"
    " container_id = COALESCE(excluded.container_id, runners.container_id),"
    " last_heartbeat = excluded.last_heartbeat,"
    " updated_at = CASE WHEN runners.type = excluded.type"
    "  AND runners.status = excluded.status"
    "  AND runners.labels = COALESCE(?, runners.labels)"
    "  AND COALESCE(runners.repository, '') ="
    "   COALESCE(excluded.repository, runners.repository, '')"
    "  AND COALESCE(runners.container_id, '') ="
    "   COALESCE(excluded.container_id, runners.container_id, '')"
    "  THEN runners.updated_at ELSE excluded.updated_at END"
    " RETURNING id";

static int tell_touch(struct tx *tx, struct write *w, const struct touch *t,
    struct before *b, struct err *err)
{
	const struct runner *r = t->seen;
	char id[UUID_TEXT_LEN];

	if (b->status == NULL) {
		b->id = mem_strdup(uuid_text(t->id.u, id));
		b->name = mem_strdup(r->name);
		b->type = mem_strdup(r->type);
		b->repository = mem_strdup_or_null(r->repository);
	}
	return tell_status(tx, w, b, r->status, err);
}

static int run_touch(struct tx *tx, struct write *w, struct err *err)
{
	struct touch *t = (struct touch *)w;
	const struct runner *r = t->seen;
	CLEANUP(before_fini) struct before before = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(look_before(tx->db, BEFORE_BY_NAME, r->name, &before, err));
	TRY(db_use(tx->db, TOUCH, &st, err));
	db_bind_text(st, t->new_id);
	db_bind_text(st, r->name);
	db_bind_text(st, r->type);
	db_bind_text(st, r->status);
	db_bind_text(st, r->labels);
	db_bind_text(st, r->repository);
	db_bind_text(st, r->container_id);
	db_bind_text(st, t->now);
	db_bind_text(st, t->now);
	db_bind_text(st, t->now);
	db_bind_text(st, r->labels);
	db_bind_text(st, r->labels);
	rc = db_step(st, err);
	TRY(rc);
	ASSERT(rc == 1);
	if (uuid_parse(db_col_text(st), &t->id.u) < 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the stored runner %.100s has an unreadable id", r->name);
	TRY(db_run(st, err));
	return tell_touch(tx, w, t, &before, err);
}

int store_runner_touch(struct store *s, const struct runner *seen,
    runner_id *ret_id, struct err *err)
{
	struct touch t = {.write = {.run = run_touch}, .seen = seen};

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(seen->name != NULL && seen->type != NULL);
	ASSERT(seen->status != NULL);
	clock_iso(clock_wall_ns(), t.now);
	uuid_text(uuid_v7(), t.new_id);
	TRY(writer_run(s, &t.write, err));
	*ret_id = t.id;
	return 0;
}

/* -- change ------------------------------------------------------------ */

struct change {
	struct write write; /* first */
	const struct runner_change *wanted;
	char id[UUID_TEXT_LEN];
	char now[CLOCK_ISO_LEN];
};

/* NULL is bound for what stays, "" for what shall be NULL. */
static const char CHANGE[] =
    "UPDATE runners SET status = COALESCE(?, status),"
    " labels = COALESCE(?, labels), roots = COALESCE(?, roots),"
    " repository = NULLIF(COALESCE(?, repository), ''),"
    " container_id = NULLIF(COALESCE(?, container_id), ''),"
    " made = NULLIF(COALESCE(?, made), ''),"
    " job_id = NULLIF(COALESCE(?, job_id), ''),"
    " last_heartbeat = COALESCE(?, last_heartbeat),"
    " updated_at = CASE WHEN status = COALESCE(?, status)"
    "  AND labels = COALESCE(?, labels) AND roots = COALESCE(?, roots)"
    "  AND COALESCE(repository, '') = COALESCE(?, repository, '')"
    "  AND COALESCE(container_id, '') = COALESCE(?, container_id, '')"
    "  AND COALESCE(made, '') = COALESCE(?, made, '')"
    "  AND COALESCE(job_id, '') = COALESCE(?, job_id, '')"
    "  THEN updated_at ELSE ? END WHERE id = ?";

/* A list is never NULL: cleared, it is empty. */
static const char *list_or(const char *text)
{
	return text != NULL && *text == '\0' ? "[]" : text;
}

static void bind_change(struct db_stmt *st, const struct runner_change *c)
{
	db_bind_text(st, c->status);
	db_bind_text(st, list_or(c->labels));
	db_bind_text(st, list_or(c->roots));
	db_bind_text(st, c->repository);
	db_bind_text(st, c->container_id);
	db_bind_text(st, c->made);
	db_bind_text(st, c->job_id);
}

static int no_such_runner(const char *id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "runner_not_found",
	    "there is no runner %s", id);
}

static int run_change(struct tx *tx, struct write *w, struct err *err)
{
	struct change *c = (struct change *)w;
	CLEANUP(before_fini) struct before before = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const char *to = c->wanted->status;

	if (to != NULL)
		TRY(look_before(tx->db, BEFORE_BY_ID, c->id, &before, err));
	TRY(db_use(tx->db, CHANGE, &st, err));
	bind_change(st, c->wanted);
	db_bind_text(st, c->wanted->heartbeat ? c->now : NULL);
	bind_change(st, c->wanted);
	db_bind_text(st, c->now);
	db_bind_text(st, c->id);
	TRY(db_run(st, err));
	if (db_changes(st) != 1)
		return no_such_runner(c->id, err);
	return to != NULL ? tell_status(tx, w, &before, to, err) : 0;
}

int store_runner_change(struct store *s, runner_id id,
    const struct runner_change *change, struct err *err)
{
	struct change c = {.write = {.run = run_change}, .wanted = change};

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(change->status == NULL || *change->status != '\0');
	uuid_text(id.u, c.id);
	clock_iso(clock_wall_ns(), c.now);
	return writer_run(s, &c.write, err);
}

/* -- delete ------------------------------------------------------------ */

struct removal {
	struct write write; /* first */
	char id[UUID_TEXT_LEN];
};

static int run_removal(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] = "DELETE FROM runners WHERE id = ?";
	struct removal *r = (struct removal *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, r->id);
	TRY(db_run(st, err));
	return db_changes(st) == 1 ? 0 : no_such_runner(r->id, err);
}

int store_runner_delete(struct store *s, runner_id id, struct err *err)
{
	struct removal r = {.write = {.run = run_removal}};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(id.u, r.id);
	return writer_run(s, &r.write, err);
}

/* -- reads ------------------------------------------------------------- */

static int read_time(struct db_stmt *st, int64_t *ret)
{
	const char *text = db_col_text(st);

	*ret = 0;
	return text == NULL ? 0 : clock_parse_iso(text, ret);
}

static int read_row(struct db_stmt *st, struct runner *r, struct err *err)
{
	bool bad = uuid_parse(db_col_text(st), &r->id.u) < 0;

	r->name = db_col_strdup(st);
	r->type = db_col_strdup(st);
	r->status = db_col_strdup(st);
	r->labels = db_col_strdup(st);
	r->repository = db_col_strdup(st);
	r->container_id = db_col_strdup(st);
	r->roots = db_col_strdup(st);
	r->made = db_col_strdup(st);
	r->job_id = db_col_strdup(st);
	if (bad || read_time(st, &r->last_heartbeat) < 0 ||
	    read_time(st, &r->created_at) < 0 ||
	    read_time(st, &r->updated_at) < 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the stored runner %.100s has an unreadable id or time",
		    r->name);
	return 0;
}

/* The one whose key column is `key`: `sql` says which. */
static int get_one(struct store *s, const char *sql, const char *key,
    struct runner *ret, struct err *err)
{
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(runner_fini) struct runner found = {0};
	int rc;

	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, key);
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	TRY(read_row(st, &found, err));
	*ret = found;
	found = (struct runner){0};
	return 1;
}

int store_runner_get(
    struct store *s, runner_id id, struct runner *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " RUNNER_COLUMNS " FROM runners WHERE id = ?";
	char key[UUID_TEXT_LEN];

	return get_one(s, sql, uuid_text(id.u, key), ret, err);
}

int store_runner_by_name(
    struct store *s, const char *name, struct runner *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " RUNNER_COLUMNS " FROM runners WHERE name = ?";

	return get_one(s, sql, name, ret, err);
}

#define FILTER                                                                 \
	" FROM runners WHERE type = COALESCE(?, type)"                         \
	" AND status = COALESCE(?, status)"                                    \
	" AND COALESCE(repository, '') = COALESCE(?, repository, '')"

static void bind_filter(struct db_stmt *st, const struct runner_filter *f)
{
	db_bind_text(st, f->type);
	db_bind_text(st, f->status);
	db_bind_text(st, f->repository);
}

static int count(
    struct db *db, const struct runner_filter *f, int64_t *ret, struct err *err)
{
	static const char sql[] = "SELECT COUNT(*)" FILTER;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	bind_filter(st, f);
	TRY(db_step(st, err));
	*ret = db_col_int(st);
	return 0;
}

static int read_list(
    struct db_stmt *st, int64_t limit, struct runner_list *ret, struct err *err)
{
	CLEANUP(runner_list_free) struct runner_list l = {0};
	int rc;

	l.items = mem_calloc((size_t)limit, sizeof(l.items[0]));
	while ((rc = db_step(st, err)) == 1)
		TRY(read_row(st, &l.items[l.n++], err));
	TRY(rc);
	ret->items = STEAL(l.items);
	ret->n = l.n;
	l.n = 0;
	return 0;
}

int store_runner_list(struct store *s, const struct runner_filter *f,
    struct runner_list *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " RUNNER_COLUMNS FILTER " ORDER BY name LIMIT ? OFFSET ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int64_t total = 0;

	if (f->limit < 1 || f->limit > LIST_LIMIT_MAX || f->page < 1 ||
	    f->page > INT64_MAX / LIST_LIMIT_MAX)
		return err_set(err, ERR_INVALID, NULL,
		    "page must be at least 1 and limit 1 to %d",
		    LIST_LIMIT_MAX);
	TRY(reader_take(s, &r, err));
	TRY(count(r.db, f, &total, err));
	TRY(db_use(r.db, sql, &st, err));
	bind_filter(st, f);
	db_bind_int(st, f->limit);
	db_bind_int(st, (f->page - 1) * f->limit);
	TRY(read_list(st, f->limit, ret, err));
	ret->total = total;
	return 0;
}
