/* Any text as a command line: what was split, quoted again and split again,
 * is the same. */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "containers/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quote(struct buf *out, const char *word)
{
	buf_append_char(out, '\'');
	for (; *word != '\0'; word++)
		if (*word == '\'')
			buf_append_str(out, "'\\''");
		else
			buf_append_char(out, *word);
	buf_append_str(out, "' ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(words_fini) struct words one = {.v = NULL}, two = {.v = NULL};
	CLEANUP(buf_fini) struct buf again = {.max = 64 * 1024 * 1024};
	char *text = mem_strndup(size > 0 ? (const char *)data : "", size);
	struct err err = ERR_INIT;
	int r = words_split(text, &one, &err);

	mem_free(text);
	if (r != 0) {
		ASSERT(err.kind != ERR_NONE);
		return 0;
	}
	for (size_t i = 0; i < one.n; i++)
		quote(&again, one.v[i]);
	ASSERT(words_split(buf_str(&again), &two, &err) == 0);
	ASSERT(one.n == two.n);
	for (size_t i = 0; i < one.n; i++)
		ASSERT(strcmp(one.v[i], two.v[i]) == 0);
	return 0;
}
