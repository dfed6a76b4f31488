/*
 * The one authorisation gate. Who asks (principal.c) meets what the route
 * needs, and the job that it names:
 *
 *   this machine (open mode), the API key   everything
 *   a user, an API token   what their role may: viewers read, operators
 *                          delegate and operate, admins all
 *   a runner's token       its own sessions, itself
 *   a session's token      the sessions inside it; of itself it may read
 *   the enrolment key      to become a runner
 *
 * A job of somebody else is answered as if it did not exist. Open mode
 * (loopback, no key): everybody on this machine may do everything, but a web
 * page may not drive the hub: a foreign Host or Origin is refused. It does
 * not apply to the unix socket. Handler threads.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api_internal.h"

/* -- open mode --------------------------------------------------------- */

/* "localhost", "127.0.0.1", "[::1]", with or without a port. */
static bool is_loopback_authority(const char *text)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		n = strlen(names[i]);
		if (strncasecmp(text, names[i], n) == 0 &&
		    (text[n] == '\0' ||
			(text[n] == ':' &&
			    text[n + 1 + strspn(text + n + 1, "0123456789")] ==
				'\0')))
			return true;
	}
	return false;
}

static bool is_loopback_origin(const char *origin)
{
	if (strncmp(origin, "http://", 7) == 0)
		return is_loopback_authority(origin + 7);
	if (strncmp(origin, "https://", 8) == 0)
		return is_loopback_authority(origin + 8);
	return false;
}

int gate_check_open(struct call *c, bool origin_is_welcome, struct err *err)
{
	const char *host = http_header(c->x, "Host");
	const char *origin = http_header(c->x, "Origin");

	if (host == NULL || !is_loopback_authority(host))
		return err_set(err, ERR_FORBIDDEN, "foreign_host",
		    "This hub is open to its own machine only: the Host "
		    "\"%.80s\" "
		    "is not localhost (set RUNNERHUB_API_KEY to serve others)",
		    host != NULL ? host : "");
	if (origin != NULL && !origin_is_welcome && !is_loopback_origin(origin))
		return err_set(err, ERR_FORBIDDEN, "foreign_origin",
		    "This hub is open to its own machine only: pages from "
		    "\"%.80s\" may not use it",
		    origin);
	return 0;
}

/* -- what the route needs ---------------------------------------------- */

/* What somebody with a role needs for it; 0: it is not for people. */
static enum role role_for(const struct route *r)
{
	switch (r->scope) {
	case SCOPE_PUBLIC:
	case SCOPE_READ:
	case SCOPE_OWN:
	case SCOPE_SESSION_LOOK:
	case SCOPE_SELF:
	case SCOPE_PERSON:
		return ROLE_VIEWER;
	case SCOPE_DELEGATE:
	case SCOPE_SESSION:
	case SCOPE_OPERATE:
		return ROLE_OPERATOR;
	case SCOPE_RUNNER_SELF:
		return strcmp(r->method, "GET") == 0 ? ROLE_VIEWER
						     : ROLE_OPERATOR;
	case SCOPE_ENROL:
	case SCOPE_ADMIN:
		break;
	}
	return ROLE_ADMIN;
}

/* Of those who have none. */
static bool is_for(enum scope scope, enum principal_kind kind)
{
	switch (scope) {
	case SCOPE_PUBLIC:
		return true;
	case SCOPE_READ:
	case SCOPE_OPERATE:
	case SCOPE_SELF:
	case SCOPE_PERSON:
	case SCOPE_ADMIN:
		return false;
	case SCOPE_DELEGATE:
	case SCOPE_OWN:
	case SCOPE_SESSION:
	case SCOPE_SESSION_LOOK:
		return kind == PRINCIPAL_RUNNER || kind == PRINCIPAL_SESSION;
	case SCOPE_RUNNER_SELF:
		return kind == PRINCIPAL_RUNNER;
	case SCOPE_ENROL:
		return kind == PRINCIPAL_ENROLMENT;
	}
	return false;
}

static int check_scope(struct call *c, const struct route *r, struct err *err)
{
	static const char *const may[] = {
	    [PRINCIPAL_NOBODY] = "Nobody may do that",
	    [PRINCIPAL_RUNNER] = "A runner's token may open sessions and drive "
				 "its own, nothing else",
	    [PRINCIPAL_SESSION] = "A session's token may open sessions inside "
				  "it and drive those, nothing else",
	    [PRINCIPAL_ENROLMENT] = "The enrolment key may be exchanged for a "
				    "runner's token, nothing else",
	};
	enum role least = role_for(r);

	/* A program that could make tokens could outlive its own. */
	if (r->scope == SCOPE_PERSON && c->who.kind == PRINCIPAL_PROGRAM)
		return err_set(err, ERR_FORBIDDEN, "not_permitted",
		    "An API token may not do that: log in, or use the API "
		    "key");

	if (principal_has_role(&c->who, least) || is_for(r->scope, c->who.kind))
		return 0;
	if (c->who.role != 0)
		return err_set(err, ERR_FORBIDDEN, "not_permitted",
		    "That needs the role %s, yours is %s", role_name(least),
		    role_name(c->who.role));
	return err_set(
	    err, ERR_FORBIDDEN, "not_permitted", "%s", may[c->who.kind]);
}

int gate_check(struct call *c, const struct route *r, struct err *err)
{
	/* Health and description are nobody's secret, but containers of jobs
	 * need not know how the hub does. */
	if (r->scope == SCOPE_PUBLIC && !http_is_unix(c->x))
		return api_is_open(c->api) ? gate_check_open(c, false, err) : 0;
	TRY(principal_read(c, err));
	if (c->who.kind == PRINCIPAL_LOCAL)
		TRY(gate_check_open(c, false, err));
	return check_scope(c, r, err);
}

/* -- whose it is ------------------------------------------------------- */

static bool is_own_job(
    const struct principal *p, enum scope scope, const struct job *job)
{
	if (!job->is_session)
		return false;
	if (p->kind == PRINCIPAL_RUNNER)
		return job->runner_id != NULL &&
		       strcmp(job->runner_id, p->id_text) == 0;
	if (p->kind != PRINCIPAL_SESSION)
		return false;
	if (scope == SCOPE_SESSION_LOOK && uuid_equal(job->id.u, p->id))
		return true;
	return job->parent_id != NULL &&
	       strcmp(job->parent_id, p->id_text) == 0;
}

int gate_check_job(struct call *c, const struct route *r, struct err *err)
{
	CLEANUP(job_fini) struct job job = {0};

	if (r->scope == SCOPE_PUBLIC || c->who.role != 0)
		return 0;
	TRY(call_job(c, &job, err));
	return is_own_job(&c->who, r->scope, &job) ? 0 : no_such_job(err);
}

int gate_check_runner(struct call *c, struct err *err)
{
	struct uuid id;

	if (c->who.kind != PRINCIPAL_RUNNER)
		return 0;
	if (strcmp(c->id, "self") == 0) {
		memcpy(c->id, c->who.id_text, sizeof(c->who.id_text));
		return 0;
	}
	if (uuid_parse(c->id, &id) == 0 && uuid_equal(id, c->who.id))
		return 0;
	return err_set(
	    err, ERR_NOT_FOUND, "runner_not_found", "Runner not found");
}
