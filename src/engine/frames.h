/*
 * The engine's stream framing: an attached container without a terminal
 * sends its output as frames of an 8-byte header {stream, 0, 0, 0, u32 length
 * big endian} and a payload. This decoder is fed whatever a read returned and
 * hands back pieces of payload that point into those bytes: it copies nothing
 * and keeps at most one partial header. No I/O; not thread safe.
 */
#ifndef ENGINE_FRAMES_H
#define ENGINE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FRAMES_HEADER_LEN 8
/* Engines copy in pieces of 32 KiB; a larger length is a lost frame. */
#define FRAMES_PAYLOAD_MAX (16U * 1024 * 1024)

enum frames_stream {
	FRAMES_STDIN = 0, /* echoed by some engines */
	FRAMES_STDOUT = 1,
	FRAMES_STDERR = 2,
	FRAMES_ENGINE = 3, /* the engine's own error text */
};

struct frames {
	uint8_t header[FRAMES_HEADER_LEN];
	size_t header_len; /* bytes of it that have come */
	uint32_t left;     /* payload bytes still to come */
	uint32_t payload_max;
};

struct frames_piece {
	enum frames_stream stream;
	const char *data; /* into the caller's bytes; len >= 1 */
	size_t len;
};

void frames_init(struct frames *f, uint32_t payload_max);
/*
 * Takes from *data / *len (advancing both). 1: a piece; 0: all bytes were
 * taken and more are needed; -1: not this framing, or a payload larger than
 * the maximum (ERR_INVALID, "engine_frame"): the stream is lost from here.
 */
int frames_next(struct frames *f, const char **data, size_t *len,
    struct frames_piece *ret, struct err *err) MUST_CHECK;
/* The stream may end here: no frame is half-way. */
int frames_at_boundary(const struct frames *f);

#endif
