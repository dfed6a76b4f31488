/*
 * Logins: see users.h. A login is a row; its token is renewed with each use,
 * so that a stolen one shows as soon as both who have it use it.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "store/store_internal.h"
#include "store/users.h"

/* A page may ask twice with the same token, in two tabs. */
#define FORGIVEN_NS (30 * CLOCK_NS_PER_S)
/* Of one user; the oldest goes for a new one. */
enum { LOGINS_MAX = 50 };

static const char KIND[] = "rhl_";

/* -- begin ------------------------------------------------------------- */

struct opening {
	struct write write; /* first */
	char id[UUID_TEXT_LEN], user[UUID_TEXT_LEN];
	uint8_t hash[TOKEN_HASH_BYTES];
	const char *address;
	int64_t now, expires_at;
};

static int run_text(
    struct db *db, const char *sql, const char *text, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, text);
	return db_run(st, err);
}

/* Those that are over, of all; and of this user all but the newest. */
static int make_room(struct db *db, const struct opening *o, struct err *err)
{
	static const char over[] = "DELETE FROM logins WHERE expires_ns <= ?";
	static const char old[] =
	    "DELETE FROM logins WHERE user_id = ? AND id NOT IN (SELECT id"
	    " FROM logins WHERE user_id = ? ORDER BY renewed_ns DESC LIMIT ?)";
	CLEANUP(db_done) struct db_stmt *a = NULL;
	CLEANUP(db_done) struct db_stmt *b = NULL;

	TRY(db_use(db, over, &a, err));
	db_bind_int(a, o->now);
	TRY(db_run(a, err));
	TRY(db_use(db, old, &b, err));
	db_bind_text(b, o->user);
	db_bind_text(b, o->user);
	db_bind_int(b, LOGINS_MAX - 1);
	return db_run(b, err);
}

static int note_login(struct db *db, const struct opening *o, struct err *err)
{
	static const char sql[] =
	    "UPDATE users SET last_login_at = ? WHERE id = ? AND disabled = 0";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char now[CLOCK_ISO_LEN];

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, clock_iso(o->now, now));
	db_bind_text(st, o->user);
	TRY(db_run(st, err));
	if (db_changes(st) == 1)
		return 0;
	return err_set(
	    err, ERR_NOT_FOUND, "user_not_found", "There is no such user");
}

static int run_opening(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO logins (id, user_id, token_hash, renewed_ns, address,"
	    " created_at, expires_ns) VALUES (?, ?, ?, ?, ?, ?, ?)";
	struct opening *o = (struct opening *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char now[CLOCK_ISO_LEN];

	TRY(note_login(tx->db, o, err));
	TRY(make_room(tx->db, o, err));
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, o->id);
	db_bind_text(st, o->user);
	db_bind_blob(st, o->hash, sizeof(o->hash));
	db_bind_int(st, o->now);
	db_bind_text(st, o->address);
	db_bind_text(st, clock_iso(o->now, now));
	db_bind_int(st, o->expires_at);
	return db_run(st, err);
}

int store_login_open(struct store *s, user_id user, const char *address,
    int64_t expires_wall_ns, struct login *ret, char ret_token[LOGIN_TOKEN_LEN],
    struct err *err)
{
	struct opening o = {.write = {.run = run_opening},
	    .address = address,
	    .now = clock_wall_ns(),
	    .expires_at = expires_wall_ns};

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct login){
	    .id = uuid_v4(), .user = user, .expires_at = expires_wall_ns};
	uuid_text(ret->id, o.id);
	uuid_text(user.u, o.user);
	token_new(s, KIND, ret->id, ret_token, o.hash);
	if (writer_run(s, &o.write, err) == 0)
		return 0;
	secret_wipe(ret_token, LOGIN_TOKEN_LEN);
	return -1;
}

/* -- renew ------------------------------------------------------------- */

struct renewal {
	struct write write; /* first */
	char id[UUID_TEXT_LEN];
	uint8_t given[TOKEN_HASH_BYTES], next[TOKEN_HASH_BYTES];
	int64_t now;
	/* set by run */
	bool renewed, stolen;
	struct login login;
};

static bool same(const void *kept, size_t len, const uint8_t *hash)
{
	return kept != NULL && len == TOKEN_HASH_BYTES &&
	       sodium_memcmp(kept, hash, TOKEN_HASH_BYTES) == 0;
}

/* What becomes of it: 1 renew, 0 nothing of ours, -1. */
static int judge(struct db *db, struct renewal *r, struct err *err)
{
	static const char sql[] =
	    "SELECT logins.user_id, token_hash, previous_hash, renewed_ns,"
	    " expires_ns FROM logins JOIN users ON users.id = logins.user_id"
	    " WHERE logins.id = ? AND users.disabled = 0";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const void *hash, *previous;
	size_t hash_len, previous_len;
	int64_t renewed_at;
	const char *user;
	int rc;

	r->renewed = r->stolen = false;
	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, r->id);
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	user = db_col_text(st);
	hash = db_col_blob(st, &hash_len);
	previous = db_col_blob(st, &previous_len);
	renewed_at = db_col_int(st);
	r->login.expires_at = db_col_int(st);
	if (r->login.expires_at <= r->now ||
	    uuid_parse(user, &r->login.user.u) < 0)
		return 0;
	if (same(hash, hash_len, r->given))
		return 1;
	/* Whatever else bears the login's id was its token once: who knows the
	 * id has seen one. */
	r->stolen = !same(previous, previous_len, r->given) ||
		    r->now - renewed_at > FORGIVEN_NS;
	return r->stolen ? 0 : 1;
}

static int run_renewal(struct tx *tx, struct write *w, struct err *err)
{
	static const char drop[] = "DELETE FROM logins WHERE id = ?";
	static const char sql[] =
	    "UPDATE logins SET previous_hash = ?, token_hash = ?,"
	    " renewed_ns = ? WHERE id = ?";
	struct renewal *r = (struct renewal *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc = judge(tx->db, r, err);

	TRY(rc);
	if (rc == 0)
		return r->stolen ? run_text(tx->db, drop, r->id, err) : 0;
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_blob(st, r->given, sizeof(r->given));
	db_bind_blob(st, r->next, sizeof(r->next));
	db_bind_int(st, r->now);
	db_bind_text(st, r->id);
	TRY(db_run(st, err));
	r->renewed = true;
	return 0;
}

int store_login_renew(struct store *s, const char *token, struct login *ret,
    char ret_token[LOGIN_TOKEN_LEN], struct err *err)
{
	struct renewal r = {
	    .write = {.run = run_renewal}, .now = clock_wall_ns()};

	MAGIC_CHECK(s, STORE_MAGIC);
	if (token_claim(KIND, token, &r.login.id) < 0)
		return 0;
	uuid_text(r.login.id, r.id);
	token_hash(s, token, r.given);
	token_new(s, KIND, r.login.id, ret_token, r.next);
	if (writer_run(s, &r.write, err) < 0 || !r.renewed) {
		secret_wipe(ret_token, LOGIN_TOKEN_LEN);
		return r.write.err.kind == ERR_NONE ? 0 : -1;
	}
	*ret = r.login;
	return 1;
}

/* -- check and end ----------------------------------------------------- */

/* 1, 0: over. */
static int read_login(
    struct store *s, struct uuid login, user_id *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT user_id FROM logins WHERE id = ? AND expires_ns > ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char text[UUID_TEXT_LEN];
	int rc;

	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(login, text));
	db_bind_int(st, clock_wall_ns());
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	return uuid_parse(db_col_text(st), &ret->u) == 0;
}

int store_login_check(
    struct store *s, struct uuid login, struct user *ret, struct err *err)
{
	user_id id;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct user){0};
	rc = read_login(s, login, &id, err);
	if (rc <= 0)
		return rc;
	rc = store_user_get(s, id, ret, err);
	if (rc == 1 && ret->disabled) {
		user_fini(ret);
		return 0;
	}
	return rc;
}

struct ending {
	struct write write; /* first */
	const char *sql;
	char id[UUID_TEXT_LEN];
};

static int run_ending(struct tx *tx, struct write *w, struct err *err)
{
	struct ending *e = (struct ending *)w;

	return run_text(tx->db, e->sql, e->id, err);
}

int store_login_close(struct store *s, struct uuid login, struct err *err)
{
	struct ending e = {.write = {.run = run_ending},
	    .sql = "DELETE FROM logins WHERE id = ?"};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(login, e.id);
	return writer_run(s, &e.write, err);
}

int store_login_close_all(struct store *s, user_id user, struct err *err)
{
	struct ending e = {.write = {.run = run_ending},
	    .sql = "DELETE FROM logins WHERE user_id = ?"};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(user.u, e.id);
	return writer_run(s, &e.write, err);
}
