/*
 * The keyring's rows: see keyring.h. On the thread that opens the store.
 * What is done with old keys later is in reseal.c, a change of the operator's
 * key in rotate.c.
 */
#include "store/keyring.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* -- rows -------------------------------------------------------------- */

/* Whom a key's row is sealed for: a row with another purpose, number or time
 * does not open. */
static struct uuid owner_of(const char *purpose, const struct seal_key *key)
{
	char text[96];
	struct uuid owner;

	snprintf(text, sizeof(text), "%s %" PRIu32 " %" PRId64, purpose,
	    key->id, key->since);
	_Static_assert(sizeof(owner.b) == crypto_generichash_BYTES_MIN, "size");
	crypto_generichash(owner.b, sizeof(owner.b),
	    (const unsigned char *)text, strlen(text), NULL, 0);
	return owner;
}

int keyring_put(struct db *db, const struct seal_key *master,
    const char *purpose, const struct seal_key *key, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO seal_keys (purpose, id, since_ns, sealed)"
	    " VALUES (?, ?, ?, ?) ON CONFLICT (purpose, id) DO UPDATE SET"
	    " since_ns = excluded.since_ns, sealed = excluded.sealed";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	uint8_t sealed[SEAL_KEY_BYTES + SEAL_OVERHEAD_BYTES];

	seal_with(
	    master, owner_of(purpose, key), key->bytes, SEAL_KEY_BYTES, sealed);
	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, purpose);
	db_bind_int(st, key->id);
	db_bind_int(st, key->since);
	db_bind_blob(st, sealed, sizeof(sealed));
	return db_run(st, err);
}

int keyring_put_all(struct db *db, const struct seal_key *master,
    const struct sealer *s, struct err *err)
{
	TRY(keyring_put(db, master, "root", &s->root, err));
	for (size_t i = 0; i < s->n_data; i++)
		TRY(keyring_put(db, master, "data", &s->data[i], err));
	for (size_t i = 0; i < s->n_sign; i++)
		TRY(keyring_put(db, master, "sign", &s->sign[i], err));
	return 0;
}

/* The place for another key of that purpose; NULL: there is none. */
static struct seal_key *place_of(struct sealer *s, const char *purpose)
{
	if (strcmp(purpose, "root") == 0)
		return &s->root;
	if (strcmp(purpose, "data") == 0 && s->n_data < SEAL_DATA_KEYS_MAX)
		return &s->data[s->n_data++];
	if (strcmp(purpose, "sign") == 0 && s->n_sign < SEAL_SIGN_KEYS_MAX)
		return &s->sign[s->n_sign++];
	return NULL;
}

static int open_row(const struct seal_key *master, const char *purpose,
    const void *sealed, size_t len, struct seal_key *key, struct err *err)
{
	CLEANUP(secret_free) struct secret *plain = NULL;
	size_t n;

	TRY(unseal_with(
	    master, owner_of(purpose, key), sealed, len, &plain, err));
	memcpy(key->bytes, secret_expose(plain, &n), SEAL_KEY_BYTES);
	if (n == SEAL_KEY_BYTES)
		return 0;
	return err_set(err, ERR_INTERNAL, "sealed_damaged",
	    "a key of the store has %zu bytes instead of %d", n,
	    SEAL_KEY_BYTES);
}

/* ERR_INVALID "wrong_key". */
static int load(struct db *db, const struct seal_key *master,
    struct sealer *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT purpose, id, since_ns, sealed FROM seal_keys"
	    " ORDER BY purpose, id";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	*ret = (struct sealer){0};
	TRY(db_use(db, sql, &st, err));
	while ((rc = db_step(st, err)) == 1) {
		const char *purpose = db_col_text(st);
		struct seal_key *key = place_of(ret, purpose);
		const void *sealed;
		size_t len;

		if (key == NULL)
			return err_set(err, ERR_INTERNAL, "store_corrupt",
			    "the keyring has a %.40s key too many", purpose);
		key->id = (uint32_t)db_col_int(st);
		key->since = db_col_int(st);
		sealed = db_col_blob(st, &len);
		TRY(open_row(master, purpose, sealed, len, key, err));
	}
	TRY(rc);
	if (ret->n_data == 0 || ret->n_sign == 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the keyring lacks a key: restore the database from a "
		    "backup");
	return 0;
}

/* -- what there is ----------------------------------------------------- */

static int64_t count(struct db *db, const char *sql, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	TRY(db_step(st, err));
	return db_col_int(st);
}

static int64_t count_keys(struct db *db, struct err *err)
{
	static const char sql[] = "SELECT COUNT(*) FROM seal_keys";

	return count(db, sql, err);
}

static int64_t count_sealed(struct db *db, struct err *err)
{
	static const char sql[] = "SELECT (SELECT COUNT(*) FROM job_secrets)"
				  " + (SELECT COUNT(*) FROM named_secrets)"
				  " + (SELECT COUNT(*) FROM webhooks)";

	return count(db, sql, err);
}

/* Stores of before the keyring have a known text, sealed with their key.
 * 1: it opens, 0: there is none, -1: ERR_INVALID: with another key. */
static int try_key_check(
    struct db *db, const struct seal_key *key, struct err *err)
{
	static const char sql[] =
	    "SELECT sealed FROM store_keys WHERE name = 'key_check'";
	static const struct uuid nobody;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(secret_free) struct secret *plain = NULL;
	const void *sealed;
	size_t len;
	int rc;

	TRY(db_use(db, sql, &st, err));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	sealed = db_col_blob(st, &len);
	TRY(unseal_with(key, nobody, sealed, len, &plain, err));
	return 1;
}

/* -- the first keys ---------------------------------------------------- */

static void add_random(struct seal_key *ret, uint32_t id)
{
	*ret = (struct seal_key){.id = id};
	random_bytes(ret->bytes, sizeof(ret->bytes));
}

static void make_keys(struct sealer *s)
{
	*s = (struct sealer){.n_data = 1, .n_sign = 1};
	add_random(&s->root, 1);
	add_random(&s->data[0], 1);
	add_random(&s->sign[0], 1);
}

/* What was made with the only key there was stays as it is. */
static void take_over_key(struct sealer *s, const struct seal_key *old)
{
	*s = (struct sealer){.n_data = 2, .n_sign = 1};
	s->root = s->data[0] = s->sign[0] = *old;
	add_random(&s->data[1], 1);
}

static int write_keys(struct store *s, const struct seal_key *master,
    const char *first, struct err *err)
{
	TRY(db_begin(s->db, err));
	if (db_exec(s->db, first, err) < 0 ||
	    keyring_put_all(s->db, master, &s->sealer, err) < 0) {
		db_rollback(s->db);
		return -1;
	}
	return db_commit(s->db, err);
}

static const char FORGET_CHECK[] =
    "DELETE FROM store_keys WHERE name = 'key_check'";
static const char FORGET_ALL[] =
    "DELETE FROM seal_keys; DELETE FROM job_secrets;"
    "DELETE FROM named_secrets; DELETE FROM webhooks;"
    "DELETE FROM webhook_deliveries;"
    "DELETE FROM store_keys WHERE name = 'key_check'";

/* The key that is configured, made when it is the file's and there is none. */
static int configured_key(const struct store_config *c,
    const struct master_keys *k, struct seal_key *ret, struct err *err)
{
	enum master_source source =
	    c->encryption_key != NULL ? MASTER_TEXT : MASTER_FILE;

	*ret = k->of[source].key;
	if (k->of[source].there)
		return 0;
	master_key_random(ret);
	return master_key_write(ret, c->key_path, err);
}

static int begin(struct store *s, const struct store_config *c,
    const struct master_keys *k, const char *first, struct err *err)
{
	struct seal_key master;
	int rc;

	TRY(configured_key(c, k, &master, err));
	make_keys(&s->sealer);
	rc = write_keys(s, &master, first, err);
	secret_wipe(&master, sizeof(master));
	return rc;
}

/* -- open -------------------------------------------------------------- */

/* 1, 0: this key opens nothing, -1. */
static int try_key(struct store *s, bool has_keyring,
    const struct seal_key *key, struct err *err)
{
	int rc = has_keyring ? load(s->db, key, &s->sealer, err)
			     : try_key_check(s->db, key, err);

	if (rc < 0 && err->kind != ERR_INVALID)
		return -1;
	if (rc < 0) {
		err_clear(err);
		return 0;
	}
	if (!has_keyring) {
		take_over_key(&s->sealer, key);
		TRY(write_keys(s, key, FORGET_CHECK, err));
	}
	return 1;
}

static int explain(struct store *s, const struct store_config *c,
    const struct master_keys *k, enum master_source fits, struct err *err)
{
	enum master_source used =
	    c->encryption_key != NULL ? MASTER_TEXT : MASTER_FILE;
	char a[4200], b[4200];
	const char *given = master_key_name(c, used, a, sizeof(a));
	const char *not =
	    k->of[used].there ? "does not open it" : "is not there";

	if (fits != MASTER_SOURCES)
		return err_set(err, ERR_INVALID, "wrong_key",
		    "%s is sealed with another key: %s %s, but %s opens it: "
		    "start with that one, or change to the new one with "
		    "`runnerhub secret rotate`",
		    s->path, given, not,
		    master_key_name(c, fits, b, sizeof(b)));
	return err_set(err, ERR_INVALID, "wrong_key",
	    "%s is sealed with another key: %s %s. Start with the "
	    "ENCRYPTION_KEY (or key file) used before; when it is lost for "
	    "good, `runnerhub secret rotate --give-up` begins anew without the "
	    "secrets",
	    s->path, given, not );
}

/* One of the keys opens it: that one. None: MASTER_SOURCES. */
static int find(struct store *s, const struct store_config *c,
    const struct master_keys *k, bool has_keyring, bool all,
    enum master_source *ret, struct err *err)
{
	for (enum master_source i = 0; i < MASTER_SOURCES; i++) {
		int rc = 0;

		if (k->of[i].there && (all || master_key_is_used(c, i)))
			rc = try_key(s, has_keyring, &k->of[i].key, err);
		TRY(rc);
		*ret = i;
		if (rc == 1)
			return 0;
	}
	*ret = MASTER_SOURCES;
	return 0;
}

/* A rotation was interrupted after the store had taken the new file's key, or
 * before: one of the two files is left over. */
static int settle_files(const struct store_config *c,
    const struct master_keys *k, enum master_source source, struct err *err)
{
	if (source == MASTER_NEW_FILE) {
		TRY(master_key_write(&k->of[source].key, c->key_path, err));
		log_info(NULL, "the rotation of the key file is finished",
		    LOG_STR("file", c->key_path));
	}
	if (k->of[MASTER_NEW_FILE].there)
		unlink(k->new_path);
	return 0;
}

/* Which key would do: without taking it. */
static int refuse(struct store *s, const struct store_config *c,
    const struct master_keys *k, bool has_keyring, struct err *err)
{
	for (enum master_source i = 0; i < MASTER_SOURCES; i++) {
		struct sealer tried = {0};
		int rc;

		if (!k->of[i].there)
			continue;
		rc = has_keyring ? load(s->db, &k->of[i].key, &tried, err)
				 : try_key_check(s->db, &k->of[i].key, err);
		sealer_fini(&tried);
		err_clear(err);
		if (rc >= 0)
			return explain(s, c, k, i, err);
	}
	return explain(s, c, k, MASTER_SOURCES, err);
}

static int open_keys(struct store *s, const struct store_config *c,
    const struct master_keys *k, enum keyring_mode mode,
    struct keyring_opened *ret, struct err *err)
{
	bool all = mode == KEYRING_ROTATE;
	int64_t n = count_keys(s->db, err);

	TRY((int)n);
	TRY(find(s, c, k, n > 0, all, &ret->source, err));
	if (ret->source == MASTER_SOURCES)
		return refuse(s, c, k, n > 0, err);
	ret->unfinished = n > 0 && s->sealer.n_data > 1;
	return settle_files(c, k, ret->source, err);
}

/* Nothing was ever sealed here, and no key noted. */
static int is_new(struct store *s, bool *ret, struct err *err)
{
	static const char checks[] =
	    "SELECT COUNT(*) FROM store_keys WHERE name = 'key_check'";
	int64_t keys = count_keys(s->db, err), sealed, n;

	TRY((int)keys);
	sealed = count_sealed(s->db, err);
	TRY((int)sealed);
	n = count(s->db, checks, err);
	TRY((int)n);
	*ret = keys + n == 0;
	if (*ret && sealed > 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "%s holds %" PRId64 " sealed secrets and no key of them: "
		    "restore it from a backup",
		    s->path, sealed);
	return 0;
}

int keyring_open(struct store *s, const struct store_config *c,
    enum keyring_mode mode, struct keyring_opened *ret, struct err *err)
{
	CLEANUP(master_keys_wipe) struct master_keys k = {0};
	bool anew = mode == KEYRING_GIVE_UP;
	int rc;

	*ret = (struct keyring_opened){0};
	TRY(seal_begin(err));
	TRY(master_keys_find(&k, c, err));
	if (!anew)
		TRY(is_new(s, &anew, err));
	if (anew)
		rc = begin(s, c, &k,
		    mode == KEYRING_GIVE_UP ? FORGET_ALL : FORGET_CHECK, err);
	else
		rc = open_keys(s, c, &k, mode, ret, err);
	TRY(rc);
	sealer_derive(&s->sealer);
	return 0;
}
