/* Secret values: see secret.h. */
#include "base/secret.h"

#include <string.h>

#include "base/mem.h"

struct secret {
	size_t len;
	char bytes[];
};

void secret_wipe(void *p, size_t len)
{
	if (len > 0) /* p may be NULL with nothing */
		explicit_bzero(p, len);
}

struct secret *secret_new(const char *bytes, size_t len)
{
	struct secret *s = mem_alloc(sizeof(*s) + len + 1);

	s->len = len;
	memcpy(s->bytes, bytes, len);
	s->bytes[len] = '\0';
	return s;
}

struct secret *secret_copy(const struct secret *s)
{
	size_t len;
	const char *bytes = secret_expose(s, &len);

	return secret_new(bytes, len);
}

void secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	secret_wipe(s->bytes, s->len);
	mem_free(s);
}

const char *secret_expose(const struct secret *s, size_t *ret_len)
{
	if (ret_len != NULL)
		*ret_len = s->len;
	return s->bytes;
}
