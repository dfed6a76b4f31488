/*
 * Deliveries of webhooks: see webhook_queue.h. Changes pass through the writer
 * thread, reads use a borrowed connection.
 */
#include "store/webhook_queue.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

enum { LIST_LIMIT_MAX = 1000 };

void webhook_delivery_fini(struct webhook_delivery *d)
{
	mem_free(d->event);
	mem_free(d->trace);
	mem_free(d->body);
	mem_free(d->state);
	mem_free(d->error);
	*d = (struct webhook_delivery){0};
}

void webhook_delivery_list_free(struct webhook_delivery_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		webhook_delivery_fini(&l->items[i]);
	mem_free(l->items);
	*l = (struct webhook_delivery_list){0};
}

/* -- the cursor -------------------------------------------------------- */

static int run_sql(
    struct db *db, const char *sql, int64_t value, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_int(st, value);
	return db_run(st, err);
}

static const char FORGET_NOTICES[] = "DELETE FROM notices WHERE seq <= ?";

int webhook_cursor_save(
    struct db *db, int64_t seq, bool forget_notices, struct err *err)
{
	static const char save[] =
	    "INSERT INTO counters (name, value) VALUES ('webhook_cursor', ?)"
	    " ON CONFLICT (name) DO UPDATE"
	    " SET value = MAX(value, excluded.value)";

	TRY(run_sql(db, save, seq, err));
	return forget_notices ? run_sql(db, FORGET_NOTICES, INT64_MAX, err) : 0;
}

int store_webhook_cursor(struct store *s, int64_t *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT value FROM counters WHERE name = 'webhook_cursor'";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	rc = db_step(st, err);
	TRY(rc);
	*ret = rc == 1 ? db_col_int(st) : 0;
	return 0;
}

/* -- queueing ---------------------------------------------------------- */

struct queueing {
	struct write write; /* first */
	const struct webhook_item *items;
	size_t n;
	int64_t jobs_seq, notices_seq, max;
	size_t dropped; /* set by run */
};

/* 1: there is room, 0: too many wait, or the webhook is gone. */
static int has_room(
    struct db *db, const char *webhook, int64_t max, struct err *err)
{
	static const char sql[] =
	    "SELECT EXISTS (SELECT 1 FROM webhooks WHERE id = ?) AND"
	    " (SELECT COUNT(*) FROM webhook_deliveries"
	    "  WHERE webhook_id = ? AND state = 'waiting') < ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, webhook);
	db_bind_text(st, webhook);
	db_bind_int(st, max);
	TRY(db_step(st, err));
	return db_col_int(st) != 0;
}

static int count_one(
    struct db *db, const char *sql, const char *webhook, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, webhook);
	return db_run(st, err);
}

static const char DROPPED[] =
    "UPDATE webhooks SET dropped = dropped + 1 WHERE id = ?";
static const char DELIVERED[] =
    "UPDATE webhooks SET delivered = delivered + 1 WHERE id = ?";
static const char FAILED[] =
    "UPDATE webhooks SET failed = failed + 1 WHERE id = ?";

static int insert(struct db *db, const struct webhook_item *item,
    const char *webhook, const char *id, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO webhook_deliveries (id, webhook_id, event, trace,"
	    " body, state, created_ns, due_ns, updated_ns)"
	    " VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?, ?)";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int64_t now = clock_wall_ns();

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, id);
	db_bind_text(st, webhook);
	db_bind_text(st, item->event);
	db_bind_text(st, item->trace);
	db_bind_text(st, item->body);
	db_bind_int(st, now);
	db_bind_int(st, now);
	db_bind_int(st, now);
	return db_run(st, err);
}

static int queue_one(struct db *db, struct queueing *q,
    const struct webhook_item *item, struct err *err)
{
	char webhook[UUID_TEXT_LEN], id[UUID_TEXT_LEN];
	int room;

	uuid_text(item->webhook, webhook);
	room = has_room(db, webhook, q->max, err);
	TRY(room);
	if (room == 0) {
		q->dropped++;
		return count_one(db, DROPPED, webhook, err);
	}
	return insert(db, item, webhook, uuid_text(uuid_v7(), id), err);
}

static int run_queueing(struct tx *tx, struct write *w, struct err *err)
{
	struct queueing *q = (struct queueing *)w;

	q->dropped = 0;
	for (size_t i = 0; i < q->n; i++)
		TRY(queue_one(tx->db, q, &q->items[i], err));
	TRY(webhook_cursor_save(tx->db, q->jobs_seq, false, err));
	return run_sql(tx->db, FORGET_NOTICES, q->notices_seq, err);
}

int store_webhook_queue(struct store *s, const struct webhook_item *items,
    size_t n, int64_t jobs_seq, int64_t notices_seq, int64_t max,
    size_t *ret_dropped, struct err *err)
{
	struct queueing q = {.write = {.run = run_queueing},
	    .items = items,
	    .n = n,
	    .jobs_seq = jobs_seq,
	    .notices_seq = notices_seq,
	    .max = max};

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(writer_run(s, &q.write, err));
	*ret_dropped = q.dropped;
	return 0;
}

/* -- results ----------------------------------------------------------- */

struct outcome {
	struct write write; /* first */
	const struct webhook_result *result;
	const struct webhook_item *item; /* NULL: it is queued */
	const char *id;
	char webhook[UUID_TEXT_LEN];
};

/* Those that are over, but for the newest. */
static int trim(struct db *db, const char *webhook, struct err *err)
{
	static const char sql[] =
	    "DELETE FROM webhook_deliveries WHERE webhook_id = ?"
	    " AND state <> 'waiting' AND seq <= (SELECT seq"
	    " FROM webhook_deliveries WHERE webhook_id = ?"
	    " AND state <> 'waiting' ORDER BY seq DESC LIMIT 1 OFFSET ?)";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, webhook);
	db_bind_text(st, webhook);
	db_bind_int(st, WEBHOOK_KEPT);
	return db_run(st, err);
}

#define UPDATE_WHERE                                                           \
	"UPDATE webhook_deliveries SET state = ?, due_ns = ?, status = ?, "    \
	"error = ?, updated_ns = ?, attempts = attempts + 1 "                  \
	"WHERE webhook_id = ? AND "

static int update(struct db *db, const struct outcome *o, struct err *err)
{
	static const char by_seq[] = UPDATE_WHERE "seq = ?";
	static const char by_id[] = UPDATE_WHERE "id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const struct webhook_result *r = o->result;

	TRY(db_use(db, o->item != NULL ? by_id : by_seq, &st, err));
	db_bind_text(st, r->state);
	db_bind_int(st, r->due_at);
	db_bind_int_or_null(st, r->status);
	db_bind_text(st, r->error);
	db_bind_int(st, clock_wall_ns());
	db_bind_text(st, o->webhook);
	if (o->item != NULL)
		db_bind_text(st, o->id);
	else
		db_bind_int(st, r->seq);
	return db_run(st, err);
}

static int run_outcome(struct tx *tx, struct write *w, struct err *err)
{
	struct outcome *o = (struct outcome *)w;

	if (o->item != NULL)
		TRY(insert(tx->db, o->item, o->webhook, o->id, err));
	TRY(update(tx->db, o, err));
	if (strcmp(o->result->state, "waiting") == 0)
		return 0;
	TRY(count_one(tx->db,
	    strcmp(o->result->state, "delivered") == 0 ? DELIVERED : FAILED,
	    o->webhook, err));
	return trim(tx->db, o->webhook, err);
}

int store_webhook_result(struct store *s, struct uuid webhook,
    const struct webhook_result *r, struct err *err)
{
	struct outcome o = {.write = {.run = run_outcome}, .result = r};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(webhook, o.webhook);
	return writer_run(s, &o.write, err);
}

int store_webhook_record(struct store *s, const struct webhook_item *item,
    const char id[UUID_TEXT_LEN], const struct webhook_result *r,
    struct err *err)
{
	struct outcome o = {
	    .write = {.run = run_outcome}, .result = r, .item = item, .id = id};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(item->webhook, o.webhook);
	return writer_run(s, &o.write, err);
}

/* -- reads ------------------------------------------------------------- */

#define DELIVERY_COLUMNS                                                       \
	"seq, id, event, trace, body, state, attempts, created_ns, due_ns, "   \
	"updated_ns, status, error"

static void read_row(struct db_stmt *st, struct webhook_delivery *d)
{
	const char *id;

	d->seq = db_col_int(st);
	id = db_col_text(st);
	memcpy(d->id, id, strnlen(id, UUID_TEXT_LEN - 1));
	d->event = db_col_strdup(st);
	d->trace = db_col_strdup(st);
	d->body = db_col_strdup(st);
	d->state = db_col_strdup(st);
	d->attempts = db_col_int(st);
	d->created_at = db_col_int(st);
	d->due_at = db_col_int(st);
	d->updated_at = db_col_int(st);
	d->status = (int)db_col_int(st);
	d->error = db_col_strdup(st);
}

int store_webhook_next(struct store *s, struct uuid webhook,
    struct webhook_delivery *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " DELIVERY_COLUMNS " FROM webhook_deliveries"
	    " WHERE webhook_id = ? AND state = 'waiting'"
	    " ORDER BY due_ns, seq LIMIT 1";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char text[UUID_TEXT_LEN];
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(webhook, text));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	*ret = (struct webhook_delivery){0};
	read_row(st, ret);
	return 1;
}

int store_webhook_deliveries(struct store *s, struct uuid webhook,
    int64_t before, int64_t limit, struct webhook_delivery_list *ret,
    struct err *err)
{
	static const char sql[] =
	    "SELECT " DELIVERY_COLUMNS " FROM webhook_deliveries"
	    " WHERE webhook_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(webhook_delivery_list_free)
	struct webhook_delivery_list l = {0};
	char text[UUID_TEXT_LEN];
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(limit >= 1 && limit <= LIST_LIMIT_MAX);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(webhook, text));
	db_bind_int(st, before > 0 ? before : INT64_MAX);
	db_bind_int(st, limit);
	l.items = mem_calloc((size_t)limit, sizeof(l.items[0]));
	while ((rc = db_step(st, err)) == 1)
		read_row(st, &l.items[l.n++]);
	TRY(rc);
	*ret = l;
	l = (struct webhook_delivery_list){0};
	return 0;
}
