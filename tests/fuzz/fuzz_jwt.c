/* Any text as a token: it is refused, or what is told of it is within its
 * bounds; and no signature of a stranger is ever genuine. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "web/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct jwt *t)
{
	/* A point on the curve, whose private key nobody has noted. */
	static const struct jwk key = {.kid = "k1",
	    .x = {0x7f, 0xcd, 0xce, 0x27, 0x70, 0xf6, 0xc4, 0x5d, 0x41, 0x83,
		0xcb, 0xee, 0x6f, 0xdb, 0x4b, 0x7b, 0x58, 0x07, 0x33, 0x35,
		0x7b, 0xe9, 0xef, 0x13, 0xba, 0xcf, 0x6e, 0x3c, 0x7b, 0xd1,
		0x54, 0x45},
	    .y = {0xc7, 0xf1, 0x44, 0xcd, 0x1b, 0xbd, 0x9b, 0x7e, 0x87, 0x2c,
		0xdf, 0xed, 0xb9, 0xee, 0xb9, 0xf4, 0xb3, 0x69, 0x5d, 0x6e,
		0xa9, 0x0b, 0x24, 0xad, 0x8a, 0x46, 0x23, 0x28, 0x85, 0x88,
		0xe5, 0xad}};
	struct err err = ERR_INIT;
	int64_t exp = 0;

	ASSERT(t->signed_len < strlen(t->text));
	ASSERT(t->text[t->signed_len] == '.');
	ASSERT(t->signature_len <= sizeof(t->signature));
	ASSERT(json_is_object(t->header) && json_is_object(t->claims));
	ASSERT(json_object_get(t->header, "crit") == NULL);
	ASSERT(jwt_verify_es256(t, &key, &err) == 0);
	if (jwt_is_current(t, 1000, 10, &exp))
		ASSERT(exp > 990);
	if (jwt_is_for(t, "runner"))
		ASSERT(json_object_get(t->claims, "aud") != NULL);
	IGNORE(jwt_text(t, "sub") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free)
	char *text = mem_strndup(size > 0 ? (const char *)data : "", size);
	struct err err = ERR_INIT;
	struct jwk key;
	struct jwt t;
	json_t *jwk;

	if (jwt_parse(text, &t, &err) == 0) {
		check(&t);
		/* A header is as good a key as any. */
		IGNORE(jwk_read(t.header, &key));
		jwt_fini(&t);
	} else {
		ASSERT(strcmp(err.code, "jwt_malformed") == 0);
	}
	jwk =
	    json_loadb((const char *)data, size < 4096 ? size : 4096, 0, NULL);
	if (jwk_read(jwk, &key) == 1)
		ASSERT(*key.kid != '\0' && memchr(key.kid, '\0', JWT_KID_MAX));
	json_decref(jwk);
	return 0;
}
