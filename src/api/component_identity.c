/*
 * Who asks of the component API: a user of the portal or a plugin of it, by
 * the tokens that it gives them; a service with a token of ours, or the API
 * key; in open mode whoever is on this machine. And what they may: users all,
 * services not start, unless their token says so. Handler threads; asking the
 * portal blocks, with a deadline.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/auth.h"
#include "api/components.h"
#include "api/cors.h"
#include "base/mem.h"
#include "config/service_tokens.h"

enum { ASK_MS = 10000, ASK_BRIEFLY_MS = 500 };

void component_identity_fini(struct component_identity *i)
{
	mem_free(i->subject);
	portal_subject_fini(&i->portal);
	*i = (struct component_identity){0};
}

bool component_is_guarded(const struct api *a)
{
	return !api_is_open(a) || a->portal != NULL ||
	       a->service_tokens != NULL;
}

/* -- credentials ------------------------------------------------------- */

/* "Bearer", blanks, and a token without any; else none was sent. */
static const char *bearer(struct call *c)
{
	const char *text = http_header(c->x, "Authorization");

	if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0)
		return NULL;
	text += 7 + strspn(text + 7, " ");
	return *text != '\0' && strpbrk(text, " \t") == NULL ? text : NULL;
}

static int refuse(struct err *err, const char *words)
{
	return err_set(err, ERR_AUTH, "invalid_credentials", "%s", words);
}

static bool by_api_key(
    struct call *c, const char *given, struct component_identity *ret)
{
	const struct secret *key = hub_options(c->hub)->api_key;

	if (key == NULL || !principal_same_secret(given, key))
		return false;
	c->who.kind = PRINCIPAL_KEY;
	ret->kind = IDENTITY_SERVICE;
	ret->subject = mem_strdup("external:api-key");
	ret->may_start = ret->may_stop_all = true;
	return true;
}

static bool by_service_token(
    struct call *c, const char *given, struct component_identity *ret)
{
	const char *subject = service_tokens_subject(
	    c->api->service_tokens, given, &ret->may_start);

	if (subject == NULL)
		return false;
	ret->kind = IDENTITY_SERVICE;
	ret->subject = mem_strdup(subject);
	ret->may_stop_all = ret->may_start;
	return true;
}

/* A portal that does not answer holds at most half of the handlers; the others
 * have time for what needs no question only. */
static int ask_portal(struct call *c, const char *given,
    struct component_identity *ret, struct err *err)
{
	unsigned patient = (unsigned)hub_options(c->hub)->workers / 2;
	bool briefly = atomic_fetch_add(&c->api->asking, 1) >= patient;
	struct ctx limited =
	    ctx_with_timeout(&c->ctx, briefly ? ASK_BRIEFLY_MS : ASK_MS);
	int r = portal_subject_of(
	    c->api->portal, &limited, given, &ret->portal, err);

	atomic_fetch_sub(&c->api->asking, 1);
	return r;
}

/* Of the hub itself: somebody who is logged in, or an API token. 1, 0: it is
 * neither, -1. */
static int by_login(struct call *c, const char *given,
    struct component_identity *ret, struct err *err)
{
	struct uuid login;

	if (strncmp(given, "rha_", 4) != 0 &&
	    access_token_read(c->api, given, &login) < 0)
		return 0;
	if (principal_read(c, err) < 0)
		return err->kind == ERR_AUTH
			   ? refuse(err, "Failed user token verification")
			   : -1;
	ret->kind =
	    c->who.kind == PRINCIPAL_USER ? IDENTITY_USER : IDENTITY_SERVICE;
	ret->subject = c->who.kind == PRINCIPAL_USER
			   ? mem_printf("user:runnerhub/%s", c->who.name)
			   : mem_printf("external:token-%.8s", c->who.id_text);
	ret->may_only_look = !principal_has_role(&c->who, ROLE_OPERATOR);
	ret->may_start = ret->may_stop_all = !ret->may_only_look;
	return 1;
}

static int by_portal(struct call *c, const char *given,
    struct component_identity *ret, struct err *err)
{
	TRY(ask_portal(c, given, ret, err));
	if (ret->portal.kind == PORTAL_PLUGIN) {
		ret->kind = IDENTITY_SERVICE;
		ret->subject = mem_printf("plugin:%s", ret->portal.ref);
		return 0;
	}
	ret->kind = IDENTITY_USER;
	ret->subject = mem_strdup(ret->portal.ref);
	ret->token = given;
	ret->may_start = true;
	return 0;
}

/* The unix socket is within reach of what runs in containers. */
static int by_place(
    struct call *c, struct component_identity *ret, struct err *err)
{
	const char *origin = http_header(c->x, "Origin");

	if (component_is_guarded(c->api) || http_is_unix(c->x))
		return refuse(err, "Missing credentials");
	TRY(gate_check_open(
	    c, origin != NULL && cors_is_welcome(c, origin), err));
	ret->kind = IDENTITY_LOCAL;
	c->who.kind = PRINCIPAL_LOCAL;
	ret->may_start = ret->may_stop_all = true;
	return 0;
}

int component_identify(
    struct call *c, struct component_identity *ret, struct err *err)
{
	const char *given = bearer(c), *aside;
	int known;

	if (given == NULL)
		given = http_header(c->x, "X-API-Key");
	if (given == NULL) {
		/* What a portal's proxy adds that keeps users' tokens. */
		aside = http_header(c->x, "X-Runner-Token");
		if (aside == NULL)
			return by_place(c, ret, err);
		return by_service_token(c, aside, ret)
			   ? 0
			   : refuse(err, "Illegal token");
	}
	if (by_api_key(c, given, ret) || by_service_token(c, given, ret))
		return 0;
	known = by_login(c, given, ret, err);
	if (known != 0)
		return known < 0 ? -1 : 0;
	if (c->api->portal == NULL)
		return refuse(err, "Illegal token");
	return by_portal(c, given, ret, err);
}

/* -- what they may ----------------------------------------------------- */

/* Members of its owner, when the rule is on; an instance without an owner is
 * everybody's. Both are in lower case and in full. */
static bool may_stop_one_of(const struct call *c, const char *owner)
{
	const struct component_identity *who = c->caller;
	char *const *group = who->portal.groups;

	if (who->may_stop_all || owner == NULL ||
	    strcmp(hub_options(c->hub)->portal_owners, "stop") != 0)
		return true;
	if (who->subject != NULL && strcasecmp(who->subject, owner) == 0)
		return true;
	for (; group != NULL && *group != NULL; group++)
		if (strcasecmp(*group, owner) == 0)
			return true;
	return false;
}

static bool may_replace(void *arg, const char *owner)
{
	return may_stop_one_of(arg, owner);
}

struct component_caller component_caller_of(struct call *c)
{
	return (struct component_caller){.subject = c->caller->subject,
	    .portal_token = c->caller->token,
	    .may_replace = may_replace,
	    .arg = c};
}

int component_may_change(const struct call *c, struct err *err)
{
	if (!c->caller->may_only_look)
		return 0;
	return err_set(err, ERR_FORBIDDEN, "not_permitted",
	    "That needs the role operator, yours is viewer");
}

int component_may_start(const struct call *c, struct err *err)
{
	if (c->caller->may_start)
		return 0;
	return err_set(err, ERR_FORBIDDEN, "user_only",
	    "This endpoint does not allow 'service' credentials");
}

int component_may_stop(
    const struct call *c, const struct instance *i, struct err *err)
{
	if (may_stop_one_of(c, i->owner))
		return 0;
	return err_set(err, ERR_FORBIDDEN, "not_owner",
	    "%.200s is stopped by its owner only, %.200s", i->component_ref,
	    i->owner);
}
