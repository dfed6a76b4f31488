/*
 * People and their passwords: see users.h. Hashing runs on the caller's
 * thread, never on the writer's: it is slow on purpose.
 */
#include "store/users.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store_internal.h"

#define LIST_LIMIT_MAX 1000

static const char *const role_names[] = {
    [ROLE_VIEWER] = "viewer",
    [ROLE_OPERATOR] = "operator",
    [ROLE_ADMIN] = "admin",
};

const char *role_name(enum role role)
{
	return role_names[role];
}

int role_parse(const char *name, enum role *ret)
{
	for (enum role r = ROLE_VIEWER; r <= ROLE_ADMIN; r++)
		if (strcmp(name, role_names[r]) == 0) {
			*ret = r;
			return 0;
		}
	return -1;
}

void user_fini(struct user *u)
{
	mem_free(u->name);
	*u = (struct user){0};
}

void user_list_free(struct user_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		user_fini(&l->items[i]);
	mem_free(l->items);
	*l = (struct user_list){0};
}

/* -- names and passwords ----------------------------------------------- */

bool user_name_is_valid(const char *name)
{
	static const char of[] = "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@";
	size_t n = strnlen(name, USER_NAME_MAX + 1);

	return n > 0 && n <= USER_NAME_MAX && strspn(name, of) == n;
}

static int check_name(const char *name, struct err *err)
{
	if (user_name_is_valid(name))
		return 0;
	return err_set(err, ERR_INVALID, "invalid_name",
	    "The name of a user has 1 to %d letters, digits, \"_\", \"-\", "
	    "\".\" or \"@\"",
	    USER_NAME_MAX);
}

/* Length only, as NIST SP 800-63B 5.1.1.2 advises; and not the name. */
static int check_password(
    const char *name, const char *password, struct err *err)
{
	size_t n = strnlen(password, PASSWORD_MAX + 1);

	if (n < PASSWORD_MIN || n > PASSWORD_MAX)
		return err_set(err, ERR_INVALID, "weak_password",
		    "A password has %d to %d bytes", PASSWORD_MIN,
		    PASSWORD_MAX);
	if (name != NULL && strcasecmp(name, password) == 0)
		return err_set(err, ERR_INVALID, "weak_password",
		    "The password must not be the name of the user");
	return 0;
}

/* Names are compared so. */
static void fold(const char *name, char out[USER_NAME_MAX + 1])
{
	size_t n = strnlen(name, USER_NAME_MAX);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[n] = '\0';
}

static int hash_password(
    const char *password, char out[crypto_pwhash_STRBYTES], struct err *err)
{
	if (crypto_pwhash_str(out, password, strlen(password),
		crypto_pwhash_OPSLIMIT_INTERACTIVE,
		crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "no_memory",
	    "there is no memory to hash a password with (%zu MiB)",
	    (size_t)crypto_pwhash_MEMLIMIT_INTERACTIVE >> 20);
}

/* -- rows -------------------------------------------------------------- */

#define USER_COLUMNS                                                           \
	"id, name, role, disabled, created_at, updated_at, last_login_at"

static int64_t read_time(struct db_stmt *st)
{
	const char *text = db_col_text(st);
	int64_t at;

	return text != NULL && clock_parse_iso(text, &at) == 0 ? at : 0;
}

static int read_user(struct db_stmt *st, struct user *u, struct err *err)
{
	const char *id = db_col_text(st), *role;

	*u = (struct user){0};
	if (uuid_parse(id, &u->id.u) < 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "a stored user has the unreadable id %.40s", id);
	u->name = db_col_strdup(st);
	role = db_col_text(st);
	if (role_parse(role, &u->role) < 0) {
		mem_free(STEAL(u->name));
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the stored user %.40s has the role %.20s", id, role);
	}
	u->disabled = db_col_int(st) != 0;
	u->created_at = read_time(st);
	u->updated_at = read_time(st);
	u->last_login_at = read_time(st);
	return 0;
}

static int read_one(struct db_stmt *st, struct user *ret, struct err *err)
{
	int rc = db_step(st, err);

	if (rc <= 0)
		return rc;
	TRY(read_user(st, ret, err));
	return 1;
}

int store_user_by_name(
    struct store *s, const char *name, struct user *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " USER_COLUMNS " FROM users WHERE name_key = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char key[USER_NAME_MAX + 1];

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct user){0};
	if (!user_name_is_valid(name))
		return 0;
	fold(name, key);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, key);
	return read_one(st, ret, err);
}

int store_user_get(
    struct store *s, user_id id, struct user *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " USER_COLUMNS " FROM users WHERE id = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char text[UUID_TEXT_LEN];

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct user){0};
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(id.u, text));
	return read_one(st, ret, err);
}

int store_user_list(struct store *s, const char *after, int64_t limit,
    struct user_list *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " USER_COLUMNS " FROM users WHERE name_key > ?"
	    " ORDER BY name_key LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(user_list_free) struct user_list l = {0};
	char key[USER_NAME_MAX + 1];
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(limit > 0 && limit <= LIST_LIMIT_MAX);
	fold(after != NULL ? after : "", key);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, key);
	db_bind_int(st, limit);
	l.items = mem_calloc((size_t)limit, sizeof(*l.items));
	while ((rc = db_step(st, err)) == 1) {
		TRY(read_user(st, &l.items[l.n], err));
		l.n++;
	}
	TRY(rc);
	*ret = l;
	l = (struct user_list){0};
	return 0;
}

static int64_t count(struct db *db, struct err *err)
{
	static const char sql[] = "SELECT COUNT(*) FROM users";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	TRY(db_step(st, err));
	return db_col_int(st);
}

int64_t store_user_count(struct store *s, struct err *err)
{
	CLEANUP(reader_return) struct reader r = {0};

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	return count(r.db, err);
}

static bool has_table(struct db *db, struct err *err)
{
	static const char sql[] = "SELECT 1 FROM sqlite_master"
				  " WHERE type = 'table' AND name = 'users'";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	return db_use(db, sql, &st, err) == 0 && db_step(st, err) == 1;
}

bool store_has_users(const char *path)
{
	CLEANUP(db_close) struct db *db = NULL;
	struct err ignored = ERR_INIT;

	return access(path, R_OK) == 0 &&
	       db_open(&db, path, DB_READER, &ignored) == 0 &&
	       has_table(db, &ignored) && count(db, &ignored) > 0;
}

/* -- one more ---------------------------------------------------------- */

struct addition {
	struct write write; /* first */
	char id[UUID_TEXT_LEN], key[USER_NAME_MAX + 1];
	const char *name, *hash;
	enum role role;
	bool only_first;
};

static int check_addition(
    struct db *db, const struct addition *a, struct err *err)
{
	static const char sql[] = "SELECT 1 FROM users WHERE name_key = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int64_t n = count(db, err);
	int rc;

	if (n < 0)
		return -1;
	if (a->only_first && n > 0)
		return err_set(err, ERR_CONFLICT, "not_first",
		    "There are users already: an admin adds others");
	if (n >= USERS_MAX)
		return err_set(err, ERR_INVALID, "too_many_users",
		    "There are %d users already, that is the maximum",
		    USERS_MAX);
	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, a->key);
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	return err_set(err, ERR_CONFLICT, "user_exists",
	    "There is a user %s already", a->name);
}

static int run_addition(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO users (id, name, name_key, role, password,"
	    " disabled, created_at, updated_at) VALUES (?, ?, ?, ?, ?, 0, ?, "
	    "?)";
	struct addition *a = (struct addition *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char now[CLOCK_ISO_LEN];

	TRY(check_addition(tx->db, a, err));
	clock_iso(clock_wall_ns(), now);
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, a->id);
	db_bind_text(st, a->name);
	db_bind_text(st, a->key);
	db_bind_text(st, role_name(a->role));
	db_bind_text(st, a->hash);
	db_bind_text(st, now);
	db_bind_text(st, now);
	return db_run(st, err);
}

int store_user_add(struct store *s, const char *name, enum role role,
    const char *password, bool only_first, user_id *ret, struct err *err)
{
	char hash[crypto_pwhash_STRBYTES];
	struct addition a = {.write = {.run = run_addition},
	    .name = name,
	    .hash = hash,
	    .role = role,
	    .only_first = only_first};

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(check_name(name, err));
	TRY(check_password(name, password, err));
	TRY(hash_password(password, hash, err));
	ret->u = uuid_v7();
	uuid_text(ret->u, a.id);
	fold(name, a.key);
	return writer_run(s, &a.write, err);
}

/* -- changes ----------------------------------------------------------- */

struct alteration {
	struct write write; /* first */
	char id[UUID_TEXT_LEN];
	const char *hash; /* or NULL */
	struct user_change change;
	bool remove;
};

static int no_such_user(struct err *err)
{
	return err_set(
	    err, ERR_NOT_FOUND, "user_not_found", "There is no such user");
}

/* Is somebody left who may administer, if this one may not any more? */
static int check_admins(struct db *db, const char *id, struct err *err)
{
	static const char sql[] = "SELECT COUNT(*) FROM users WHERE id <> ? AND"
				  " role = 'admin' AND disabled = 0";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, id);
	TRY(db_step(st, err));
	if (db_col_int(st) > 0)
		return 0;
	return err_set(err, ERR_CONFLICT, "last_admin",
	    "This is the last admin: make another one first");
}

static int look_at(
    struct db *db, const char *id, struct user *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " USER_COLUMNS " FROM users WHERE id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, id);
	rc = read_one(st, ret, err);
	if (rc != 0)
		return rc;
	return no_such_user(err);
}

static int delete_of(
    struct db *db, const char *sql, const char *id, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, id);
	return db_run(st, err);
}

static const char DELETE_LOGINS[] = "DELETE FROM logins WHERE user_id = ?";

static int remove_user(struct db *db, const char *id, struct err *err)
{
	static const char tokens[] = "DELETE FROM api_tokens WHERE user_id = ?";
	static const char user[] = "DELETE FROM users WHERE id = ?";

	TRY(delete_of(db, DELETE_LOGINS, id, err));
	TRY(delete_of(db, tokens, id, err));
	return delete_of(db, user, id, err);
}

static int update_user(struct db *db, const struct alteration *a,
    enum role role, bool disabled, struct err *err)
{
	static const char sql[] =
	    "UPDATE users SET role = ?, disabled = ?,"
	    " password = COALESCE(?, password), updated_at = ? WHERE id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char now[CLOCK_ISO_LEN];

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, role_name(role));
	db_bind_int(st, disabled);
	db_bind_text(st, a->hash);
	db_bind_text(st, clock_iso(clock_wall_ns(), now));
	db_bind_text(st, a->id);
	return db_run(st, err);
}

static int run_alteration(struct tx *tx, struct write *w, struct err *err)
{
	struct alteration *a = (struct alteration *)w;
	CLEANUP(user_fini) struct user u = {0};
	enum role role;
	bool disabled;

	TRY(look_at(tx->db, a->id, &u, err));
	role = a->change.role != 0 ? a->change.role : u.role;
	disabled = a->change.set_disabled ? a->change.disabled : u.disabled;
	if (u.role == ROLE_ADMIN && !u.disabled &&
	    (a->remove || role != ROLE_ADMIN || disabled))
		TRY(check_admins(tx->db, a->id, err));
	if (a->remove)
		return remove_user(tx->db, a->id, err);
	if (a->hash != NULL || disabled)
		TRY(delete_of(tx->db, DELETE_LOGINS, a->id, err));
	return update_user(tx->db, a, role, disabled, err);
}

int store_user_set_password(
    struct store *s, user_id id, const char *password, struct err *err)
{
	char hash[crypto_pwhash_STRBYTES];
	struct alteration a = {.write = {.run = run_alteration}, .hash = hash};

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(check_password(NULL, password, err));
	TRY(hash_password(password, hash, err));
	uuid_text(id.u, a.id);
	return writer_run(s, &a.write, err);
}

int store_user_change(struct store *s, user_id id,
    const struct user_change *change, struct err *err)
{
	struct alteration a = {
	    .write = {.run = run_alteration}, .change = *change};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(id.u, a.id);
	return writer_run(s, &a.write, err);
}

int store_user_delete(struct store *s, user_id id, struct err *err)
{
	struct alteration a = {
	    .write = {.run = run_alteration}, .remove = true};

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(id.u, a.id);
	return writer_run(s, &a.write, err);
}

/* -- is it them? ------------------------------------------------------- */

/* 1, 0: unknown or disabled. */
static int read_hash(struct store *s, const char *key,
    char out[crypto_pwhash_STRBYTES], struct err *err)
{
	static const char sql[] = "SELECT password FROM users"
				  " WHERE name_key = ? AND disabled = 0";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, key);
	rc = db_step(st, err);
	if (rc == 1)
		snprintf(out, crypto_pwhash_STRBYTES, "%s", db_col_text(st));
	return rc;
}

int store_user_check(struct store *s, const char *name, const char *password,
    struct user *ret, struct err *err)
{
	char key[USER_NAME_MAX + 1], hash[crypto_pwhash_STRBYTES];
	int known;

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct user){0};
	if (strnlen(password, PASSWORD_MAX + 1) > PASSWORD_MAX)
		return 0;
	fold(user_name_is_valid(name) ? name : "", key);
	known = read_hash(s, key, hash, err);
	TRY(known);
	if (known == 0) { /* the same work as for one that there is */
		TRY(hash_password(password, hash, err));
		return 0;
	}
	if (crypto_pwhash_str_verify(hash, password, strlen(password)) != 0)
		return 0;
	return store_user_by_name(s, name, ret, err);
}
