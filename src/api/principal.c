/*
 * Who asks: the credentials of a request, as a principal. A credential that
 * is there must be right: a wrong one never counts as none. Handler threads.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api_internal.h"
#include "api/auth.h"
#include "base/secret.h"
#include "store/runners.h"

static const char *given_credential(struct call *c)
{
	const char *auth = http_header(c->x, "Authorization");

	if (auth != NULL && strncasecmp(auth, "Bearer ", 7) == 0)
		return auth + 7 + strspn(auth + 7, " ");
	return http_header(c->x, "X-API-Key");
}

bool principal_same_secret(const char *given, const struct secret *want)
{
	size_t len, n = strlen(given);
	const char *key = secret_expose(want, &len);
	unsigned char diff = n != len;

	for (size_t i = 0; i < n; i++)
		diff |= (unsigned char)(given[i] ^ key[len > 0 ? i % len : 0]);
	return diff == 0;
}

static int not_valid(struct err *err)
{
	return err_set(err, ERR_AUTH, "invalid_credentials",
	    "The API key or token is not valid");
}

static void name_principal(
    struct principal *p, enum principal_kind kind, struct uuid id)
{
	p->kind = kind;
	p->id = id;
	uuid_text(id, p->id_text);
}

/* -- tokens ------------------------------------------------------------ */

static int by_runner_token(struct call *c, const char *token, struct err *err)
{
	runner_id id;
	int found;

	TRY(tls_check_runner(c, err));
	found = store_runner_by_token(hub_store(c->hub), token, &id, err);
	if (found == 0)
		return not_valid(err);
	TRY(found);
	name_principal(&c->who, PRINCIPAL_RUNNER, id.u);
	return 0;
}

/* Good while its session runs: what is left of it later has no rights. */
static int by_session_token(struct call *c, const char *token, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};
	struct store *store = hub_store(c->hub);
	job_id id;
	int found;

	TRY(tls_check_runner(c, err));
	if (!store_session_token_check(store, token, &id.u))
		return not_valid(err);
	found = store_job_get(store, id, &job, err);
	if (found < 0)
		return -1;
	if (found == 0 || !job.is_session || job.status != JOB_RUNNING)
		return err_set(err, ERR_AUTH, "session_over",
		    "The session of this token does not run (any more)");
	name_principal(&c->who, PRINCIPAL_SESSION, id.u);
	return 0;
}

/* Who asks is its user, as if logged in; no more than the token may. */
static int by_personal_token(
    struct call *c, const struct api_token *t, struct err *err)
{
	CLEANUP(user_fini) struct user u = {0};
	int found = store_user_get(hub_store(c->hub), t->user, &u, err);

	if (found == 0)
		return not_valid(err);
	TRY(found);
	name_principal(&c->who, PRINCIPAL_USER, t->user.u);
	snprintf(c->who.name, sizeof(c->who.name), "%s", u.name);
	c->who.role = t->role;
	c->who.token = t->id;
	return 0;
}

static int by_api_token(struct call *c, const char *token, struct err *err)
{
	CLEANUP(api_token_fini) struct api_token t = {0};
	int found = store_api_token_check(hub_store(c->hub), token, &t, err);

	if (found == 0)
		return not_valid(err);
	TRY(found);
	if (t.personal)
		return by_personal_token(c, &t, err);
	name_principal(&c->who, PRINCIPAL_PROGRAM, t.id);
	c->who.token = t.id;
	c->who.role = t.role;
	return 0;
}

/* Good while its login is; the role is that of now. */
static int by_access_token(struct call *c, const char *token, struct err *err)
{
	CLEANUP(user_fini) struct user u = {0};
	struct uuid login;
	int found;

	if (access_token_read(c->api, token, &login) < 0)
		return not_valid(err);
	found = store_login_check(hub_store(c->hub), login, &u, err);
	if (found == 0)
		return err_set(err, ERR_AUTH, "login_over",
		    "This login is over: log in again");
	TRY(found);
	name_principal(&c->who, PRINCIPAL_USER, u.id.u);
	snprintf(c->who.name, sizeof(c->who.name), "%s", u.name);
	c->who.role = u.role;
	c->who.login = login;
	return 0;
}

/* -- all --------------------------------------------------------------- */

static int by_credential(struct call *c, const char *given, struct err *err)
{
	const struct options *o = hub_options(c->hub);

	if (o->api_key != NULL && principal_same_secret(given, o->api_key)) {
		c->who.kind = PRINCIPAL_KEY;
		c->who.role = ROLE_ADMIN;
		return 0;
	}
	if (o->enrolment_key != NULL &&
	    principal_same_secret(given, o->enrolment_key)) {
		TRY(tls_check_runner(c, err));
		c->who.kind = PRINCIPAL_ENROLMENT;
		return 0;
	}
	if (strncmp(given, "rhr_", 4) == 0)
		return by_runner_token(c, given, err);
	if (strncmp(given, "rhs_", 4) == 0)
		return by_session_token(c, given, err);
	if (strncmp(given, "rha_", 4) == 0)
		return by_api_token(c, given, err);
	if (access_token_is_like(given))
		return by_access_token(c, given, err);
	return not_valid(err);
}

int principal_read(struct call *c, struct err *err)
{
	const char *given = given_credential(c);

	c->who = (struct principal){.kind = PRINCIPAL_NOBODY};
	if (given != NULL)
		return by_credential(c, given, err);
	/* The unix socket is within reach of what runs in containers. */
	if (api_is_open(c->api) && !http_is_unix(c->x)) {
		c->who.kind = PRINCIPAL_LOCAL;
		c->who.role = ROLE_ADMIN;
		return 0;
	}
	return err_set(err, ERR_AUTH, "missing_credentials",
	    "Missing credentials: send \"Authorization: Bearer \" and the "
	    "RUNNERHUB_API_KEY, a token, or what a login gave");
}
