/*
 * Logging in and out: see auth.h. The token that renews a login is given in
 * the answer, or, to a page that asks for it, in a cookie that scripts cannot
 * read and other sites cannot send. Handler threads.
 */
#include "api/auth.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/audit.h"
#include "api/secret_body.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"

#define COOKIE      "runnerhub_login"
#define COOKIE_PATH "/api/auth"

/* -- what comes in ----------------------------------------------------- */

static int want_text(
    const json_t *body, const char *name, const char **ret, struct err *err)
{
	*ret = json_string_value(json_object_get(body, name));
	if (*ret != NULL)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"%s\": expected a string", name);
}

/* What other sites make a browser send has no such header: they cannot add it
 * without being asked for. Without it no cookie is taken, given or voided. */
static bool is_our_page(const struct call *c)
{
	return http_header(c->x, "X-RunnerHub") != NULL;
}

static bool read_cookie(struct call *c, char out[LOGIN_TOKEN_LEN])
{
	const char *at = http_header(c->x, "Cookie");
	size_t n;

	if (at == NULL || !is_our_page(c))
		return false;
	while ((at = strstr(at, COOKIE "=")) != NULL) {
		at += sizeof(COOKIE);
		n = strcspn(at, "; ");
		if (n > 0 && n < LOGIN_TOKEN_LEN) {
			snprintf(out, LOGIN_TOKEN_LEN, "%.*s", (int)n, at);
			return true;
		}
	}
	return false;
}

/* -- what goes out ----------------------------------------------------- */

static void set_cookie(struct call *c, const char *token, int64_t expires_at)
{
	int64_t age = (expires_at - clock_wall_ns()) / CLOCK_NS_PER_S;
	char text[LOGIN_TOKEN_LEN + 160];

	snprintf(text, sizeof(text),
	    COOKIE "=%s; Path=" COOKIE_PATH "; Max-Age=%lld; HttpOnly; "
		   "SameSite=Strict%s",
	    token, (long long)(*token != '\0' ? age : 0),
	    http_is_secure(c->x) ? "; Secure" : "");
	http_reply_header(c->x, "Set-Cookie", text);
	secret_wipe(text, sizeof(text));
}

static void write_user(const struct user *u, struct json *j)
{
	char id[UUID_TEXT_LEN];

	json_kobj(j, "user");
	json_kstr(j, "id", uuid_text(u->id.u, id));
	json_kstr(j, "name", u->name);
	json_kstr(j, "role", role_name(u->role));
	json_end(j);
}

/* Both tokens; the one that renews in the cookie when they came so. */
static struct answer give(struct call *c, const struct user *u,
    const struct login *l, const char *renewal, bool cookie)
{
	CLEANUP(buf_fini) struct buf access = {.max = 4096};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (access_token_make(c->api, u, l->id, &access, &err) < 0)
		return reply_error(c, &err);
	if (cookie)
		set_cookie(c, renewal, l->expires_at);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "accessToken", buf_str(&access));
	json_kstr(&j, "tokenType", "Bearer");
	json_kint(&j, "expiresIn", ACCESS_SECONDS);
	if (!cookie)
		json_kstr(&j, "refreshToken", renewal);
	json_ktime(&j, "refreshExpiresAt", l->expires_at);
	write_user(u, &j);
	json_end(&j);
	envelope_end(&j);
	secret_wipe(access.data, access.len);
	return reply_json(c, 200, &body);
}

/* -- log in ------------------------------------------------------------ */

/* A name that nobody has may be a password in the wrong field. */
static void note_actor(struct call *c, const char *name)
{
	CLEANUP(user_fini) struct user u = {0};
	char actor[USER_NAME_MAX + 8] = "user:?";
	struct err ignored = ERR_INIT;

	if (store_user_by_name(hub_store(c->hub), name, &u, &ignored) == 1)
		snprintf(actor, sizeof(actor), "user:%s", u.name);
	audit_actor(c, actor);
}

static int wrong(struct err *err)
{
	return err_set(err, ERR_AUTH, "wrong_password",
	    "The name or the password is wrong");
}

static int check_password(struct call *c, const char *name,
    const char *password, struct user *ret, int *ret_wait_s, struct err *err)
{
	struct login_throttle *t = c->api->logins;
	int right;

	TRY(login_throttle_enter(t, name, http_peer(c->x), ret_wait_s, err));
	right = store_user_check(hub_store(c->hub), name, password, ret, err);
	login_throttle_leave(t, name, http_peer(c->x), right != 0);
	TRY(right);
	return right == 1 ? 0 : wrong(err);
}

static struct answer log_in(struct call *c, const struct user *u, bool cookie)
{
	char renewal[LOGIN_TOKEN_LEN];
	struct err err = ERR_INIT;
	struct answer answer;
	struct login l;

	if (store_login_open(hub_store(c->hub), u->id, http_peer(c->x),
		clock_wall_ns() +
		    hub_options(c->hub)->login_age_ms * CLOCK_NS_PER_MS,
		&l, renewal, &err) < 0)
		return reply_error(c, &err);
	answer = give(c, u, &l, renewal, cookie);
	secret_wipe(renewal, sizeof(renewal));
	return answer;
}

struct answer auth_login(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	CLEANUP(user_fini) struct user u = {0};
	struct err err = ERR_INIT;
	const char *name, *password;
	bool cookie;
	int wait_s = 5;

	body = secret_body_read(c, &err);
	cookie = json_is_true(json_object_get(body, "cookie"));
	if (body != NULL && cookie && !is_our_page(c))
		IGNORE(err_set(&err, ERR_INVALID, "missing_header",
		    "A login with \"cookie\" needs the header X-RunnerHub, "
		    "which pages of other sites cannot send"));
	if (body == NULL || err.kind != ERR_NONE ||
	    want_text(body, "username", &name, &err) < 0 ||
	    want_text(body, "password", &password, &err) < 0)
		return reply_error(c, &err);
	note_actor(c, name);
	if (check_password(c, name, password, &u, &wait_s, &err) < 0)
		return reply_error_after(c, &err, wait_s);
	return log_in(c, &u, cookie);
}

/* -- renew and log out ------------------------------------------------- */

/* From the body or the cookie; false: neither. */
static bool read_renewal(
    struct call *c, char out[LOGIN_TOKEN_LEN], bool *ret_cookie)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	struct err ignored = ERR_INIT;
	const char *text = NULL;
	size_t len;

	http_body(c->x, &len);
	if (len > 0) {
		body = secret_body_read(c, &ignored);
		text = json_string_value(json_object_get(body, "refreshToken"));
	}
	*ret_cookie = text == NULL;
	if (text == NULL)
		return read_cookie(c, out);
	snprintf(out, LOGIN_TOKEN_LEN, "%s", text);
	return strlen(text) < LOGIN_TOKEN_LEN;
}

static int over(struct err *err)
{
	return err_set(
	    err, ERR_AUTH, "login_over", "This login is over: log in again");
}

static int renew(struct call *c, const char *token, struct login *ret,
    char ret_token[LOGIN_TOKEN_LEN], struct user *ret_user, struct err *err)
{
	struct store *s = hub_store(c->hub);
	int rc = store_login_renew(s, token, ret, ret_token, err);

	if (rc == 1)
		rc = store_user_get(s, ret->user, ret_user, err);
	TRY(rc);
	return rc == 1 ? 0 : over(err);
}

struct answer auth_refresh(struct call *c)
{
	CLEANUP(user_fini) struct user u = {0};
	char token[LOGIN_TOKEN_LEN], next[LOGIN_TOKEN_LEN] = "";
	struct err err = ERR_INIT;
	struct answer answer;
	struct login l;
	bool cookie;

	if (!read_renewal(c, token, &cookie)) {
		IGNORE(over(&err));
		return reply_error(c, &err);
	}
	if (renew(c, token, &l, next, &u, &err) < 0) {
		if (cookie && err.kind == ERR_AUTH)
			set_cookie(c, "", 0);
		answer = reply_error(c, &err);
	} else {
		answer = give(c, &u, &l, next, cookie);
	}
	secret_wipe(token, sizeof(token));
	secret_wipe(next, sizeof(next));
	return answer;
}

/* With the access token: that login, with an API token: that; else the one of
 * the renewal token. */
static int find_login(struct call *c, struct uuid *ret, struct err *err)
{
	char token[LOGIN_TOKEN_LEN], next[LOGIN_TOKEN_LEN];
	CLEANUP(user_fini) struct user u = {0};
	struct login l;
	bool cookie;

	if (http_header(c->x, "Authorization") != NULL) {
		TRY(principal_read(c, err));
		*ret = c->who.login;
		if (c->who.kind == PRINCIPAL_USER ||
		    c->who.kind == PRINCIPAL_PROGRAM)
			return 0;
		return over(err);
	}
	if (!read_renewal(c, token, &cookie))
		return over(err);
	TRY(renew(c, token, &l, next, &u, err));
	secret_wipe(next, sizeof(next));
	*ret = l.id;
	note_actor(c, u.name);
	return 0;
}

static int end(struct call *c, struct uuid login, struct err *err)
{
	static const struct uuid none;
	struct store *s = hub_store(c->hub);

	if (uuid_equal(c->who.token, none))
		return store_login_close(s, login, err);
	return store_api_token_delete(s, c->who.token, NULL, err) < 0 ? -1 : 0;
}

struct answer auth_logout(struct call *c)
{
	struct err err = ERR_INIT;
	struct uuid login = {0};

	if (find_login(c, &login, &err) == 0 && end(c, login, &err) == 0) {
		if (c->who.kind == PRINCIPAL_USER)
			note_actor(c, c->who.name);
		if (is_our_page(c))
			set_cookie(c, "", 0);
		return reply_message(c, 200, "Logged out");
	}
	if (err.kind == ERR_AUTH && is_our_page(c))
		set_cookie(c, "", 0);
	return reply_error(c, &err);
}

/* -- oneself ----------------------------------------------------------- */

struct answer auth_me(struct call *c)
{
	static const char *const kinds[] = {
	    [PRINCIPAL_LOCAL] = "local",
	    [PRINCIPAL_KEY] = "key",
	    [PRINCIPAL_USER] = "user",
	    [PRINCIPAL_PROGRAM] = "token",
	};
	const struct principal *p = &c->who;
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "kind", kinds[p->kind]);
	json_kstr(&j, "id", p->id_text[0] != '\0' ? p->id_text : NULL);
	json_kstr(&j, "name", p->name[0] != '\0' ? p->name : NULL);
	json_kstr(&j, "role", role_name(p->role));
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

static int change_password(
    struct call *c, const json_t *body, int *ret_wait_s, struct err *err)
{
	CLEANUP(user_fini) struct user u = {0};
	const char *current, *next;

	if (c->who.kind != PRINCIPAL_USER)
		return err_set(err, ERR_FORBIDDEN, "not_permitted",
		    "Only somebody who is logged in has a password");
	TRY(want_text(body, "currentPassword", &current, err));
	TRY(want_text(body, "newPassword", &next, err));
	if (check_password(c, c->who.name, current, &u, ret_wait_s, err) < 0) {
		if (err->kind != ERR_AUTH)
			return -1;
		err_clear(err);
		return err_set(err, ERR_FORBIDDEN, "wrong_password",
		    "The current password is wrong");
	}
	return store_user_set_password(hub_store(c->hub), u.id, next, err);
}

struct answer auth_password(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	struct err err = ERR_INIT;
	int wait_s = 5;

	body = secret_body_read(c, &err);
	if (body == NULL || change_password(c, body, &wait_s, &err) < 0)
		return reply_error_after(c, &err, wait_s);
	return reply_message(
	    c, 200, "Password changed: all logins are over, log in again");
}
