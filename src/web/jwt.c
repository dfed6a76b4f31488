/*
 * Tokens taken apart, and what they claim. No cryptography here; see
 * jwt_verify.c and jwt_sign.c. Pure functions, any thread.
 */
#include "web/jwt.h"

#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"

enum { LEVELS_MAX = 8 };

static int malformed(struct err *err)
{
	return err_set(
	    err, ERR_AUTH, "jwt_malformed", "this is no JSON Web Token");
}

/* -- parts --------------------------------------------------------------- */

/* base64url without padding, in its one canonical form. */
static bool decode(
    const char *text, size_t len, void *into, size_t max, size_t *ret)
{
	return sodium_base642bin(into, max, text, len, NULL, ret, NULL,
		   sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

static json_t *decode_object(const char *text, size_t len)
{
	CLEANUP(mem_free) char *json = mem_alloc(len + 1);
	json_t *made;
	size_t n;

	if (!decode(text, len, json, len, &n) ||
	    parse_json_depth(json, n, LEVELS_MAX) < 0)
		return NULL;
	made = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(made))
		return made;
	json_decref(made);
	return NULL;
}

/* A text of the header, "" where there is none; false: something else. */
static bool header_text(const struct jwt *t, const char *name, const char **ret)
{
	const json_t *value = json_object_get(t->header, name);

	*ret = value != NULL ? json_string_value(value) : "";
	return *ret != NULL;
}

/* What stands before the next dot; false: there is none. */
static bool part(const char **at, const char **ret, size_t *ret_len)
{
	const char *dot = strchr(*at, '.');

	if (dot == NULL)
		return false;
	*ret = *at;
	*ret_len = (size_t)(dot - *at);
	*at = dot + 1;
	return true;
}

static bool take_apart(const char *token, struct jwt *t)
{
	const char *at = token, *header, *claims;
	size_t header_len, claims_len;

	if (strnlen(token, JWT_BYTES_MAX + 1) > JWT_BYTES_MAX ||
	    !part(&at, &header, &header_len) ||
	    !part(&at, &claims, &claims_len))
		return false;
	t->text = token;
	t->signed_len = (size_t)(at - token) - 1;
	if (!decode(at, strlen(at), t->signature, sizeof(t->signature),
		&t->signature_len))
		return false;
	t->header = decode_object(header, header_len);
	t->claims = decode_object(claims, claims_len);
	return t->header != NULL && t->claims != NULL &&
	       json_object_get(t->header, "crit") == NULL &&
	       header_text(t, "alg", &t->alg) &&
	       header_text(t, "kid", &t->kid) && header_text(t, "typ", &t->typ);
}

int jwt_parse(const char *token, struct jwt *ret, struct err *err)
{
	*ret = (struct jwt){0};
	if (take_apart(token, ret))
		return 0;
	jwt_fini(ret);
	return malformed(err);
}

void jwt_fini(struct jwt *t)
{
	json_decref(t->header);
	json_decref(t->claims);
	*t = (struct jwt){0};
}

/* -- keys ---------------------------------------------------------------- */

static bool is_text(const json_t *key, const char *name, const char *want)
{
	const char *text = json_string_value(json_object_get(key, name));

	return text != NULL && strcmp(text, want) == 0;
}

static bool coordinate(const json_t *key, const char *name, unsigned char *into)
{
	const json_t *value = json_object_get(key, name);
	size_t n;

	return json_is_string(value) &&
	       decode(json_string_value(value), json_string_length(value), into,
		   32, &n) &&
	       n == 32;
}

int jwk_read(const json_t *key, struct jwk *ret)
{
	const char *kid = json_string_value(json_object_get(key, "kid"));

	*ret = (struct jwk){0};
	if (kid == NULL || *kid == '\0' || strlen(kid) >= sizeof(ret->kid) ||
	    !is_text(key, "kty", "EC") || !is_text(key, "crv", "P-256"))
		return 0;
	if ((json_object_get(key, "alg") != NULL &&
		!is_text(key, "alg", "ES256")) ||
	    (json_object_get(key, "use") != NULL &&
		!is_text(key, "use", "sig")))
		return 0;
	if (!coordinate(key, "x", ret->x) || !coordinate(key, "y", ret->y))
		return 0;
	memcpy(ret->kid, kid, strlen(kid) + 1);
	return 1;
}

/* -- claims -------------------------------------------------------------- */

const char *jwt_text(const struct jwt *t, const char *claim)
{
	return json_string_value(json_object_get(t->claims, claim));
}

bool jwt_is_for(const struct jwt *t, const char *audience)
{
	const json_t *aud = json_object_get(t->claims, "aud"), *one;
	size_t i;

	if (json_is_string(aud))
		return strcmp(json_string_value(aud), audience) == 0;
	json_array_foreach(aud, i, one)
	{
		const char *text = json_string_value(one);

		if (text != NULL && strcmp(text, audience) == 0)
			return true;
	}
	return false;
}

/* Seconds since 1970, which may have a fraction: 1, 0 absent, -1 no time. */
static int moment(const struct jwt *t, const char *claim, int64_t *ret)
{
	const json_t *value = json_object_get(t->claims, claim);
	double seconds = json_number_value(value);

	if (value == NULL)
		return 0;
	/* What a double holds exactly, and no calculation below passes. */
	if (!json_is_number(value) || !(seconds >= 0 && seconds <= 9e15))
		return -1;
	*ret = (int64_t)seconds;
	return 1;
}

bool jwt_is_current(
    const struct jwt *t, int64_t now_s, int64_t leeway_s, int64_t *ret_exp)
{
	int64_t iat, nbf = 0, exp;

	if (moment(t, "iat", &iat) != 1 || moment(t, "exp", &exp) != 1 ||
	    moment(t, "nbf", &nbf) < 0)
		return false;
	if (ret_exp != NULL)
		*ret_exp = exp;
	return iat <= now_s + leeway_s && nbf <= now_s + leeway_s &&
	       exp > now_s - leeway_s;
}
