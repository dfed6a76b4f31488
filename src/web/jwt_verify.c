/*
 * ES256: is a token signed by this key? A signature in a token is two numbers
 * side by side, OpenSSL wants them as ASN.1. The caller's thread.
 */
#include <string.h>

#include "web/crypto_load.h"
#include "web/jwt.h"

enum {
	NUMBER = 32,
	DER_MAX = 80, /* of two such numbers: 72 */
};

/* NULL: not on the curve. */
static EVP_PKEY *make_key(const struct crypto_calls *o, const struct jwk *key)
{
	EVP_PKEY_CTX *ctx = o->EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char group[] = "P-256";
	unsigned char point[1 + 2 * NUMBER] = {POINT_CONVERSION_UNCOMPRESSED};
	EVP_PKEY *made = NULL;
	OSSL_PARAM params[] = {o->OSSL_PARAM_construct_utf8_string(
				   OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
	    o->OSSL_PARAM_construct_octet_string(
		OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
	    o->OSSL_PARAM_construct_end()};

	memcpy(point + 1, key->x, NUMBER);
	memcpy(point + 1 + NUMBER, key->y, NUMBER);
	if (ctx != NULL && o->EVP_PKEY_fromdata_init(ctx) == 1)
		IGNORE(o->EVP_PKEY_fromdata(
		    ctx, &made, EVP_PKEY_PUBLIC_KEY, params));
	o->EVP_PKEY_CTX_free(ctx);
	return made;
}

/* Its length; 0: memory is out. */
static size_t to_der(const struct crypto_calls *o,
    const unsigned char raw[2 * NUMBER], unsigned char out[DER_MAX])
{
	ECDSA_SIG *sig = o->ECDSA_SIG_new();
	BIGNUM *r = o->BN_bin2bn(raw, NUMBER, NULL);
	BIGNUM *s = o->BN_bin2bn(raw + NUMBER, NUMBER, NULL);
	unsigned char *at = out;
	int n = 0;

	if (sig != NULL && r != NULL && s != NULL &&
	    o->ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL; /* they are sig's now */
		n = o->i2d_ECDSA_SIG(sig, &at);
	}
	o->BN_free(r);
	o->BN_free(s);
	o->ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

static bool verify(const struct crypto_calls *o, const struct jwt *t,
    EVP_PKEY *key, const unsigned char *der, size_t der_len)
{
	EVP_MD_CTX *md = o->EVP_MD_CTX_new();
	bool genuine = md != NULL &&
		       o->EVP_DigestVerifyInit(
			   md, NULL, o->EVP_sha256(), NULL, key) == 1 &&
		       o->EVP_DigestVerify(md, der, der_len,
			   (const unsigned char *)t->text, t->signed_len) == 1;

	o->EVP_MD_CTX_free(md);
	return genuine;
}

int jwt_verify_es256(
    const struct jwt *t, const struct jwk *key, struct err *err)
{
	const struct crypto_calls *o;
	unsigned char der[DER_MAX];
	EVP_PKEY *made;
	size_t n;
	bool genuine;

	TRY(crypto_load(&o, err));
	if (strcmp(t->alg, "ES256") != 0 || strcmp(t->kid, key->kid) != 0 ||
	    t->signature_len != 2 * NUMBER)
		return 0;
	made = make_key(o, key);
	n = to_der(o, t->signature, der);
	genuine = made != NULL && n > 0 && verify(o, t, made, der, n);
	o->EVP_PKEY_free(made);
	o->ERR_clear_error();
	return genuine;
}
