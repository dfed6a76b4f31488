/*
 * The table of webhooks: see webhooks.h. What is sealed is "url\nsecret",
 * bound to the row's id: moved to another row it does not open. Opened on the
 * caller's thread, a change of one half on the writer's: nobody changes the
 * other half between its reading and its writing.
 */
#include "store/webhooks.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

#define WEBHOOK_COLUMNS                                                        \
	"id, name, origin, format, events, repository, enabled, delivered, "   \
	"failed, dropped, created_at, updated_at, (SELECT COUNT(*) FROM "      \
	"webhook_deliveries d WHERE d.webhook_id = webhooks.id AND "           \
	"d.state = 'waiting')"

enum { DOOR_MAX = WEBHOOK_URL_MAX + WEBHOOK_SECRET_MAX + 2 };

void webhook_fini(struct webhook *w)
{
	mem_free(w->name);
	mem_free(w->origin);
	mem_free(w->format);
	mem_free(w->events);
	mem_free(w->repository);
	*w = (struct webhook){0};
}

void webhook_list_free(struct webhook_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		webhook_fini(&l->items[i]);
	mem_free(l->items);
	*l = (struct webhook_list){0};
}

void webhook_door_fini(struct webhook_door *d)
{
	secret_free(d->url);
	secret_free(d->secret);
	*d = (struct webhook_door){0};
}

/* -- what is sealed ---------------------------------------------------- */

struct sealed_door {
	uint8_t bytes[DOOR_MAX + SEAL_OVERHEAD_BYTES];
	size_t len;
};

static int seal_door(const struct store *s, struct uuid id,
    const struct webhook_door *d, struct sealed_door *ret, struct err *err)
{
	char plain[DOOR_MAX];
	size_t url_len, secret_len = 0;
	const char *url = secret_expose(d->url, &url_len), *secret = "";

	if (d->secret != NULL)
		secret = secret_expose(d->secret, &secret_len);
	if (url_len > WEBHOOK_URL_MAX || secret_len > WEBHOOK_SECRET_MAX)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "The address of a webhook has at most %d bytes, its secret "
		    "%d",
		    WEBHOOK_URL_MAX, WEBHOOK_SECRET_MAX);
	memcpy(plain, url, url_len);
	plain[url_len] = '\n';
	memcpy(plain + url_len + 1, secret, secret_len);
	ret->len = url_len + 1 + secret_len + SEAL_OVERHEAD_BYTES;
	seal(&s->sealer, id, plain, url_len + 1 + secret_len, ret->bytes);
	secret_wipe(plain, sizeof(plain));
	return 0;
}

static int open_door(const struct store *s, struct uuid id, const void *sealed,
    size_t len, struct webhook_door *ret, struct err *err)
{
	CLEANUP(secret_free) struct secret *plain = NULL;
	const char *text, *end;
	size_t n;

	if (unseal(&s->sealer, id, sealed, len, &plain, err) < 0)
		return err_wrap(err, "open the address of a webhook");
	text = secret_expose(plain, &n);
	end = memchr(text, '\n', n);
	if (end == NULL)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the address of a stored webhook is unreadable");
	ret->url = secret_new(text, (size_t)(end - text));
	n -= (size_t)(end - text) + 1;
	ret->secret = n > 0 ? secret_new(end + 1, n) : NULL;
	return 0;
}

/* -- rows -------------------------------------------------------------- */

static int read_row(struct db_stmt *st, struct webhook *w, struct err *err)
{
	bool bad = uuid_parse(db_col_text(st), &w->id) < 0;

	w->name = db_col_strdup(st);
	w->origin = db_col_strdup(st);
	w->format = db_col_strdup(st);
	w->events = db_col_strdup(st);
	w->repository = db_col_strdup(st);
	w->enabled = db_col_int(st) != 0;
	w->delivered = db_col_int(st);
	w->failed = db_col_int(st);
	w->dropped = db_col_int(st);
	bad |= clock_parse_iso(db_col_text(st), &w->created_at) < 0;
	bad |= clock_parse_iso(db_col_text(st), &w->updated_at) < 0;
	w->waiting = db_col_int(st);
	if (!bad)
		return 0;
	return err_set(err, ERR_INTERNAL, "store_corrupt",
	    "the stored webhook %.64s has an unreadable id or time", w->name);
}

int store_webhook_list(
    struct store *s, struct webhook_list *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " WEBHOOK_COLUMNS " FROM webhooks ORDER BY name LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(webhook_list_free) struct webhook_list l = {0};
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_int(st, WEBHOOKS_MAX);
	l.items = mem_calloc(WEBHOOKS_MAX, sizeof(l.items[0]));
	while ((rc = db_step(st, err)) == 1)
		TRY(read_row(st, &l.items[l.n++], err));
	TRY(rc);
	*ret = l;
	l = (struct webhook_list){0};
	return 0;
}

int store_webhook_get(
    struct store *s, struct uuid id, struct webhook *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " WEBHOOK_COLUMNS " FROM webhooks WHERE id = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(webhook_fini) struct webhook w = {.id = id};
	char text[UUID_TEXT_LEN];
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(id, text));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	TRY(read_row(st, &w, err));
	*ret = w;
	w = (struct webhook){0};
	return 1;
}

static int read_door(const struct store *s, struct db *db, struct uuid id,
    struct webhook_door *ret, struct err *err)
{
	static const char sql[] = "SELECT sealed FROM webhooks WHERE id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char text[UUID_TEXT_LEN];
	const void *sealed;
	size_t len;
	int rc;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, uuid_text(id, text));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	sealed = db_col_blob(st, &len);
	TRY(open_door(s, id, sealed, len, ret, err));
	return 1;
}

int store_webhook_door(
    struct store *s, struct uuid id, struct webhook_door *ret, struct err *err)
{
	CLEANUP(reader_return) struct reader r = {0};

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	return read_door(s, r.db, id, ret, err);
}

/* -- add --------------------------------------------------------------- */

struct addition {
	struct write write; /* first */
	const struct webhook *webhook;
	const struct sealed_door *door;
	char id[UUID_TEXT_LEN];
	char now[CLOCK_ISO_LEN];
};

static int count_rows(struct db *db, int64_t *ret, struct err *err)
{
	static const char sql[] = "SELECT COUNT(*) FROM webhooks";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	TRY(db_step(st, err));
	*ret = db_col_int(st);
	return 0;
}

/* Does another one have the name? */
static int check_name(
    struct db *db, const char *name, const char *id, struct err *err)
{
	static const char sql[] =
	    "SELECT 1 FROM webhooks WHERE name = ? AND id <> ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, name);
	db_bind_text(st, id);
	rc = db_step(st, err);
	TRY(rc);
	if (rc == 0)
		return 0;
	return err_set(err, ERR_CONFLICT, "webhook_exists",
	    "There is a webhook named \"%.64s\" already", name);
}

static int insert(struct tx *tx, const struct addition *a, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO webhooks (id, name, origin, sealed, format, events,"
	    " repository, enabled, created_at, updated_at)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const struct webhook *w = a->webhook;

	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, a->id);
	db_bind_text(st, w->name);
	db_bind_text(st, w->origin);
	db_bind_blob(st, a->door->bytes, a->door->len);
	db_bind_text(st, w->format);
	db_bind_text(st, w->events);
	db_bind_text(st, w->repository);
	db_bind_int(st, w->enabled);
	db_bind_text(st, a->now);
	db_bind_text(st, a->now);
	return db_run(st, err);
}

static int run_addition(struct tx *tx, struct write *w, struct err *err)
{
	struct addition *a = (struct addition *)w;
	int64_t n = 0;

	TRY(count_rows(tx->db, &n, err));
	TRY(check_name(tx->db, a->webhook->name, a->id, err));
	if (n >= WEBHOOKS_MAX)
		return err_set(err, ERR_CONFLICT, "too_many_webhooks",
		    "There are %d webhooks already, that is the maximum: "
		    "delete some",
		    WEBHOOKS_MAX);
	/* Nobody read the history before: the first begins at its end. */
	if (n == 0)
		TRY(webhook_cursor_save(
		    tx->db, tx->counters.event_seq, true, err));
	return insert(tx, a, err);
}

int store_webhook_add(struct store *s, const struct webhook *w,
    const struct webhook_door *door, struct uuid *ret_id, struct err *err)
{
	struct sealed_door sealed;
	struct addition a = {
	    .write = {.run = run_addition}, .webhook = w, .door = &sealed};
	struct uuid id = uuid_v7();

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(seal_door(s, id, door, &sealed, err));
	uuid_text(id, a.id);
	clock_iso(clock_wall_ns(), a.now);
	TRY(writer_run(s, &a.write, err));
	*ret_id = id;
	return 0;
}

/* -- change ------------------------------------------------------------ */

struct change {
	struct write write; /* first */
	const struct webhook_change *wanted;
	struct uuid webhook;
	char id[UUID_TEXT_LEN];
	char now[CLOCK_ISO_LEN];
};

static int no_such_webhook(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "webhook_not_found",
	    "There is no such webhook");
}

/* What the change does not name stays. */
static int seal_changed(struct tx *tx, const struct change *c,
    struct sealed_door *ret, struct err *err)
{
	CLEANUP(webhook_door_fini) struct webhook_door now = {0};
	const struct webhook_door *wanted = &c->wanted->door;
	int rc = read_door(tx->store, tx->db, c->webhook, &now, err);
	struct webhook_door next;

	TRY(rc);
	if (rc == 0)
		return no_such_webhook(err);
	next = (struct webhook_door){
	    .url = wanted->url != NULL ? wanted->url : now.url,
	    .secret = wanted->secret != NULL ? wanted->secret : now.secret};
	return seal_door(tx->store, c->webhook, &next, ret, err);
}

static int run_change(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "UPDATE webhooks SET name = COALESCE(?, name),"
	    " origin = COALESCE(?, origin), sealed = ?,"
	    " format = COALESCE(?, format), events = COALESCE(?, events),"
	    " repository = NULLIF(COALESCE(?, repository), ''),"
	    " enabled = COALESCE(?, enabled), updated_at = ? WHERE id = ?";
	struct change *c = (struct change *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	struct sealed_door door;

	TRY(seal_changed(tx, c, &door, err));
	if (c->wanted->name != NULL)
		TRY(check_name(tx->db, c->wanted->name, c->id, err));
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, c->wanted->name);
	db_bind_text(st, c->wanted->origin);
	db_bind_blob(st, door.bytes, door.len);
	db_bind_text(st, c->wanted->format);
	db_bind_text(st, c->wanted->events);
	db_bind_text(st, c->wanted->repository);
	if (c->wanted->set_enabled)
		db_bind_int(st, c->wanted->enabled);
	else
		db_bind_null(st);
	db_bind_text(st, c->now);
	db_bind_text(st, c->id);
	return db_run(st, err);
}

int store_webhook_change(struct store *s, struct uuid id,
    const struct webhook_change *change, struct err *err)
{
	struct change c = {
	    .write = {.run = run_change}, .wanted = change, .webhook = id};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(id, c.id);
	clock_iso(clock_wall_ns(), c.now);
	return writer_run(s, &c.write, err);
}

/* -- delete ------------------------------------------------------------ */

struct removal {
	struct write write; /* first */
	char id[UUID_TEXT_LEN];
	bool found; /* set by run */
};

static int run_removal(struct tx *tx, struct write *w, struct err *err)
{
	static const char waiting[] =
	    "DELETE FROM webhook_deliveries WHERE webhook_id = ?";
	static const char row[] = "DELETE FROM webhooks WHERE id = ?";
	struct removal *r = (struct removal *)w;
	CLEANUP(db_done) struct db_stmt *gone = NULL;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(tx->db, waiting, &gone, err));
	db_bind_text(gone, r->id);
	TRY(db_run(gone, err));
	TRY(db_use(tx->db, row, &st, err));
	db_bind_text(st, r->id);
	TRY(db_run(st, err));
	r->found = db_changes(st) == 1;
	return 0;
}

int store_webhook_delete(struct store *s, struct uuid id, struct err *err)
{
	struct removal r = {.write = {.run = run_removal}};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(id, r.id);
	TRY(writer_run(s, &r.write, err));
	return r.found;
}
