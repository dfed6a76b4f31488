/* What the files of portal/ share among themselves. */
#ifndef PORTAL_PORTAL_INTERNAL_H
#define PORTAL_PORTAL_INTERNAL_H

#include "base/buf.h"
#include "base/secret.h"
#include "portal/kept.h"
#include "portal/portal.h"
#include "web/jwt.h"
#include "web/web.h"

struct keys;

struct portal {
	char *url;            /* no slash at its end */
	char *issuer;         /* of the tokens of its users */
	struct web_peer peer; /* for errors */
	struct secret *token; /* the hub's own; NULL: none */
	enum portal_verify verify;
	struct keys *keys;     /* its own lock */
	struct kept *subjects; /* by a hash of the token; its own lock */
	struct kept *catalog;  /* by path, as the hub's own token sees it */
};

/* -- call.c: one question ------------------------------------------------ */
struct portal_call {
	const char *path;           /* "/api/..." */
	const struct secret *token; /* NULL: none */
	const char *what;           /* "read its keys", for messages */
	size_t max;                 /* of the reply */
	bool bare_404;              /* also without the portal's envelope */
};
/*
 * 0 with the JSON of a 200 in *ret (and its text in *body, unless that is
 * NULL); *ret NULL for 404 and 400. All else is an error: ERR_AUTH
 * "portal_token" with the portal's words for 401, ERR_FORBIDDEN
 * "portal_forbidden" for 403, "portal_down".
 */
int portal_get(struct portal *p, const struct ctx *ctx,
    const struct portal_call *call, json_t **ret, struct buf *body,
    struct err *err) MUST_CHECK;
json_t *portal_parse(const struct buf *body); /* NULL: none, too deep */
/* It answered, but not as a portal would. */
int portal_not_one(const struct portal *p, const char *what, struct err *err);
/* ERR_AUTH "portal_token" in the words that clients know. */
int portal_refuse(struct err *err, const char *words);

/* -- keys.c: what issuers publish ---------------------------------------- */
struct keys *keys_new(void);
void keys_free(struct keys *k);
/*
 * The key of this name in the JWKS at path: 1, 0: the portal has none, -1: it
 * does not answer. stranger: path comes from a token that nobody has verified;
 * such are asked for at a bounded rate.
 */
int keys_find(struct portal *p, const struct ctx *ctx, const char *path,
    bool stranger, const char *kid, struct jwk *ret,
    struct err *err) MUST_CHECK;

/* -- subject.c ------------------------------------------------------------ */
/* Is it of letters that a header may hold, and of a size? */
bool portal_may_send(const char *token);
/* A user of these claims (sub, ent); false: malformed. */
bool portal_take_user(
    const json_t *claims, int64_t exp_s, struct portal_subject *ret);

/* -- ask.c: PORTAL_VERIFY_ASK ---------------------------------------------- */
/* t: the token taken apart, all zero if it is none that we can read. */
int portal_ask(struct portal *p, const struct ctx *ctx, const char *token,
    const struct jwt *t, struct portal_subject *ret,
    struct err *err) MUST_CHECK;

static inline void portal_json_free(json_t *j)
{
	json_decref(j);
}
DEFINE_CLEANUP(json_t *, portal_json_free);

#endif
