/* Credentials for the engine's pull: see registry.h. Pure. */
#include "containers/registry.h"

#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/secret.h"

/* RFC 4648 section 5, padded: what the engine decodes. */
static void base64url(const char *in, size_t len, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789-_";

	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		unsigned v = (unsigned)(unsigned char)in[i] << 16;

		if (have > 1)
			v |= (unsigned)(unsigned char)in[i + 1] << 8;
		if (have > 2)
			v |= (unsigned char)in[i + 2];
		for (size_t k = 0; k < 4; k++, v <<= 6)
			buf_append_char(
			    out, k <= have ? digits[v >> 18 & 63] : '=');
	}
}

char *registry_auth(const struct container_wish *c)
{
	CLEANUP(buf_fini) struct buf text = {.max = 65536};
	struct buf coded = {.max = 2 * 65536};
	struct json j;

	json_init(&j, &text);
	json_obj(&j);
	json_kstr(&j, "username", c->registry_user);
	json_kstr(&j, "password", c->registry_password);
	/* The runner sends no server for Docker Hub. */
	json_kstr(&j, "serveraddress",
	    c->registry_server != NULL ? c->registry_server
				       : "https://index.docker.io/v1/");
	json_end(&j);
	base64url(buf_str(&text), text.len, &coded);
	secret_wipe(text.data, text.len);
	return buf_steal(&coded, NULL);
}
