/*
 * Decoder of the attach framing: see frames.h. Called by engine exec and by
 * the sandbox's remote channel, each with a decoder of its own.
 */
#include "engine/frames.h"

#include <string.h>

void frames_init(struct frames *f, uint32_t payload_max)
{
	*f = (struct frames){.payload_max = payload_max};
}

/* 1: a header is complete; 0: more bytes are needed; -1: no header. */
static int take_header(
    struct frames *f, const char **data, size_t *len, struct err *err)
{
	size_t take = FRAMES_HEADER_LEN - f->header_len;
	const uint8_t *h = f->header;
	uint32_t size;

	if (take > *len)
		take = *len;
	memcpy(f->header + f->header_len, *data, take);
	f->header_len += take;
	*data += take;
	*len -= take;
	if (f->header_len < FRAMES_HEADER_LEN)
		return 0;
	size = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 |
	       (uint32_t)h[6] << 8 | h[7];
	if (h[0] > FRAMES_ENGINE || h[1] != 0 || h[2] != 0 || h[3] != 0)
		return err_set(err, ERR_INVALID, "engine_frame",
		    "the engine's stream is not framed: header begins with "
		    "%02x %02x %02x %02x",
		    h[0], h[1], h[2], h[3]);
	if (size > f->payload_max)
		return err_set(err, ERR_INVALID, "engine_frame",
		    "the engine announces a frame of %u bytes, more than %u",
		    size, f->payload_max);
	f->left = size;
	return 1;
}

int frames_next(struct frames *f, const char **data, size_t *len,
    struct frames_piece *ret, struct err *err)
{
	while (f->left == 0) {
		int got;

		if (f->header_len == FRAMES_HEADER_LEN)
			f->header_len = 0; /* the frame before has ended */
		if (*len == 0)
			return 0;
		got = take_header(f, data, len, err);
		if (got <= 0)
			return got;
	}
	if (*len == 0)
		return 0;
	ret->stream = (enum frames_stream)f->header[0];
	ret->data = *data;
	ret->len = *len < f->left ? *len : f->left;
	f->left -= (uint32_t)ret->len;
	*data += ret->len;
	*len -= ret->len;
	return 1;
}

int frames_at_boundary(const struct frames *f)
{
	return f->left == 0 &&
	       (f->header_len == 0 || f->header_len == FRAMES_HEADER_LEN);
}
