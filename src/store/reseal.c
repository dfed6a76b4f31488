/*
 * Sealing rows anew after a rotation: see keyring.h. A few rows in each
 * transaction, on the writer thread; a row says by which key it is sealed, so
 * that whoever comes after a crash goes on with the rest. The thread that
 * opens the store waits; nobody else uses it yet.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/keyring.h"

enum { BATCH = 16 };

/* -- what is sealed ---------------------------------------------------- */

static struct uuid owner_id(const struct store *s, const char *id)
{
	struct uuid owner = {0};

	(void)s;
	IGNORE(uuid_parse(id, &owner)); /* else it does not open */
	return owner;
}

static struct uuid owner_nobody(const struct store *s, const char *name)
{
	(void)s;
	(void)name;
	return (struct uuid){0};
}

/* Each: the rows after a key, in its order; and a new value of one. */
static const struct sealed_table {
	const char *name, *select, *update;
	struct uuid (*owner)(const struct store *s, const char *key);
} tables[] = {
    {"job_secrets",
	"SELECT job_id, sealed FROM job_secrets WHERE job_id > ?"
	" ORDER BY job_id LIMIT ?",
	"UPDATE job_secrets SET sealed = ? WHERE job_id = ?", owner_id},
    {"named_secrets",
	"SELECT name, sealed FROM named_secrets WHERE name > ?"
	" ORDER BY name LIMIT ?",
	"UPDATE named_secrets SET sealed = ? WHERE name = ?",
	named_secret_owner},
    {"webhooks",
	"SELECT id, sealed FROM webhooks WHERE id > ? ORDER BY id LIMIT ?",
	"UPDATE webhooks SET sealed = ? WHERE id = ?", owner_id},
    {"store_keys",
	"SELECT name, sealed FROM store_keys WHERE name > ?"
	" ORDER BY name LIMIT ?",
	"UPDATE store_keys SET sealed = ? WHERE name = ?", owner_nobody},
};

/* -- one batch --------------------------------------------------------- */

struct batch {
	struct write write; /* first */
	const struct sealed_table *table;
	char after[256]; /* the key of the last row that is done */
	/* set by run */
	char last[256];
	size_t n_read;
	int64_t n_sealed;
};

static int update(struct db *db, const struct batch *b, const char *key,
    const void *sealed, size_t len, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, b->table->update, &st, err));
	db_bind_blob(st, sealed, len);
	db_bind_text(st, key);
	return db_run(st, err);
}

/* A row that does not open never will: it is told and left as it is. */
static int reseal_row(struct tx *tx, struct batch *b, const char *key,
    const void *sealed, size_t len, struct err *err)
{
	const struct store *s = tx->store;
	struct uuid owner = b->table->owner(s, key);
	CLEANUP(secret_free) struct secret *plain = NULL;
	CLEANUP(mem_free) uint8_t *out = NULL;
	const char *bytes;
	size_t n;

	if (seal_is_newest(&s->sealer, sealed, len))
		return 0;
	if (unseal(&s->sealer, owner, sealed, len, &plain, err) < 0) {
		log_error(NULL, "a sealed row does not open, it stays as it is",
		    LOG_STR("table", b->table->name), LOG_STR("row", key),
		    LOG_ERR(err));
		err_clear(err);
		return 0;
	}
	bytes = secret_expose(plain, &n);
	out = mem_alloc(n + SEAL_OVERHEAD_BYTES);
	seal(&s->sealer, owner, bytes, n, out);
	b->n_sealed++;
	return update(tx->db, b, key, out, n + SEAL_OVERHEAD_BYTES, err);
}

static int run_batch(struct tx *tx, struct write *w, struct err *err)
{
	struct batch *b = (struct batch *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	b->n_read = 0;
	b->n_sealed = 0;
	memcpy(b->last, b->after, sizeof(b->last));
	TRY(db_use(tx->db, b->table->select, &st, err));
	db_bind_text(st, b->after);
	db_bind_int(st, BATCH);
	while ((rc = db_step(st, err)) == 1) {
		const char *key = db_col_text(st);
		const void *sealed;
		size_t len;

		sealed = db_col_blob(st, &len);
		b->n_read++;
		snprintf(b->last, sizeof(b->last), "%s", key);
		TRY(reseal_row(tx, b, b->last, sealed, len, err));
	}
	return rc;
}

int reseal_all(struct store *s, int64_t *ret_n, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		struct batch b = {
		    .write = {.run = run_batch}, .table = &tables[i]};

		do {
			TRY(writer_run(s, &b.write, err));
			memcpy(b.after, b.last, sizeof(b.after));
			*ret_n += b.n_sealed;
			FAULT("rotate_batch");
		} while (b.n_read == BATCH);
	}
	return 0;
}

/* -- keys that nothing needs ------------------------------------------- */

struct drop {
	struct write write; /* first */
	const char *sql;
	uint32_t below;
};

static int run_drop(struct tx *tx, struct write *w, struct err *err)
{
	struct drop *d = (struct drop *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(tx->db, d->sql, &st, err));
	db_bind_int(st, d->below);
	return db_run(st, err);
}

/* All but the newest, which moves to the front. */
static void keep_newest(struct seal_key *keys, size_t *n)
{
	keys[0] = keys[*n - 1];
	secret_wipe(&keys[1], (*n - 1) * sizeof(keys[0]));
	*n = 1;
}

static int drop_data_keys(struct store *s, struct err *err)
{
	static const char sql[] =
	    "DELETE FROM seal_keys WHERE purpose = 'data' AND id < ?";
	struct sealer *k = &s->sealer;
	struct drop d = {.write = {.run = run_drop},
	    .sql = sql,
	    .below = k->data[k->n_data - 1].id};

	TRY(writer_run(s, &d.write, err));
	keep_newest(k->data, &k->n_data);
	return 0;
}

/* Does a job run that was delegated before the newest key? */
static int has_older_job(struct store *s, bool *ret, struct err *err)
{
	static const char sql[] = "SELECT COUNT(*) FROM jobs"
				  " WHERE completed_at IS NULL AND id < ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const struct sealer *k = &s->sealer;
	char floor[UUID_TEXT_LEN];

	job_id_floor(k->sign[k->n_sign - 1].since, floor);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, floor);
	TRY(db_step(st, err));
	*ret = db_col_int(st) > 0;
	return 0;
}

static int drop_sign_keys(struct store *s, struct err *err)
{
	static const char sql[] =
	    "DELETE FROM seal_keys WHERE purpose = 'sign' AND id < ?";
	struct sealer *k = &s->sealer;
	struct drop d = {.write = {.run = run_drop},
	    .sql = sql,
	    .below = k->sign[k->n_sign - 1].id};
	bool needed = false;

	TRY(has_older_job(s, &needed, err));
	if (needed)
		return 0;
	TRY(writer_run(s, &d.write, err));
	keep_newest(k->sign, &k->n_sign);
	return 0;
}

int keyring_tidy(struct store *s, int64_t *ret_n, struct err *err)
{
	if (s->sealer.n_data > 1) {
		TRY(reseal_all(s, ret_n, err));
		FAULT("rotate_before_drop");
		TRY(drop_data_keys(s, err));
	}
	return s->sealer.n_sign > 1 ? drop_sign_keys(s, err) : 0;
}
