/*
 * Tokens for programs: see users.h. Kept as keyed hashes; checked for each
 * request that bears one, whose use is noted at most once a minute.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store_internal.h"
#include "store/users.h"

#define LIST_LIMIT_MAX 1000
#define NOTED_EVERY_NS (60 * CLOCK_NS_PER_S)

static const char KIND[] = "rha_";

void api_token_fini(struct api_token *t)
{
	mem_free(t->name);
	*t = (struct api_token){0};
}

void api_token_list_free(struct api_token_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		api_token_fini(&l->items[i]);
	mem_free(l->items);
	*l = (struct api_token_list){0};
}

static bool is_nobody(user_id id)
{
	static const struct uuid zero;

	return uuid_equal(id.u, zero);
}

/* -- one more ---------------------------------------------------------- */

struct addition {
	struct write write; /* first */
	const struct api_token *token;
	char id[UUID_TEXT_LEN], user[UUID_TEXT_LEN];
	uint8_t hash[TOKEN_HASH_BYTES];
};

static int check_room(struct db *db, struct err *err)
{
	static const char sql[] = "SELECT COUNT(*) FROM api_tokens";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	TRY(db_step(st, err));
	if (db_col_int(st) < API_TOKENS_MAX)
		return 0;
	return err_set(err, ERR_INVALID, "too_many_tokens",
	    "There are %d tokens already, that is the maximum: delete some",
	    API_TOKENS_MAX);
}

static int run_addition(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO api_tokens (id, name, user_id, role, token_hash,"
	    " created_at, expires_ns, personal)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
	struct addition *a = (struct addition *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char now[CLOCK_ISO_LEN];

	TRY(check_room(tx->db, err));
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, a->id);
	db_bind_text(st, a->token->name);
	db_bind_text(st, is_nobody(a->token->user) ? NULL : a->user);
	db_bind_text(st, role_name(a->token->role));
	db_bind_blob(st, a->hash, sizeof(a->hash));
	db_bind_text(st, clock_iso(clock_wall_ns(), now));
	db_bind_int_or_null(st, a->token->expires_at);
	db_bind_int(st, a->token->personal);
	return db_run(st, err);
}

int store_api_token_add(struct store *s, const struct api_token *t,
    struct uuid *ret_id, char ret_token[API_TOKEN_LEN], struct err *err)
{
	struct addition a = {.write = {.run = run_addition}, .token = t};
	size_t n = strnlen(t->name, API_TOKEN_NAME_MAX + 1);

	MAGIC_CHECK(s, STORE_MAGIC);
	if (n == 0 || n > API_TOKEN_NAME_MAX)
		return err_set(err, ERR_INVALID, "invalid_name",
		    "The name of a token has 1 to %d bytes",
		    API_TOKEN_NAME_MAX);
	*ret_id = uuid_v7();
	uuid_text(*ret_id, a.id);
	uuid_text(t->user.u, a.user);
	token_new(s, KIND, *ret_id, ret_token, a.hash);
	if (writer_run(s, &a.write, err) == 0)
		return 0;
	secret_wipe(ret_token, API_TOKEN_LEN);
	return -1;
}

/* -- rows -------------------------------------------------------------- */

#define TOKEN_COLUMNS                                                          \
	"id, name, user_id, role, created_at, expires_ns, used_ns, personal"

static int read_token(struct db_stmt *st, struct api_token *t, struct err *err)
{
	const char *id = db_col_text(st), *text;

	*t = (struct api_token){0};
	if (uuid_parse(id, &t->id) < 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "a stored token has the unreadable id %.40s", id);
	t->name = db_col_strdup(st);
	text = db_col_text(st);
	if (text != NULL)
		IGNORE(uuid_parse(text, &t->user.u));
	text = db_col_text(st);
	if (role_parse(text, &t->role) < 0) {
		api_token_fini(t);
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the stored token %.40s has an unknown role", id);
	}
	IGNORE(clock_parse_iso(db_col_text(st), &t->created_at));
	t->expires_at = db_col_int(st);
	t->last_used_at = db_col_int(st);
	t->personal = db_col_int(st) != 0;
	return 0;
}

/* -- is it good? ------------------------------------------------------- */

struct use {
	struct write write; /* first */
	char id[UUID_TEXT_LEN];
	int64_t now;
};

static int run_use(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "UPDATE api_tokens SET used_ns = ? WHERE id = ?";
	struct use *u = (struct use *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(tx->db, sql, &st, err));
	db_bind_int(st, u->now);
	db_bind_text(st, u->id);
	return db_run(st, err);
}

static void finish_use(struct write *w)
{
	mem_free(w);
}

/* Behind the caller's back; a full queue loses it. */
static void note_use(struct store *s, const struct api_token *t, int64_t now)
{
	struct err ignored = ERR_INIT;
	struct use *u;

	if (now - t->last_used_at < NOTED_EVERY_NS)
		return;
	u = mem_zalloc(sizeof(*u));
	u->write.run = run_use;
	u->write.finish = finish_use;
	u->write.size_bytes = sizeof(*u);
	u->now = now;
	uuid_text(t->id, u->id);
	if (writer_submit(s, &u->write, &ignored) < 0)
		mem_free(u);
}

/* 1, 0: there is no such token. */
static int find(
    struct store *s, const char *token, struct api_token *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT token_hash, " TOKEN_COLUMNS " FROM api_tokens WHERE id = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	uint8_t hash[TOKEN_HASH_BYTES];
	char text[UUID_TEXT_LEN];
	const void *kept;
	struct uuid id;
	size_t len;
	int rc;

	if (token_claim(KIND, token, &id) < 0)
		return 0;
	token_hash(s, token, hash);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(id, text));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	kept = db_col_blob(st, &len);
	if (kept == NULL || len != sizeof(hash) ||
	    sodium_memcmp(kept, hash, sizeof(hash)) != 0)
		return 0;
	TRY(read_token(st, ret, err));
	return 1;
}

/* Never more than whose it is. 1, 0: they are gone or disabled. */
static int bound(struct store *s, struct api_token *t, struct err *err)
{
	CLEANUP(user_fini) struct user u = {0};
	int rc;

	if (is_nobody(t->user))
		return 1;
	rc = store_user_get(s, t->user, &u, err);
	if (rc <= 0)
		return rc;
	if (u.role < t->role)
		t->role = u.role;
	return !u.disabled;
}

int store_api_token_check(
    struct store *s, const char *token, struct api_token *ret, struct err *err)
{
	CLEANUP(api_token_fini) struct api_token t = {0};
	int64_t now = clock_wall_ns();
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct api_token){0};
	rc = find(s, token, &t, err);
	if (rc == 1 && t.expires_at != 0 && t.expires_at <= now)
		return 0;
	if (rc == 1)
		rc = bound(s, &t, err);
	if (rc != 1)
		return rc;
	note_use(s, &t, now);
	*ret = t;
	t = (struct api_token){0};
	return 1;
}

/* -- list and delete --------------------------------------------------- */

int store_api_token_list(struct store *s, const user_id *user,
    const struct uuid *before, int64_t limit, struct api_token_list *ret,
    struct err *err)
{
	static const char all[] =
	    "SELECT " TOKEN_COLUMNS " FROM api_tokens WHERE id < ?"
	    " ORDER BY id DESC LIMIT ?";
	static const char of_one[] =
	    "SELECT " TOKEN_COLUMNS " FROM api_tokens WHERE user_id = ?"
	    " AND id < ? ORDER BY id DESC LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(api_token_list_free) struct api_token_list l = {0};
	char id[UUID_TEXT_LEN], text[UUID_TEXT_LEN];
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(limit > 0 && limit <= LIST_LIMIT_MAX);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, user != NULL ? of_one : all, &st, err));
	if (user != NULL)
		db_bind_text(st, uuid_text(user->u, text));
	db_bind_text(st, before != NULL ? uuid_text(*before, id) : "g");
	db_bind_int(st, limit);
	l.items = mem_calloc((size_t)limit, sizeof(*l.items));
	while ((rc = db_step(st, err)) == 1) {
		TRY(read_token(st, &l.items[l.n], err));
		l.n++;
	}
	TRY(rc);
	*ret = l;
	l = (struct api_token_list){0};
	return 0;
}

struct removal {
	struct write write; /* first */
	char id[UUID_TEXT_LEN], user[UUID_TEXT_LEN];
	bool of_user;
	bool done; /* set by run */
};

static int run_removal(struct tx *tx, struct write *w, struct err *err)
{
	static const char any[] = "DELETE FROM api_tokens WHERE id = ?";
	static const char theirs[] =
	    "DELETE FROM api_tokens WHERE id = ? AND user_id = ?";
	struct removal *r = (struct removal *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(tx->db, r->of_user ? theirs : any, &st, err));
	db_bind_text(st, r->id);
	if (r->of_user)
		db_bind_text(st, r->user);
	TRY(db_run(st, err));
	r->done = db_changes(st) == 1;
	return 0;
}

int store_api_token_delete(
    struct store *s, struct uuid id, const user_id *user, struct err *err)
{
	struct removal r = {
	    .write = {.run = run_removal}, .of_user = user != NULL};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(id, r.id);
	if (user != NULL)
		uuid_text(user->u, r.user);
	TRY(writer_run(s, &r.write, err));
	return r.done;
}
