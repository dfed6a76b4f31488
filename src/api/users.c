/*
 * Users and the tokens of their programs, as admins (and, for their own tokens,
 * everybody) manage them. A password comes in and never leaves; a token leaves
 * once. Handler threads.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/audit.h"
#include "api/secret_body.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* -- bodies ------------------------------------------------------------ */

/* 1 and the text, 0: it is not there, -1: it is something else. */
static int text_of(
    const json_t *body, const char *name, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(body, name);

	*ret = json_string_value(value);
	if (value == NULL || json_is_null(value))
		return 0;
	if (*ret != NULL)
		return 1;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"%s\": expected a string", name);
}

static int need_text(
    const json_t *body, const char *name, const char **ret, struct err *err)
{
	int rc = text_of(body, name, ret, err);

	TRY(rc);
	if (rc == 1)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"%s\": expected a string", name);
}

/* *ret stays when there is none. */
static int role_of(const json_t *body, enum role *ret, struct err *err)
{
	const char *text;
	int rc = text_of(body, "role", &text, err);

	TRY(rc);
	if (rc == 0 || role_parse(text, ret) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"role\": expected admin, operator or viewer, got "
	    "\"%.40s\"",
	    text);
}

/* -- users ------------------------------------------------------------- */

static void time_or_null(struct json *j, const char *key, int64_t at)
{
	if (at != 0)
		json_ktime(j, key, at);
	else
		json_knull(j, key);
}

static void write_user(const struct user *u, struct json *j)
{
	char id[UUID_TEXT_LEN];

	json_obj(j);
	json_kstr(j, "id", uuid_text(u->id.u, id));
	json_kstr(j, "name", u->name);
	json_kstr(j, "role", role_name(u->role));
	json_kbool(j, "disabled", u->disabled);
	json_ktime(j, "createdAt", u->created_at);
	json_ktime(j, "updatedAt", u->updated_at);
	time_or_null(j, "lastLoginAt", u->last_login_at);
	json_end(j);
}

static struct answer answer_user(struct call *c, int status, user_id id)
{
	CLEANUP(user_fini) struct user u = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;
	int rc = store_user_get(hub_store(c->hub), id, &u, &err);

	if (rc == 0)
		IGNORE(err_set(&err, ERR_NOT_FOUND, "user_not_found",
		    "There is no such user"));
	if (rc != 1)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	write_user(&u, &j);
	envelope_end(&j);
	return reply_json(c, status, &body);
}

struct answer user_list_show(struct call *c)
{
	CLEANUP(user_list_free) struct user_list l = {0};
	int64_t limit = LIST_DEFAULT;
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (param_int(c, "limit", 1, LIST_MAX, &limit, &err) < 0 ||
	    store_user_list(hub_store(c->hub), http_query(c->x, "after"), limit,
		&l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++)
		write_user(&l.items[i], &j);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

static int create(
    struct call *c, const json_t *body, user_id *ret, struct err *err)
{
	bool first = json_is_true(json_object_get(body, "first"));
	enum role role = first ? ROLE_ADMIN : ROLE_VIEWER;
	const char *name, *password;

	TRY(need_text(body, "name", &name, err));
	TRY(need_text(body, "password", &password, err));
	TRY(role_of(body, &role, err));
	audit_object(c, user_name_is_valid(name) ? name : "?");
	audit_detail(c, "role", role_name(role));
	if (role != ROLE_ADMIN && api_is_open(c->api))
		return err_set(err, ERR_CONFLICT, "first_is_admin",
		    "The first user ends open mode, so it must be an admin");
	TRY(store_user_add(
	    hub_store(c->hub), name, role, password, first, ret, err));
	atomic_store(&c->api->open, false);
	return 0;
}

struct answer user_create(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	struct err err = ERR_INIT;
	user_id id;

	body = secret_body_read(c, &err);
	if (body == NULL || create(c, body, &id, &err) < 0)
		return reply_error(c, &err);
	return answer_user(c, 201, id);
}

/* The user that the path names. */
static int named(struct call *c, user_id *ret, struct err *err)
{
	CLEANUP(user_fini) struct user u = {0};
	int rc = store_user_by_name(hub_store(c->hub), c->id, &u, err);

	TRY(rc);
	*ret = u.id;
	if (rc == 1)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "user_not_found",
	    "There is no user %.64s", c->id);
}

static int update(
    struct call *c, const json_t *body, user_id id, struct err *err)
{
	const json_t *disabled = json_object_get(body, "disabled");
	struct user_change change = {.set_disabled = disabled != NULL,
	    .disabled = json_is_true(disabled)};
	const char *password;
	int has_password = text_of(body, "password", &password, err);

	TRY(has_password);
	TRY(role_of(body, &change.role, err));
	if (disabled != NULL && !json_is_boolean(disabled))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"disabled\": expected true or false");
	audit_detail(c, "change",
	    has_password           ? "password"
	    : change.role != 0     ? role_name(change.role)
	    : !change.set_disabled ? "nothing"
	    : change.disabled      ? "disabled"
				   : "enabled");
	if (has_password)
		TRY(store_user_set_password(
		    hub_store(c->hub), id, password, err));
	return store_user_change(hub_store(c->hub), id, &change, err);
}

struct answer user_update(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	struct err err = ERR_INIT;
	user_id id;

	body = secret_body_read(c, &err);
	if (body == NULL || named(c, &id, &err) < 0 ||
	    update(c, body, id, &err) < 0)
		return reply_error(c, &err);
	return answer_user(c, 200, id);
}

struct answer user_remove(struct call *c)
{
	struct err err = ERR_INIT;
	user_id id;

	if (named(c, &id, &err) < 0 ||
	    store_user_delete(hub_store(c->hub), id, &err) < 0)
		return reply_error(c, &err);
	return reply_message(c, 200, "User deleted, with logins and tokens");
}

/* -- tokens ------------------------------------------------------------ */

static void write_token(
    const struct api_token *t, const char *text, struct json *j)
{
	char id[UUID_TEXT_LEN];

	json_obj(j);
	json_kstr(j, "id", uuid_text(t->id, id));
	json_kstr(j, "name", t->name);
	json_kstr(j, "role", role_name(t->role));
	json_kbool(j, "personal", t->personal);
	if (text != NULL)
		json_kstr(j, "token", text);
	json_ktime(j, "createdAt", t->created_at);
	time_or_null(j, "expiresAt", t->expires_at);
	time_or_null(j, "lastUsedAt", t->last_used_at);
	json_end(j);
}

/* NULL: who asks may see and delete everybody's. */
static const user_id *only_theirs(struct call *c, user_id *room)
{
	const char *all = http_query(c->x, "all");

	if (c->who.kind != PRINCIPAL_USER ||
	    (c->who.role == ROLE_ADMIN && all != NULL &&
		strcmp(all, "true") == 0))
		return NULL;
	room->u = c->who.id;
	return room;
}

struct answer token_list_show(struct call *c)
{
	CLEANUP(api_token_list_free) struct api_token_list l = {0};
	const char *before = http_query(c->x, "before");
	int64_t limit = LIST_DEFAULT;
	struct err err = ERR_INIT;
	struct uuid id;
	struct buf body;
	struct json j;
	user_id room;

	if (before != NULL && uuid_parse(before, &id) < 0)
		IGNORE(err_set(&err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"before\": expected the id of a token, got "
		    "\"%.40s\"",
		    before));
	if (err.kind != ERR_NONE ||
	    param_int(c, "limit", 1, LIST_MAX, &limit, &err) < 0 ||
	    store_api_token_list(hub_store(c->hub), only_theirs(c, &room),
		before != NULL ? &id : NULL, limit, &l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++)
		write_token(&l.items[i], NULL, &j);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

static int read_token(
    struct call *c, const json_t *body, struct api_token *t, struct err *err)
{
	const char *name, *expires;
	const json_t *personal;
	int rc;

	t->role = c->who.role;
	TRY(need_text(body, "name", &name, err));
	TRY(role_of(body, &t->role, err));
	if (t->role > c->who.role)
		return err_set(err, ERR_FORBIDDEN, "not_permitted",
		    "A token's role cannot be above yours, %s",
		    role_name(c->who.role));
	rc = text_of(body, "expiresAt", &expires, err);
	TRY(rc);
	if (rc == 1 && (clock_parse_iso(expires, &t->expires_at) < 0 ||
			   t->expires_at <= clock_wall_ns()))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"expiresAt\": expected a time to come, such as "
		    "2027-01-31T00:00:00Z, got \"%.40s\"",
		    expires);
	personal = json_object_get(body, "personal");
	if (personal != NULL && !json_is_boolean(personal))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"personal\": expected true or false");
	t->personal = json_is_true(personal);
	if (t->personal && c->who.kind != PRINCIPAL_USER)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"personal\": only somebody who is logged in can "
		    "have such a token");
	t->name = mem_strdup(name);
	t->created_at = clock_wall_ns();
	if (c->who.kind == PRINCIPAL_USER)
		t->user.u = c->who.id;
	return 0;
}

struct answer token_create(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	CLEANUP(api_token_fini) struct api_token t = {0};
	char text[API_TOKEN_LEN], id[UUID_TEXT_LEN];
	struct err err = ERR_INIT;
	struct buf out;
	struct json j;

	body = secret_body_read(c, &err);
	if (body == NULL || read_token(c, body, &t, &err) < 0 ||
	    store_api_token_add(hub_store(c->hub), &t, &t.id, text, &err) < 0)
		return reply_error(c, &err);
	audit_object(c, uuid_text(t.id, id));
	audit_detail(c, "role", role_name(t.role));
	buf_init(&out, BODY_MAX);
	envelope_begin(&j, &out);
	write_token(&t, text, &j);
	envelope_end(&j);
	secret_wipe(text, sizeof(text));
	return reply_json(c, 201, &out);
}

struct answer token_remove(struct call *c)
{
	struct err err = ERR_INIT;
	struct uuid id;
	user_id room;
	int rc = 0;

	if (uuid_parse(c->id, &id) == 0) {
		/* An admin deletes anybody's without asking for all. */
		room.u = c->who.id;
		rc = store_api_token_delete(hub_store(c->hub), id,
		    c->who.role == ROLE_ADMIN ? NULL : &room, &err);
	}
	if (rc == 0)
		IGNORE(err_set(&err, ERR_NOT_FOUND, "token_not_found",
		    "There is no such token"));
	if (rc != 1)
		return reply_error(c, &err);
	return reply_message(c, 200, "Token deleted");
}
