/*
 * Tokens signed with a secret that two sides share (HS256): the hub's own.
 * HMAC-SHA-256 is libsodium's. Pure functions, any thread.
 */
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "web/jwt.h"

/* RFC 7518 3.2: a key as long as the hash, or longer; any is taken here,
 * the caller bounds it. */
static void mac_of(const struct secret *key, const char *text, size_t len,
    unsigned char out[crypto_auth_hmacsha256_BYTES])
{
	crypto_auth_hmacsha256_state st;
	size_t key_len;
	const char *bytes = secret_expose(key, &key_len);

	crypto_auth_hmacsha256_init(&st, (const unsigned char *)bytes, key_len);
	crypto_auth_hmacsha256_update(&st, (const unsigned char *)text, len);
	crypto_auth_hmacsha256_final(&st, out);
	secret_wipe(&st, sizeof(st));
}

bool jwt_verify_hs256(const struct jwt *t, const struct secret *key)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];

	if (strcmp(t->alg, "HS256") != 0 || t->signature_len != sizeof(mac))
		return false;
	mac_of(key, t->text, t->signed_len, mac);
	return sodium_memcmp(mac, t->signature, sizeof(mac)) == 0;
}

static int append(struct buf *out, const void *data, size_t len)
{
	char text[2048];

	if (sodium_base64_encoded_len(
		len, sodium_base64_VARIANT_URLSAFE_NO_PADDING) > sizeof(text))
		return -1;
	sodium_bin2base64(text, sizeof(text), data, len,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return buf_append_str(out, text);
}

int jwt_sign_hs256(const struct secret *key, const char *typ,
    const json_t *claims, struct buf *out, struct err *err)
{
	CLEANUP(mem_free)
	char *header = mem_printf("{\"alg\":\"HS256\",\"typ\":\"%s\"}", typ);
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	char body[1536];
	size_t n = json_dumpb(claims, body, sizeof(body), JSON_COMPACT);
	size_t begin = out->len;

	if (n == 0 || n > sizeof(body) ||
	    append(out, header, strlen(header)) < 0 ||
	    buf_append_char(out, '.') < 0 || append(out, body, n) < 0)
		return err_set(err, ERR_LIMIT, "jwt_too_large",
		    "a token of these claims is too large");
	mac_of(key, out->data + begin, out->len - begin, mac);
	if (buf_append_char(out, '.') < 0 || append(out, mac, sizeof(mac)) < 0)
		return err_set(err, ERR_LIMIT, "jwt_too_large",
		    "a token of these claims is too large");
	return 0;
}
