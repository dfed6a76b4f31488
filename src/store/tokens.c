/*
 * Tokens: text like "rhr_<id>_<64 hex>". The id tells whose row to look at,
 * the rest is the secret. A runner's is random and kept as a keyed hash of
 * its whole text; a session's follows from its job's id and the sign key of
 * its time, so nothing of it is kept. Both are compared in constant time.
 * Called for every request that carries one; any thread.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "store/runners.h"
#include "store/store_internal.h"
#include "store/users.h"

#define KIND_LEN        4 /* "rhr_" */
#define ID_LEN          (2 * sizeof(struct uuid))
#define SECRET_BYTES    TOKEN_SECRET_BYTES
#define TOKEN_LEN       (KIND_LEN + ID_LEN + 1 + (size_t)2 * SECRET_BYTES)
#define HASH_BYTES      TOKEN_HASH_BYTES
#define SESSION_CONTEXT "runnerhub tokens of sessions, key 1"

_Static_assert(TOKEN_LEN < RUNNER_TOKEN_LEN, "room for a runner's token");
_Static_assert(TOKEN_LEN < SESSION_TOKEN_LEN, "room for a session's token");
_Static_assert(TOKEN_LEN < LOGIN_TOKEN_LEN, "room for a login's token");
_Static_assert(TOKEN_LEN < API_TOKEN_LEN, "room for a program's token");

/* -- the text ---------------------------------------------------------- */

static void token_write(const char *kind, struct uuid id,
    const uint8_t secret[SECRET_BYTES], char *ret)
{
	char *p = mempcpy(ret, kind, KIND_LEN);

	sodium_bin2hex(p, ID_LEN + 1, id.b, sizeof(id.b));
	p[ID_LEN] = '_';
	p += ID_LEN + 1;
	sodium_bin2hex(p, (size_t)2 * SECRET_BYTES + 1, secret, SECRET_BYTES);
}

int token_claim(const char *kind, const char *token, struct uuid *ret)
{
	size_t len = strnlen(token, TOKEN_LEN + 1), n;
	const char *id = token + KIND_LEN, *end;

	if (len != TOKEN_LEN || memcmp(token, kind, KIND_LEN) != 0 ||
	    id[ID_LEN] != '_')
		return -1;
	if (sodium_hex2bin(
		ret->b, sizeof(ret->b), id, ID_LEN, NULL, &n, &end) != 0)
		return -1;
	return n == sizeof(ret->b) && end == id + ID_LEN ? 0 : -1;
}

/* -- tokens of runners ------------------------------------------------- */

void token_hash(
    const struct store *s, const char *token, uint8_t out[HASH_BYTES])
{
	crypto_generichash(out, HASH_BYTES, (const unsigned char *)token,
	    TOKEN_LEN, s->sealer.runner_key, sizeof(s->sealer.runner_key));
}

struct renewal {
	struct write write; /* first */
	char id[UUID_TEXT_LEN];
	uint8_t hash[HASH_BYTES];
};

static int run_renewal(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "UPDATE runners SET token_hash = ?, updated_at = ? WHERE id = ?";
	struct renewal *r = (struct renewal *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char now[CLOCK_ISO_LEN];

	TRY(db_use(tx->db, sql, &st, err));
	db_bind_blob(st, r->hash, sizeof(r->hash));
	db_bind_text(st, clock_iso(clock_wall_ns(), now));
	db_bind_text(st, r->id);
	TRY(db_run(st, err));
	if (db_changes(st) == 1)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "runner_not_found",
	    "there is no runner %s", r->id);
}

void token_new(const struct store *s, const char *kind, struct uuid id,
    char *ret, uint8_t ret_hash[HASH_BYTES])
{
	uint8_t secret[SECRET_BYTES];

	random_bytes(secret, sizeof(secret));
	token_write(kind, id, secret, ret);
	secret_wipe(secret, sizeof(secret));
	token_hash(s, ret, ret_hash);
}

int store_runner_new_token(
    struct store *s, runner_id id, char ret[RUNNER_TOKEN_LEN], struct err *err)
{
	struct renewal r = {.write = {.run = run_renewal}};

	MAGIC_CHECK(s, STORE_MAGIC);
	token_new(s, "rhr_", id.u, ret, r.hash);
	uuid_text(id.u, r.id);
	if (writer_run(s, &r.write, err) == 0)
		return 0;
	secret_wipe(ret, RUNNER_TOKEN_LEN);
	return -1;
}

int store_runner_by_token(
    struct store *s, const char *token, runner_id *ret, struct err *err)
{
	static const char sql[] = "SELECT token_hash FROM runners WHERE id = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char id_text[UUID_TEXT_LEN];
	uint8_t hash[HASH_BYTES];
	const void *kept;
	runner_id id;
	size_t len;
	int rc;

	if (token_claim("rhr_", token, &id.u) < 0)
		return 0;
	token_hash(s, token, hash);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(id.u, id_text));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	kept = db_col_blob(st, &len); /* none: it never had a token */
	if (kept == NULL || len != sizeof(hash) ||
	    sodium_memcmp(kept, hash, sizeof(hash)) != 0)
		return 0;
	*ret = id;
	return 1;
}

/* -- tokens of sessions ------------------------------------------------ */

void store_session_token(
    struct store *s, struct uuid job, char ret[SESSION_TOKEN_LEN])
{
	uint8_t secret[SECRET_BYTES], key[SEAL_KEY_BYTES];

	MAGIC_CHECK(s, STORE_MAGIC);
	seal_sign_key(
	    &s->sealer, job_id_time_ns((job_id){job}), SESSION_CONTEXT, key);
	crypto_generichash(
	    secret, sizeof(secret), job.b, sizeof(job.b), key, sizeof(key));
	token_write("rhs_", job, secret, ret);
	secret_wipe(key, sizeof(key));
	secret_wipe(secret, sizeof(secret));
}

bool store_session_token_check(
    struct store *s, const char *token, struct uuid *ret_job)
{
	char right[SESSION_TOKEN_LEN];
	struct uuid job;
	bool ok;

	if (token_claim("rhs_", token, &job) < 0)
		return false;
	store_session_token(s, job, right);
	ok = sodium_memcmp(right, token, TOKEN_LEN) == 0;
	secret_wipe(right, sizeof(right));
	if (ok)
		*ret_job = job;
	return ok;
}
