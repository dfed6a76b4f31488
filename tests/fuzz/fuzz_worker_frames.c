/* Any bytes as what a listener writes, in pieces of a size that the first byte
 * names: frames are what was sent, and a message's facts are text. */
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "worker/frames.h"
#include "worker/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const char *text, size_t max)
{
	size_t n = strnlen(text, max);

	ASSERT(n < max);
	ASSERT(utf8_valid(text, n));
}

static void look(const struct frame *f)
{
	struct message m;

	ASSERT(f->len >= FRAME_HEADER && f->len % 2 == 0);
	message_read(&m, f->bytes + FRAME_HEADER, f->len - FRAME_HEADER);
	look_at(m.job_id, sizeof(m.job_id));
	look_at(m.job_name, sizeof(m.job_name));
	look_at(m.repository, sizeof(m.repository));
	look_at(m.run_id, sizeof(m.run_id));
	look_at(m.attempt, sizeof(m.attempt));
	look_at(m.actor, sizeof(m.actor));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(frame_reader_fini) struct frame_reader r = {.have = 0};
	struct err err = ERR_INIT;
	size_t piece, at = 1;

	if (size == 0)
		return 0;
	piece = (size_t)data[0] + 1;
	while (at < size) {
		CLEANUP(frame_fini) struct frame f = {.len = 0};
		uint8_t *into;
		size_t n = frame_reader_space(&r, &into);
		int got;

		ASSERT(n > 0);
		n = n < piece ? n : piece;
		n = n < size - at ? n : size - at;
		memcpy(into, data + at, n);
		at += n;
		got = frame_reader_commit(&r, n, &f, &err);
		if (got < 0)
			return 0;
		if (got > 0) {
			ASSERT(memcmp(f.bytes, data + at - f.len, f.len) == 0);
			look(&f);
		}
	}
	return 0;
}
