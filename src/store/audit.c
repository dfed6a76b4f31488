/*
 * Adding to the audit log, and taking old rows from it: see audit.h. The rows
 * are written by the writer thread in the order in which they came; reading
 * is in audit_read.c.
 */
#include "store/audit.h"

#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/audit_chain.h"

void audit_entry_fini(struct audit_entry *e)
{
	mem_free(e->actor);
	mem_free(e->address);
	mem_free(e->action);
	mem_free(e->object);
	mem_free(e->result);
	mem_free(e->request);
	mem_free(e->detail);
	*e = (struct audit_entry){0};
}

/* -- add --------------------------------------------------------------- */

struct addition {
	struct write write; /* first */
	struct audit_entry entry;
};

static int insert(struct db *db, int64_t seq, const struct audit_text *row,
    const uint8_t hash[AUDIT_HASH_BYTES], struct err *err)
{
	static const char sql[] =
	    "INSERT INTO audit_logs (seq, created_at, actor, address, action,"
	    " object, result, status, request_id, detail, hash)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_int(st, seq);
	db_bind_text(st, row->at);
	db_bind_text(st, row->actor);
	db_bind_text(st, row->address);
	db_bind_text(st, row->action);
	db_bind_text(st, row->object);
	db_bind_text(st, row->result);
	db_bind_int(st, row->status);
	db_bind_text(st, row->request);
	db_bind_text(st, row->detail);
	db_bind_blob(st, hash, AUDIT_HASH_BYTES);
	return db_run(st, err);
}

int audit_append(struct tx *tx, const struct audit_entry *e, struct err *err)
{
	struct audit_head next = {.seq = tx->audit.seq + 1};
	char at[CLOCK_ISO_LEN];
	const struct audit_text row = {.at = clock_iso(e->at, at),
	    .actor = e->actor,
	    .address = e->address,
	    .action = e->action,
	    .object = e->object,
	    .result = e->result,
	    .request = e->request,
	    .detail = e->detail,
	    .status = e->status};

	audit_hash(
	    &tx->store->sealer, tx->audit.hash, next.seq, &row, next.hash);
	TRY(insert(tx->db, next.seq, &row, next.hash, err));
	tx->audit = next;
	return 0;
}

static int run_addition(struct tx *tx, struct write *w, struct err *err)
{
	return audit_append(tx, &((struct addition *)w)->entry, err);
}

static void finish_addition(struct write *w)
{
	struct addition *a = (struct addition *)w;
	const struct audit_entry *e = &a->entry;

	if (w->err.kind != ERR_NONE)
		log_error(NULL, "an audit row was not stored",
		    LOG_STR("actor", e->actor), LOG_STR("address", e->address),
		    LOG_STR("action", e->action),
		    LOG_STR("object", e->object != NULL ? e->object : ""),
		    LOG_STR("result", e->result), LOG_ERR(&w->err));
	audit_entry_fini(&a->entry);
	mem_free(a);
}

void store_audit_add(struct store *s, const struct audit_entry *e)
{
	struct addition *a = mem_zalloc(sizeof(*a));

	MAGIC_CHECK(s, STORE_MAGIC);
	a->write.run = run_addition;
	a->write.finish = finish_addition;
	a->entry = (struct audit_entry){.at = e->at,
	    .actor = mem_strdup(e->actor),
	    .address = mem_strdup(e->address),
	    .action = mem_strdup(e->action),
	    .object = mem_strdup_or_null(e->object),
	    .result = mem_strdup(e->result),
	    .request = mem_strdup_or_null(e->request),
	    .detail = mem_strdup_or_null(e->detail),
	    .status = e->status};
	a->write.size_bytes = sizeof(*a);
	writer_add(s, &a->write);
}

/* -- open -------------------------------------------------------------- */

static int read_last(struct db *db, struct audit_head *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT seq, hash FROM audit_logs ORDER BY seq DESC LIMIT 1";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const void *hash;
	size_t len;
	int rc;

	*ret = (struct audit_head){0};
	TRY(db_use(db, sql, &st, err));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	ret->seq = db_col_int(st);
	hash = db_col_blob(st, &len);
	if (hash != NULL && len == sizeof(ret->hash))
		memcpy(ret->hash, hash, len);
	return 0;
}

/* Under another key nothing from before can be checked: the chain begins anew
 * behind it. */
static int begin_anew(
    struct store *s, const struct audit_head *last, struct err *err)
{
	log_warn(NULL,
	    "the audit log was written with a key that was given up: its rows "
	    "stay, only those from now on can be checked",
	    LOG_INT("rows_until", last->seq));
	err_clear(err);
	TRY(audit_place_save(s, s->db, AUDIT_ANCHOR, last, err));
	s->queue.audit = *last;
	return 0;
}

int audit_open(struct store *s, struct err *err)
{
	struct audit_head last;

	TRY(read_last(s->db, &last, err));
	if (audit_place_load(s, s->db, AUDIT_HEAD, &s->queue.audit, err) < 0)
		return err->kind == ERR_INVALID ? begin_anew(s, &last, err)
						: -1;
	if (last.seq != s->queue.audit.seq ||
	    memcmp(last.hash, s->queue.audit.hash, sizeof(last.hash)) != 0)
		log_error(NULL,
		    "the end of the audit log is not as the hub left it: "
		    "runnerhub audit verify tells where",
		    LOG_INT("row", last.seq),
		    LOG_INT("expected", s->queue.audit.seq));
	/* Numbers are never given twice, whatever was done to the rows. */
	if (last.seq > s->queue.audit.seq)
		s->queue.audit.seq = last.seq;
	return 0;
}

/* -- retention --------------------------------------------------------- */

#define PURGE_BATCH 1000

struct purge {
	struct write write; /* first */
	char before[CLOCK_ISO_LEN];
	int64_t n; /* set by run */
};

/* The last row that goes: of a batch, and never the newest of all. */
static int choose(struct tx *tx, const struct purge *p, struct audit_head *ret,
    int64_t *ret_n, struct err *err)
{
	static const char sql[] =
	    "SELECT seq, created_at, hash FROM audit_logs WHERE seq < ?"
	    " ORDER BY seq LIMIT ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const void *hash;
	size_t len;
	int rc;

	TRY(db_use(tx->db, sql, &st, err));
	db_bind_int(st, tx->audit.seq);
	db_bind_int(st, PURGE_BATCH);
	while ((rc = db_step(st, err)) == 1) {
		int64_t seq = db_col_int(st);

		if (strcmp(db_col_text(st), p->before) >= 0)
			return 0;
		hash = db_col_blob(st, &len);
		if (hash == NULL || len != sizeof(ret->hash))
			return 0; /* for people to look at */
		ret->seq = seq;
		memcpy(ret->hash, hash, sizeof(ret->hash));
		++*ret_n;
	}
	return rc;
}

static int run_purge(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] = "DELETE FROM audit_logs WHERE seq <= ?";
	struct purge *p = (struct purge *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	struct audit_head last = {0};

	p->n = 0;
	TRY(choose(tx, p, &last, &p->n, err));
	if (p->n == 0)
		return 0;
	TRY(audit_place_save(tx->store, tx->db, AUDIT_ANCHOR, &last, err));
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_int(st, last.seq);
	return db_run(st, err);
}

int store_audit_purge(struct store *s, int64_t before_wall_ns, struct err *err)
{
	struct purge p = {.write = {.run = run_purge}};
	int64_t done = 0;

	MAGIC_CHECK(s, STORE_MAGIC);
	clock_iso(before_wall_ns, p.before);
	do {
		TRY(writer_run(s, &p.write, err));
		done += p.n;
	} while (p.n == PURGE_BATCH);
	return (int)done;
}
