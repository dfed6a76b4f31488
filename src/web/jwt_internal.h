/* What is said of private keys, by who reads them and who only looks at their
 * form: jwt_sign.c, pem_rsa.c. */
#ifndef WEB_JWT_INTERNAL_H
#define WEB_JWT_INTERNAL_H

#include "web/jwt.h"

enum { JWT_KEY_BITS_MIN = 2048, JWT_KEY_BITS_MAX = 8192 };
#define JWT_KEY_NONE                                                           \
	"this is no private key: expected PEM without a password, "            \
	"\"-----BEGIN RSA PRIVATE KEY-----\" and what follows"
#define JWT_KEY_OTHER "the private key must be of kind RSA, with %d to %d bits"

#endif
