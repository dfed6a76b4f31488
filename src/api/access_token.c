/* Access tokens: see auth.h. Pure but for the clock; any thread. */
#include <string.h>

#include "api/auth.h"
#include "base/clock.h"
#include "web/jwt.h"

static const char ISSUER[] = "runnerhub";
static const char TYPE[] = "at+jwt";

bool access_token_is_like(const char *text)
{
	const char *dot = strchr(text, '.');

	return dot != NULL && strchr(dot + 1, '.') != NULL;
}

static bool is(const struct jwt *t, const char *claim, const char *want)
{
	const char *text = jwt_text(t, claim);

	return text != NULL && strcmp(text, want) == 0;
}

int access_token_read(
    const struct api *a, const char *token, struct uuid *ret_login)
{
	CLEANUP(jwt_fini) struct jwt t = {0};
	struct err ignored = ERR_INIT;
	const char *login;

	if (jwt_parse(token, &t, &ignored) < 0 ||
	    !jwt_verify_hs256(&t, a->jwt_key) || strcmp(t.typ, TYPE) != 0 ||
	    !is(&t, "iss", ISSUER) || !jwt_is_for(&t, hub_id(a->hub)) ||
	    !jwt_is_current(&t, clock_wall_ns() / CLOCK_NS_PER_S, 0, NULL))
		return -1;
	login = jwt_text(&t, "sid");
	return login != NULL ? uuid_parse(login, ret_login) : -1;
}

int access_token_make(const struct api *a, const struct user *user,
    struct uuid login, struct buf *out, struct err *err)
{
	json_int_t now = clock_wall_ns() / CLOCK_NS_PER_S;
	char id[UUID_TEXT_LEN], sid[UUID_TEXT_LEN];
	json_t *claims;
	int r;

	claims = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "iss",
	    ISSUER, "aud", hub_id(a->hub), "sub", uuid_text(user->id.u, id),
	    "sid", uuid_text(login, sid), "name", user->name, "role",
	    role_name(user->role), "iat", now, "exp", now + ACCESS_SECONDS);
	if (claims == NULL)
		return err_set(err, ERR_INTERNAL, "no_memory",
		    "cannot write the claims of an access token");
	r = jwt_sign_hs256(a->jwt_key, TYPE, claims, out, err);
	json_decref(claims);
	return r;
}
