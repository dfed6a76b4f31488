/*
 * RS256: tokens that the hub makes, signed by its key. The caller's thread; a
 * key may be used by several.
 */
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "web/crypto_load.h"
#include "web/jwt_internal.h"

enum { CLAIMS_MAX = 2048 };

struct jwt_key {
	const struct crypto_calls *o;
	EVP_PKEY *key;
};

/* -- keys ---------------------------------------------------------------- */

/* OpenSSL would ask at the terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static EVP_PKEY *read_pem(
    const struct crypto_calls *o, const struct secret *pem)
{
	size_t len;
	const char *text = secret_expose(pem, &len);
	BIO *bio = len < 64 * 1024 ? o->BIO_new_mem_buf(text, (int)len) : NULL;
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = o->PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	o->BIO_free(bio);
	o->ERR_clear_error();
	return key;
}

int jwt_key_open(
    struct jwt_key **ret, const struct secret *pem, struct err *err)
{
	CLEANUP(jwt_key_free) struct jwt_key *key = NULL;
	const struct crypto_calls *o;
	int bits;

	TRY(crypto_load(&o, err));
	key = mem_zalloc(sizeof(*key));
	key->o = o;
	key->key = read_pem(o, pem);
	if (key->key == NULL)
		return err_set(err, ERR_INVALID, "jwt_key", JWT_KEY_NONE);
	bits = o->EVP_PKEY_get_bits(key->key);
	if (o->EVP_PKEY_is_a(key->key, "RSA") != 1 || bits < JWT_KEY_BITS_MIN ||
	    bits > JWT_KEY_BITS_MAX)
		return err_set(err, ERR_INVALID, "jwt_key", JWT_KEY_OTHER,
		    JWT_KEY_BITS_MIN, JWT_KEY_BITS_MAX);
	*ret = STEAL(key);
	return 0;
}

void jwt_key_free(struct jwt_key *key)
{
	if (key == NULL)
		return;
	key->o->EVP_PKEY_free(key->key);
	mem_free(key);
}

/* -- signing ------------------------------------------------------------- */

/* Appends base64url without padding. */
static int encode(struct buf *out, const void *data, size_t len)
{
	size_t size = sodium_base64_encoded_len(
	    len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *room = buf_reserve(out, size);

	if (room == NULL)
		return -1;
	sodium_bin2base64(
	    room, size, data, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	buf_commit(out, size - 1); /* without the NUL */
	return 0;
}

static bool sign(const struct jwt_key *key, const char *text, size_t len,
    unsigned char *out, size_t *out_len)
{
	const struct crypto_calls *o = key->o;
	EVP_MD_CTX *md = o->EVP_MD_CTX_new();
	bool done = md != NULL &&
		    o->EVP_DigestSignInit(
			md, NULL, o->EVP_sha256(), NULL, key->key) == 1 &&
		    o->EVP_DigestSign(md, out, out_len,
			(const unsigned char *)text, len) == 1;

	o->EVP_MD_CTX_free(md);
	o->ERR_clear_error();
	return done;
}

int jwt_sign_rs256(const struct jwt_key *key, const json_t *claims,
    struct buf *out, struct err *err)
{
	static const char header[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
	unsigned char signature[JWT_SIGNATURE_MAX];
	size_t signature_len = sizeof(signature), start = out->len, n;
	char text[CLAIMS_MAX];

	n = json_dumpb(claims, text, sizeof(text), JSON_COMPACT);
	ASSERT(n > 0 && n <= sizeof(text));
	if (encode(out, header, sizeof(header) - 1) == 0 &&
	    buf_append_char(out, '.') == 0 && encode(out, text, n) == 0 &&
	    sign(key, out->data + start, out->len - start, signature,
		&signature_len) &&
	    buf_append_char(out, '.') == 0 &&
	    encode(out, signature, signature_len) == 0)
		return 0;
	return err_set(
	    err, ERR_INTERNAL, "jwt_sign", "the token could not be signed");
}
