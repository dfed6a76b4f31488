/*
 * People: names, roles, passwords, and how they are logged in. A password is
 * kept as an Argon2id hash (libsodium's crypto_pwhash, its interactive limits:
 * 64 MiB and some tens of milliseconds for each); a login as a keyed hash of
 * the token that renews it. Any thread; changes block until durable.
 */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "store/store.h"

/* Each may what the one before may. Stored by name: never rename. */
enum role { ROLE_VIEWER = 1, ROLE_OPERATOR, ROLE_ADMIN };
const char *role_name(enum role role);
int role_parse(const char *name, enum role *ret); /* -1: none of them */

enum {
	USER_NAME_MAX = 64,
	PASSWORD_MIN = 12,
	PASSWORD_MAX = 1024,
	USERS_MAX = 10000,
};
/* Letters, digits, "_", "-", "." and "@"; case does not count. */
bool user_name_is_valid(const char *name);

typedef struct {
	struct uuid u;
} user_id;
struct user {
	user_id id;
	char *name; /* as it was given */
	enum role role;
	bool disabled;
	int64_t created_at, updated_at, last_login_at; /* wall ns, 0: never */
};
void user_fini(struct user *u);
static inline void user_fini_guard(struct user *u)
{
	user_fini(u);
}

/* -- changes ----------------------------------------------------------- */
/* ERR_CONFLICT "user_exists"; ERR_INVALID says which rule name or password
 * break; ERR_LIMIT. only_first: ERR_CONFLICT "not_first" when there is one. */
int store_user_add(struct store *s, const char *name, enum role role,
    const char *password, bool only_first, user_id *ret,
    struct err *err) MUST_CHECK;
/* Also ends all logins. */
int store_user_set_password(struct store *s, user_id id, const char *password,
    struct err *err) MUST_CHECK;
/*
 * ERR_CONFLICT "last_admin": nobody else could administer. Disabling ends all
 * logins; a role counts from the next request on.
 */
struct user_change {
	enum role role; /* 0: stays */
	bool set_disabled, disabled;
};
int store_user_change(struct store *s, user_id id,
    const struct user_change *change, struct err *err) MUST_CHECK;
/* With logins and tokens. ERR_CONFLICT "last_admin". */
int store_user_delete(struct store *s, user_id id, struct err *err) MUST_CHECK;

/* -- reading; 1 found, 0 none, -1 error -------------------------------- */
int store_user_by_name(struct store *s, const char *name, struct user *ret,
    struct err *err) MUST_CHECK;
int store_user_get(
    struct store *s, user_id id, struct user *ret, struct err *err) MUST_CHECK;
struct user_list {
	struct user *items;
	size_t n;
};
void user_list_free(struct user_list *l);
static inline void user_list_free_guard(struct user_list *l)
{
	user_list_free(l);
}
/* By name, after `after` (NULL: from the first), at most `limit` (1 to 1000).
 */
int store_user_list(struct store *s, const char *after, int64_t limit,
    struct user_list *ret, struct err *err) MUST_CHECK;
/* How many there are; -1. */
int64_t store_user_count(struct store *s, struct err *err);
/* Has the store at path any user? Looks only, also beside a hub that has it
 * open; false when there is none, or it cannot be read. */
bool store_has_users(const char *path);

/* -- logins ------------------------------------------------------------ */
/*
 * Is it their password? 1 and who, 0. Takes the same time for a name that
 * there is not, and is 0 for who is disabled. Costs 64 MiB: callers bound how
 * many run at once.
 */
int store_user_check(struct store *s, const char *name, const char *password,
    struct user *ret, struct err *err) MUST_CHECK;

enum { LOGIN_TOKEN_LEN = 128 };
struct login {
	struct uuid id;
	user_id user;
	int64_t expires_at; /* wall ns: not renewed any more after that */
};
/* ret_token: renews it, once: the only copy, to wipe. */
int store_login_open(struct store *s, user_id user, const char *address,
    int64_t expires_wall_ns, struct login *ret, char ret_token[LOGIN_TOKEN_LEN],
    struct err *err) MUST_CHECK;
/*
 * A new token for the old one. 1; 0: no such login (any more). A token that was
 * used before ends the login, for one of its two users is a thief; it is
 * forgiven for half a minute, when the same page asked twice.
 */
int store_login_renew(struct store *s, const char *token, struct login *ret,
    char ret_token[LOGIN_TOKEN_LEN], struct err *err) MUST_CHECK;
/* 1 and whose, with the role of now; 0: over, or its user is disabled. */
int store_login_check(struct store *s, struct uuid login, struct user *ret,
    struct err *err) MUST_CHECK;
int store_login_close(
    struct store *s, struct uuid login, struct err *err) MUST_CHECK;
int store_login_close_all(
    struct store *s, user_id user, struct err *err) MUST_CHECK;

/* -- tokens for programs ------------------------------------------------ */
enum { API_TOKEN_LEN = 128, API_TOKEN_NAME_MAX = 100, API_TOKENS_MAX = 10000 };
struct api_token {
	struct uuid id;
	char *name;
	user_id user; /* whose; all zero: the hub's own */
	enum role role;
	bool personal; /* as good as its user's login */
	int64_t created_at, expires_at, last_used_at; /* wall ns; 0: never */
};
struct api_token_list {
	struct api_token *items;
	size_t n;
};
void api_token_fini(struct api_token *t);
static inline void api_token_fini_guard(struct api_token *t)
{
	api_token_fini(t);
}
void api_token_list_free(struct api_token_list *l);
static inline void api_token_list_free_guard(struct api_token_list *l)
{
	api_token_list_free(l);
}
/* t: name, user, role, expires_at. ret_token: the only copy, to wipe. */
int store_api_token_add(struct store *s, const struct api_token *t,
    struct uuid *ret_id, char ret_token[API_TOKEN_LEN],
    struct err *err) MUST_CHECK;
/* 1: it is good, with the lower of its role and its user's; 0. Notes its use,
 * at most once a minute. */
int store_api_token_check(struct store *s, const char *token,
    struct api_token *ret, struct err *err) MUST_CHECK;
/* Newest first, before `before` (NULL: from the newest), at most `limit` (1 to
 * 1000); user NULL: of all. */
int store_api_token_list(struct store *s, const user_id *user,
    const struct uuid *before, int64_t limit, struct api_token_list *ret,
    struct err *err) MUST_CHECK;
/* 1, 0 none, -1. user NULL: whoever's. */
int store_api_token_delete(struct store *s, struct uuid id, const user_id *user,
    struct err *err) MUST_CHECK;

#endif
