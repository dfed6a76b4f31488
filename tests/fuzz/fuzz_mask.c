/*
 * Secrets (lines before an empty line) and a text behind it: masked whole,
 * byte by byte and in pieces it must be the same, and no secret is left.
 */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/mask.h"

#define SIZE_MAX_TRIED 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mask_pieces(const struct mask_set *m, const char *text, size_t len,
    size_t piece, struct buf *out)
{
	struct mask_stream s;
	size_t n;

	mask_stream_init(&s, m);
	for (size_t i = 0; i < len; i += n) {
		n = len - i < piece ? len - i : piece;
		mask_feed(&s, text + i, n, false, out);
		ASSERT(s.held.len <= mask_held_max(m));
	}
	mask_feed(&s, "", 0, true, out);
	mask_stream_fini(&s);
}

static void same(const struct buf *a, const struct buf *b)
{
	ASSERT(a->len == b->len);
	ASSERT(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_text(const struct mask_set *m, const char *text, size_t len)
{
	static const size_t pieces[] = {1, 3, 17};
	struct buf whole, split;

	buf_init(&whole, SIZE_MAX_TRIED);
	buf_init(&split, SIZE_MAX_TRIED);
	mask_text(m, text, len, &whole);
	ASSERT(!whole.overflow && whole.len <= len);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		buf_clear(&split);
		mask_pieces(m, text, len, pieces[i], &split);
		same(&whole, &split);
	}
	buf_fini(&whole);
	buf_fini(&split);
}

/* A secret alone becomes exactly one mark. */
static void check_secret(
    const struct mask_set *m, const char *secret, size_t len)
{
	struct buf out;

	if (len < 3 || memchr(secret, '\r', len) != NULL)
		return;
	buf_init(&out, SIZE_MAX_TRIED);
	mask_text(m, secret, len, &out);
	ASSERT(out.len == 3 && memcmp(out.data, "***", 3) == 0);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mask_set_free) struct mask_set *m = mask_set_new();
	const char *p = (const char *)data;
	const char *end = p + size;
	const char *nl;

	if (size == 0 || size > SIZE_MAX_TRIED)
		return 0;
	while ((nl = memchr(p, '\n', (size_t)(end - p))) != NULL && nl > p) {
		mask_add(m, p, (size_t)(nl - p));
		check_secret(m, p, (size_t)(nl - p));
		p = nl + 1;
	}
	check_text(m, p, (size_t)(end - p));
	return 0;
}
