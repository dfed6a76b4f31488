/*
 * Is a text an RSA private key that could sign? Judged by its form alone, for
 * the start of a hub: OpenSSL, which reads it in earnest, is loaded with the
 * first token. RFC 7468 (PEM), RFC 8017 A.1.2 (RSAPrivateKey), RFC 5208
 * (PrivateKeyInfo). Pure; what it decodes is wiped.
 */
#include <sodium.h>
#include <string.h>

#include "web/jwt_internal.h"

enum { DER_MAX = 16 * 1024, INTEGER = 0x02, OCTETS = 0x04, SEQUENCE = 0x30 };

struct der {
	const unsigned char *p, *end;
};

/* The next value, which must be of the kind; its content. */
static bool take(struct der *from, unsigned char kind, struct der *ret)
{
	size_t len, more;

	if (from->end - from->p < 2 || *from->p++ != kind)
		return false;
	len = *from->p++;
	if (len >= 0x80) {
		more = len & 0x7f;
		if (more == 0 || more > 3 ||
		    (size_t)(from->end - from->p) < more)
			return false;
		for (len = 0; more > 0; more--)
			len = len << 8 | *from->p++;
	}
	if ((size_t)(from->end - from->p) < len)
		return false;
	*ret = (struct der){from->p, from->p + len};
	from->p += len;
	return true;
}

/* Bits of the modulus of an RSAPrivateKey; 0: it is none. */
static int bits_of(struct der key)
{
	struct der all, version, modulus;

	if (!take(&key, SEQUENCE, &all) || !take(&all, INTEGER, &version) ||
	    !take(&all, INTEGER, &modulus))
		return 0;
	while (modulus.p < modulus.end && *modulus.p == 0)
		modulus.p++;
	return (int)(modulus.end - modulus.p) * 8;
}

/* PrivateKeyInfo around an RSAPrivateKey, and nothing else. */
static int bits_of_wrapped(struct der key)
{
	static const unsigned char rsa[] = {
	    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
	struct der all, version, kind, inner;

	if (!take(&key, SEQUENCE, &all) || !take(&all, INTEGER, &version) ||
	    !take(&all, SEQUENCE, &kind) || !take(&all, OCTETS, &inner) ||
	    (size_t)(kind.end - kind.p) < sizeof(rsa) ||
	    memcmp(kind.p, rsa, sizeof(rsa)) != 0)
		return 0;
	return bits_of(inner);
}

/* -- PEM --------------------------------------------------------------- */

/* What stands between the lines of a label; NULL: it has none such. */
static const char *between(const char *text, const char *label, size_t *ret_len)
{
	const char *begin = strstr(text, label), *end;

	if (begin == NULL)
		return NULL;
	begin += strlen(label);
	end = strstr(begin, "-----END ");
	*ret_len = end != NULL ? (size_t)(end - begin) : 0;
	return end != NULL ? begin : NULL;
}

static int decode(const char *text, size_t len, bool wrapped)
{
	unsigned char der[DER_MAX];
	size_t n;
	int bits = -1;

	if (sodium_base642bin(der, sizeof(der), text, len, "\r\n\t ", &n, NULL,
		sodium_base64_VARIANT_ORIGINAL) == 0)
		bits = wrapped ? bits_of_wrapped((struct der){der, der + n})
			       : bits_of((struct der){der, der + n});
	sodium_memzero(der, sizeof(der));
	return bits;
}

int jwt_key_look(const struct secret *pem, struct err *err)
{
	const char *text = secret_expose(pem, NULL), *body;
	int bits = -1;
	size_t len;

	if ((body = between(text, "-----BEGIN RSA PRIVATE KEY-----", &len)) !=
	    NULL)
		bits = decode(body, len, false);
	else if ((body = between(text, "-----BEGIN PRIVATE KEY-----", &len)) !=
		 NULL)
		bits = decode(body, len, true);
	if (bits < 0)
		return err_set(err, ERR_INVALID, "jwt_key", JWT_KEY_NONE);
	if (bits < JWT_KEY_BITS_MIN || bits > JWT_KEY_BITS_MAX)
		return err_set(err, ERR_INVALID, "jwt_key", JWT_KEY_OTHER,
		    JWT_KEY_BITS_MIN, JWT_KEY_BITS_MAX);
	return 0;
}
