/*
 * A developer portal (Backstage) as the hub meets it: whose token a request
 * bears, and what its catalog says. Blocking calls with the context's deadline;
 * any thread. Tokens go to the portal's own host only, over TLS with
 * verification (plain http: loopback only), and into no message.
 * Sources: components-api 6; Backstage's "User tokens" and "Catalog API" pages.
 *
 * Errors: ERR_AUTH "portal_token" with the portal's words ("Illegal token",
 * "Failed user token verification"); ERR_UNAVAILABLE "portal_down" when it does
 * not answer or not as a portal.
 */
#ifndef PORTAL_PORTAL_H
#define PORTAL_PORTAL_H

#include <jansson.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"

struct portal;

/* How the tokens of users are told from others. */
enum portal_verify {
	PORTAL_VERIFY_KEYS = 1, /* signatures, by its published keys (JWKS) */
	PORTAL_VERIFY_ASK,      /* asks it, /api/auth/v1/userinfo */
};
struct portal_config {
	const char *url;   /* its backend.baseUrl, "https://portal.example" */
	const char *token; /* a static one of the hub's for the catalog, or
			      NULL: users' own tokens only */
	enum portal_verify verify;
};
/* All copied. Does not connect. */
int portal_open(struct portal **ret, const struct portal_config *config,
    struct err *err) MUST_CHECK;
void portal_close(struct portal *p);
DEFINE_CLEANUP(struct portal *, portal_close);

/* -- who it is --------------------------------------------------------- */
enum portal_subject_kind { PORTAL_USER = 1, PORTAL_PLUGIN };
struct portal_subject {
	enum portal_subject_kind kind;
	char *ref;     /* "user:default/jane"; of a plugin its id */
	char **groups; /* what the user owns through (`ent`), ends with NULL */
	int64_t expires_at; /* wall ns */
};
void portal_subject_fini(struct portal_subject *s);
static inline void portal_subject_fini_guard(struct portal_subject *s)
{
	portal_subject_fini(s);
}
/*
 * The bearer of a token: a user's ("vnd.backstage.user"), or that of another
 * plugin of the portal for the plugin `runner`. Keys are kept and fetched anew
 * for an unknown kid, seldom; answers of the portal are kept for a moment.
 */
int portal_subject_of(struct portal *p, const struct ctx *ctx,
    const char *token, struct portal_subject *ret, struct err *err) MUST_CHECK;

/* -- its catalog ------------------------------------------------------- */
/* token: on whose behalf; NULL: the hub's own. 1 and the entity as the portal
 * writes it (json_decref), 0: there is none that they may see, -1. */
int portal_entity(struct portal *p, const struct ctx *ctx, const char *token,
    const char *kind, const char *namespace, const char *name, json_t **ret,
    struct err *err) MUST_CHECK;
/* Every runner-enabled entity (annotation runner.backstage.io/enabled), all
 * pages, at most 5000; -1 from each ends it with its error. */
int portal_entities(struct portal *p, const struct ctx *ctx, const char *token,
    int (*each)(void *arg, const json_t *entity, struct err *err), void *arg,
    struct err *err) MUST_CHECK;

#endif
