/*
 * engine/frames.h on any bytes, in pieces that the first byte chooses: the
 * decoder takes all it is given or refuses, hands out pieces inside of its
 * input and never more than headers announced, and cutting the input
 * elsewhere gives the same bytes.
 */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/defs.h"
#include "engine/frames.h"

#define PAYLOAD_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes in pieces of `step` bytes; out gets stream numbers and bytes. The
 * offset at which the stream was refused, or the size. */
static size_t decode(
    const char *data, size_t size, size_t step, struct buf *out)
{
	struct frames f;
	struct frames_piece piece;
	struct err err = ERR_INIT;

	frames_init(&f, PAYLOAD_MAX);
	for (size_t at = 0; at < size; at += step) {
		const char *p = data + at, *begin = p;
		size_t len = size - at < step ? size - at : step, all = len;
		int r;

		while ((r = frames_next(&f, &p, &len, &piece, &err)) > 0) {
			ASSERT(piece.len > 0 && piece.data >= begin);
			ASSERT(piece.data + piece.len <= begin + all);
			for (size_t i = 0; i < piece.len; i++) {
				buf_append_char(out, (char)piece.stream);
				buf_append_char(out, piece.data[i]);
			}
		}
		ASSERT(p + len == begin + all);
		if (r < 0) {
			ASSERT(err.kind == ERR_INVALID);
			return (size_t)(p - data);
		}
		ASSERT(len == 0);
	}
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_fini) struct buf whole = {.max = 1 << 24};
	CLEANUP(buf_fini) struct buf cut = {.max = 1 << 24};
	const char *text = (const char *)data + 1;
	size_t end;

	if (size < 2 || size > 1 << 20)
		return 0;
	end = decode(text, size - 1, size - 1, &whole);
	ASSERT(decode(text, size - 1, 1 + data[0] % 64U, &cut) == end);
	ASSERT(whole.len == cut.len);
	ASSERT(whole.len == 0 || memcmp(whole.data, cut.data, whole.len) == 0);
	return 0;
}
