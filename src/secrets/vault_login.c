/*
 * The token that Vault is asked with: given by the operator, or by an AppRole
 * login; renewed when two thirds of its time are over, and made anew when it
 * cannot be. In the thread that has the turn.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "secrets/vault_internal.h"

enum { RENEW_AGAIN_MS = 5000 };

static bool has_role(const struct vault *v)
{
	return v->options->vault_role_id != NULL;
}

static int refused(struct vault *v, int status, struct err *err)
{
	v->hint = "refused";
	return err_set(err, ERR_UNAVAILABLE, "vault_unavailable",
	    "Vault at %.120s does not take %s (%d): it is wrong, revoked or "
	    "over",
	    v->now.addr,
	    has_role(v) ? "VAULT_ROLE_ID and VAULT_SECRET_ID" : "VAULT_TOKEN",
	    status);
}

static void renew_later(struct vault *v, int64_t at_ns)
{
	mtx_lock(&v->mtx);
	v->renew_at = at_ns;
	mtx_unlock(&v->mtx);
}

/* lease_s 0: the token does not end. */
static void set_lease(struct vault *v, int64_t lease_s, bool renewable)
{
	int64_t now = clock_mono_ns(), lease_ns;

	if (lease_s > 365 * INT64_C(86400))
		lease_s = 365 * INT64_C(86400);
	lease_ns = lease_s * CLOCK_NS_PER_S;
	v->renewable = renewable;
	v->token_until = lease_s > 0 ? now + lease_ns : CLOCK_NO_DEADLINE;
	renew_later(v, lease_s > 0 && (renewable || has_role(v))
			   ? now + lease_ns * 2 / 3
			   : CLOCK_NO_DEADLINE);
	mtx_lock(&v->mtx);
	v->now.token_until = lease_s > 0 ? clock_wall_ns() + lease_ns : 0;
	mtx_unlock(&v->mtx);
}

static int64_t number(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

static void forget_token(struct vault *v)
{
	secret_free(v->token);
	v->token = NULL;
}

/* A token stands in a header line: nothing else may. */
static bool is_token(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return *text != '\0';
}

/* -- AppRole ----------------------------------------------------------- */

static int take_auth(struct vault *v, const json_t *body, struct err *err)
{
	const json_t *auth = json_object_get(body, "auth");
	const char *token =
	    json_string_value(json_object_get(auth, "client_token"));

	if (token == NULL || !is_token(token))
		return err_set(err, ERR_UNAVAILABLE, "vault_unavailable",
		    "Vault at %.120s gave no token for VAULT_ROLE_ID: is that "
		    "the address of a Vault?",
		    v->now.addr);
	v->token = secret_new(token, strlen(token));
	set_lease(v, number(auth, "lease_duration"),
	    json_is_true(json_object_get(auth, "renewable")));
	return 0;
}

static json_t *role_body(const struct vault *v)
{
	json_t *body = json_object();
	size_t n;
	const char *text = secret_expose(v->options->vault_secret_id, &n);

	json_object_set_new(
	    body, "role_id", json_string(v->options->vault_role_id));
	json_object_set_new(body, "secret_id", json_stringn(text, n));
	return body;
}

static int login_with_role(
    struct vault *v, const struct ctx *ctx, struct err *err)
{
	CLEANUP(vault_reply_fini) struct vault_reply r = {0};
	struct vault_reply sent = {.body = role_body(v)};
	int rc;

	forget_token(v);
	rc = vault_call(
	    v, ctx, "POST", "/v1/auth/approle/login", sent.body, &r, err);
	vault_reply_fini(&sent);
	TRY(rc);
	if (vault_is_away(v, r.status, err))
		return -1;
	if (r.status != 200)
		return refused(v, r.status, err);
	return take_auth(v, r.body, err);
}

/* -- a token of the operator's ----------------------------------------- */

/* How long it is good, and whether it can be renewed. A policy need not allow
 * to ask: then it is used as it is. */
static int look_at_token(
    struct vault *v, const struct ctx *ctx, int *ret_status, struct err *err)
{
	CLEANUP(vault_reply_fini) struct vault_reply r = {0};
	const json_t *data;

	TRY(vault_call(
	    v, ctx, "GET", "/v1/auth/token/lookup-self", NULL, &r, err));
	if (vault_is_away(v, r.status, err))
		return -1;
	*ret_status = r.status;
	if (r.status != 200)
		return 0;
	data = json_object_get(r.body, "data");
	set_lease(v, number(data, "ttl"),
	    json_is_true(json_object_get(data, "renewable")));
	return 0;
}

static int login_with_token(
    struct vault *v, const struct ctx *ctx, struct err *err)
{
	int status = 0, rc;

	v->hint = "refused";
	if (v->options->vault_token == NULL)
		return err_set(err, ERR_UNAVAILABLE, "vault_unavailable",
		    "the hub has no way into Vault at %.120s: set VAULT_TOKEN, "
		    "or VAULT_ROLE_ID and VAULT_SECRET_ID",
		    v->now.addr);
	forget_token(v);
	v->token = secret_copy(v->options->vault_token);
	set_lease(v, 0, false);
	rc = look_at_token(v, ctx, &status, err);
	if (rc == 0 && status != 200)
		rc = refused(v, status, err);
	if (rc < 0)
		forget_token(v);
	return rc;
}

/* -- the calls --------------------------------------------------------- */

int vault_login(struct vault *v, const struct ctx *ctx, struct err *err)
{
	if (v->token != NULL && clock_mono_ns() < v->token_until)
		return 0;
	return has_role(v) ? login_with_role(v, ctx, err)
			   : login_with_token(v, ctx, err);
}

int vault_login_again(struct vault *v, const struct ctx *ctx, struct err *err)
{
	int status = 0;

	TRY(look_at_token(v, ctx, &status, err));
	if (status == 200)
		return 0;
	forget_token(v);
	TRY(vault_login(v, ctx, err));
	return 1;
}

int vault_renew(struct vault *v, const struct ctx *ctx, struct err *err)
{
	CLEANUP(vault_reply_fini) struct vault_reply r = {0};
	const json_t *auth;

	/* Should this fail it is tried again, before the token's end. */
	renew_later(v, clock_deadline_ms(RENEW_AGAIN_MS));
	if (!v->renewable)
		return login_with_role(v, ctx, err);
	TRY(vault_call(
	    v, ctx, "POST", "/v1/auth/token/renew-self", NULL, &r, err));
	if (vault_is_away(v, r.status, err))
		return -1;
	auth = json_object_get(r.body, "auth");
	if (r.status == 200 && number(auth, "lease_duration") > 0) {
		set_lease(v, number(auth, "lease_duration"),
		    json_is_true(json_object_get(auth, "renewable")));
		log_debug(NULL, "the token for Vault is renewed",
		    LOG_INT("seconds", number(auth, "lease_duration")));
		return 0;
	}
	if (has_role(v))
		return login_with_role(v, ctx, err);
	/* It is good until its end; then nobody can help but the operator. */
	v->renewable = false;
	renew_later(v, CLOCK_NO_DEADLINE);
	log_warn(NULL, "VAULT_TOKEN cannot be renewed any more",
	    LOG_INT("status", r.status));
	return 0;
}
