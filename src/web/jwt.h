/*
 * JSON Web Tokens, as far as a hub meets them: those of a portal are verified
 * (ES256, by a key of its JWKS), those for GitHub are signed (RS256, by a PEM
 * key), the hub's own are both (HS256). The signatures are OpenSSL's work,
 * loaded with the first, those of HS256 libsodium's. Sources:
 * RFC 7515 (JWS), 7517 (JWK), 7518 (algorithms), 7519 (JWT).
 *
 * The algorithm is the caller's choice, by the function that is called; what a
 * token names is compared, never followed. Nothing of a token is to be
 * believed before jwt_verify_es256 has said 1; what its claims must say is the
 * caller's to check, with the helpers below. Any thread.
 */
#ifndef WEB_JWT_H
#define WEB_JWT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/err.h"
#include "base/secret.h"

enum {
	JWT_BYTES_MAX = 16 * 1024,
	JWT_KID_MAX = 200,
	JWT_SIGNATURE_MAX = 1024,
};

/* -- reading ------------------------------------------------------------- */
struct jwt {
	json_t *header, *claims;     /* objects */
	const char *alg, *kid, *typ; /* of the header; "" where absent */
	const char *text;            /* borrowed: the token */
	size_t signed_len;           /* of it: what the signature is of */
	unsigned char signature[JWT_SIGNATURE_MAX];
	size_t signature_len;
};
/* Takes it apart; token outlives *ret. ERR_AUTH "jwt_malformed". Refuses
 * tokens with critical extensions ("crit"): we know none. */
int jwt_parse(const char *token, struct jwt *ret, struct err *err) MUST_CHECK;
void jwt_fini(struct jwt *t);
static inline void jwt_fini_guard(struct jwt *t)
{
	jwt_fini(t);
}

/* A public key on P-256. */
struct jwk {
	char kid[JWT_KID_MAX];
	unsigned char x[32], y[32];
};
/* One of "keys" of a JWKS: 1; 0: a key for something else, or malformed. */
int jwk_read(const json_t *key, struct jwk *ret);

/* Is it signed by this key, and does it say so (alg, kid)? 1, 0; -1: the
 * library is missing. */
int jwt_verify_es256(
    const struct jwt *t, const struct jwk *key, struct err *err) MUST_CHECK;

/* Is it signed with this secret, and says so? */
bool jwt_verify_hs256(const struct jwt *t, const struct secret *key);

/* A claim that is a text; NULL: none. */
const char *jwt_text(const struct jwt *t, const char *claim);
/* Is `aud` this one, or has it among others? */
bool jwt_is_for(const struct jwt *t, const char *audience);
/* Are we between `iat` and `nbf` and `exp` (wall seconds, the first and last
 * must be there), give or take leeway_s? *ret_exp may be NULL. */
bool jwt_is_current(
    const struct jwt *t, int64_t now_s, int64_t leeway_s, int64_t *ret_exp);

/* -- signing ------------------------------------------------------------- */
struct jwt_key;
/* pem: an RSA key of 2048 to 8192 bits, without password. ERR_INVALID
 * "jwt_key" says what is wrong with it. */
int jwt_key_open(
    struct jwt_key **ret, const struct secret *pem, struct err *err) MUST_CHECK;
/* By its form alone, without loading a library: what passes may still be
 * refused by jwt_key_open. */
int jwt_key_look(const struct secret *pem, struct err *err) MUST_CHECK;
void jwt_key_free(struct jwt_key *key);
DEFINE_CLEANUP(struct jwt_key *, jwt_key_free);
/* A token of these claims (an object of at most 2 KiB). */
int jwt_sign_rs256(const struct jwt_key *key, const json_t *claims,
    struct buf *out, struct err *err) MUST_CHECK;
/* typ: what kind of token ("at+jwt"). Claims of at most 1.5 KB. */
int jwt_sign_hs256(const struct secret *key, const char *typ,
    const json_t *claims, struct buf *out, struct err *err) MUST_CHECK;

#endif
