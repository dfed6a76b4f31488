/*
 * Whose token it is. What a token says of itself (its type, its issuer) only
 * chooses whose keys have to verify it; the claims are read after that. The
 * caller's thread.
 */
#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "portal/portal_internal.h"

#define USER_TYPE   "vnd.backstage.user"
#define PLUGIN_TYPE "vnd.backstage.plugin"
#define USER_KEYS   "/api/auth/.well-known/jwks.json"
#define OUR_PLUGIN  "runner"

enum {
	REF_MAX = 512,
	GROUPS_MAX = 1000,
	PLUGIN_MAX = 64,
	LEEWAY_S = 30, /* between the clocks of two machines */
};

void portal_subject_fini(struct portal_subject *s)
{
	mem_free(s->ref);
	for (size_t i = 0; s->groups != NULL && s->groups[i] != NULL; i++)
		mem_free(s->groups[i]);
	mem_free(s->groups);
	*s = (struct portal_subject){0};
}

/* -- claims ---------------------------------------------------------------- */

/* "user:default/jane": printable, one line; NULL: none such. */
static const char *ref_of(const json_t *value)
{
	const char *text = json_string_value(value);

	if (text == NULL || *text == '\0' || strlen(text) > REF_MAX)
		return NULL;
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at <= 0x20 || *at == 0x7f)
			return NULL;
	return text;
}

bool portal_take_user(
    const json_t *claims, int64_t exp_s, struct portal_subject *ret)
{
	const json_t *ent = json_object_get(claims, "ent"), *one;
	const char *sub = ref_of(json_object_get(claims, "sub"));
	size_t n = json_array_size(ent), i;

	*ret = (struct portal_subject){.kind = PORTAL_USER};
	if (sub == NULL || strchr(sub, ':') == NULL || n > GROUPS_MAX ||
	    (ent != NULL && !json_is_array(ent)))
		return false;
	ret->ref = mem_strdup(sub);
	ret->groups = mem_calloc(n + 1, sizeof(*ret->groups));
	json_array_foreach(ent, i, one)
	{
		const char *text = ref_of(one);

		if (text == NULL) {
			portal_subject_fini(ret);
			return false;
		}
		ret->groups[i] = mem_strdup(text);
	}
	ret->expires_at = exp_s > INT64_MAX / CLOCK_NS_PER_S
			      ? INT64_MAX
			      : exp_s * CLOCK_NS_PER_S;
	return true;
}

/* -- verification ------------------------------------------------------------
 */

/* For whoever looks after the hub: clients learn only that it failed. */
static int refuse(
    const struct ctx *ctx, const char *words, const char *why, struct err *err)
{
	log_debug(ctx, "a token is refused", LOG_STR("reason", why));
	return portal_refuse(err, words);
}

static int verify(struct portal *p, const struct ctx *ctx, const struct jwt *t,
    const char *keys, bool stranger, const char *words, struct err *err)
{
	struct jwk key;
	int found, genuine;

	if (strcmp(t->alg, "ES256") != 0 || *t->kid == '\0')
		return refuse(ctx, words, "not ES256, or no kid", err);
	found = keys_find(p, ctx, keys, stranger, t->kid, &key, err);
	TRY(found);
	if (found == 0)
		return refuse(ctx, words, "the portal has no such key", err);
	genuine = jwt_verify_es256(t, &key, err);
	TRY(genuine);
	return genuine ? 0 : refuse(ctx, words, "the signature is wrong", err);
}

static int check_time(const struct ctx *ctx, const struct jwt *t,
    int64_t *ret_exp, const char *words, struct err *err)
{
	if (jwt_is_current(
		t, clock_wall_ns() / CLOCK_NS_PER_S, LEEWAY_S, ret_exp))
		return 0;
	return refuse(
	    ctx, words, "expired, not yet good, or without times", err);
}

static int user_of(struct portal *p, const struct ctx *ctx, const struct jwt *t,
    struct portal_subject *ret, struct err *err)
{
	static const char failed[] = "Failed user token verification";
	const char *issuer = jwt_text(t, "iss");
	int64_t exp = 0;

	TRY(verify(p, ctx, t, USER_KEYS, false, failed, err));
	TRY(check_time(ctx, t, &exp, failed, err));
	if (issuer == NULL || strcmp(issuer, p->issuer) != 0)
		return refuse(ctx, failed,
		    "its issuer is not this portal: is portal.url the "
		    "portal's backend.baseUrl?",
		    err);
	if (!jwt_is_for(t, "backstage"))
		return refuse(ctx, failed, "for another audience", err);
	if (!portal_take_user(t->claims, exp, ret))
		return refuse(ctx, failed, "malformed sub or ent", err);
	return 0;
}

/* Its id becomes part of a path: letters, digits, '-' and '_' only. */
static bool is_plugin(const char *id)
{
	size_t n = id != NULL ? strlen(id) : 0;

	if (n == 0 || n > PLUGIN_MAX || !isalnum((unsigned char)*id))
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n;
}

static int plugin_of(struct portal *p, const struct ctx *ctx,
    const struct jwt *t, struct portal_subject *ret, struct err *err)
{
	static const char failed[] = "Failed plugin token verification";
	CLEANUP(mem_free) char *path = NULL;
	const char *id = jwt_text(t, "sub");
	int64_t exp = 0;

	if (!is_plugin(id))
		return refuse(ctx, failed, "sub is no plugin", err);
	/* Cheap, and keeps strangers from making us ask. */
	if (!jwt_is_for(t, OUR_PLUGIN))
		return refuse(ctx, failed, "for another plugin", err);
	TRY(check_time(ctx, t, &exp, failed, err));
	path = mem_printf("/api/%s/.backstage/auth/v1/jwks.json", id);
	TRY(verify(p, ctx, t, path, true, failed, err));
	*ret = (struct portal_subject){.kind = PORTAL_PLUGIN,
	    .ref = mem_strdup(id),
	    .groups = mem_calloc(1, sizeof(*ret->groups)),
	    .expires_at = exp > INT64_MAX / CLOCK_NS_PER_S
			      ? INT64_MAX
			      : exp * CLOCK_NS_PER_S};
	return 0;
}

/* -- whose it is --------------------------------------------------------------
 */

bool portal_may_send(const char *token)
{
	size_t n = strnlen(token, JWT_BYTES_MAX + 1);

	if (n == 0 || n > JWT_BYTES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)token[i] <= 0x20 ||
		    (unsigned char)token[i] >= 0x7f)
			return false;
	return true;
}

int portal_subject_of(struct portal *p, const struct ctx *ctx,
    const char *token, struct portal_subject *ret, struct err *err)
{
	CLEANUP(jwt_fini) struct jwt t = {0};
	struct err unread = ERR_INIT;

	*ret = (struct portal_subject){0};
	if (!portal_may_send(token))
		return refuse(ctx, "Illegal token", "no token at all", err);
	if (jwt_parse(token, &t, &unread) == 0 &&
	    strcmp(t.typ, PLUGIN_TYPE) == 0)
		return plugin_of(p, ctx, &t, ret, err);
	if (p->verify == PORTAL_VERIFY_ASK)
		return portal_ask(p, ctx, token, &t, ret, err);
	/* Old ones have no type of their own. */
	if (t.header != NULL &&
	    (strcmp(t.typ, USER_TYPE) == 0 ||
		(*t.typ == '\0' && jwt_is_for(&t, "backstage"))))
		return user_of(p, ctx, &t, ret, err);
	return refuse(ctx, "Illegal token", "of no kind that we know", err);
}
