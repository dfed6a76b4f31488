/*
 * Whose token it is, by asking the portal. Its answers are kept for half a
 * minute under a hash of the token: the token itself is kept nowhere. The
 * caller's thread.
 */
#include <sodium.h>
#include <string.h>

#include "portal/portal_internal.h"

enum { KEEP_S = 30, REPLY_MAX = 256 * 1024, HASH = 32 };

static void key_of(const char *token, char out[2 * HASH + 1])
{
	unsigned char hash[HASH];

	ASSERT(crypto_generichash(hash, sizeof(hash),
		   (const unsigned char *)token, strlen(token), NULL, 0) == 0);
	sodium_bin2hex(out, 2 * HASH + 1, hash, sizeof(hash));
}

/* How long the answer is good: not beyond the token's own end, where it tells
 * one. */
static int64_t good_for_s(const struct jwt *t, int64_t now_s, int64_t *ret_exp)
{
	if (t->claims == NULL || !jwt_is_current(t, now_s, 0, ret_exp))
		*ret_exp = now_s + KEEP_S;
	return *ret_exp - now_s < KEEP_S ? *ret_exp - now_s : KEEP_S;
}

static int take(const struct portal *p, const json_t *reply, int64_t exp_s,
    struct portal_subject *ret, struct err *err)
{
	const json_t *claims = json_object_get(reply, "claims");

	if (json_is_object(claims) && portal_take_user(claims, exp_s, ret))
		return 0;
	return portal_not_one(p, "say whose token it is", err);
}

int portal_ask(struct portal *p, const struct ctx *ctx, const char *token,
    const struct jwt *t, struct portal_subject *ret, struct err *err)
{
	CLEANUP(secret_free)
	struct secret *bearer = secret_new(token, strlen(token));
	CLEANUP(buf_fini) struct buf body = {.max = REPLY_MAX};
	CLEANUP(portal_json_free) json_t *reply = NULL;
	const struct portal_call call = {.path = "/api/auth/v1/userinfo",
	    .token = bearer,
	    .what = "say whose token it is"};
	int64_t now_s = clock_wall_ns() / CLOCK_NS_PER_S, exp, good;
	char key[2 * HASH + 1];

	key_of(token, key);
	good = good_for_s(t, now_s, &exp);
	if (kept_get(p->subjects, key, &body)) {
		reply = portal_parse(&body);
		return take(p, reply, exp, ret, err);
	}
	TRY(portal_get(p, ctx, &call, &reply, &body, err));
	if (reply == NULL) /* 400: not one of a user */
		return portal_refuse(err, "Illegal token");
	TRY(take(p, reply, exp, ret, err));
	kept_put(
	    p->subjects, key, &body, clock_mono_ns() + good * CLOCK_NS_PER_S);
	return 0;
}
