/*
 * What a runner's listener writes into the pipe to its worker: a type, the
 * length of a body in bytes (both 32 bits, little endian), the body in
 * UTF-16LE. A body may hold every secret of a job: its memory is a mapping of
 * its own that is kept out of swap (as far as the system allows) and of core
 * files, and is wiped before it is given back.
 */
#ifndef WORKER_FRAMES_H
#define WORKER_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum frame_type { /* as on the wire, never renumber */
	FRAME_JOB = 1,
	FRAME_CANCEL = 2,
	FRAME_SHUTDOWN = 3,
	FRAME_OS_SHUTDOWN = 4,
};

#define FRAME_HEADER   8
#define FRAME_BODY_MAX (50 * 1024 * 1024)

struct frame {
	enum frame_type type;
	uint8_t *bytes; /* header and body as they came */
	size_t len;
};
/* Wipes and gives back the memory; fine on an empty one. */
void frame_fini(struct frame *f);
static inline void frame_fini_guard(struct frame *f)
{
	frame_fini(f);
}

/* A header by itself, as a frame without a body: what we say ourselves. */
void frame_header(enum frame_type type, uint8_t out[FRAME_HEADER]);

/* Collects a frame from pieces of any size. {0} is a new one. */
struct frame_reader {
	uint8_t header[FRAME_HEADER];
	size_t have; /* of header and body */
	struct frame frame;
};
void frame_reader_fini(struct frame_reader *r);
static inline void frame_reader_fini_guard(struct frame_reader *r)
{
	frame_reader_fini(r);
}
/* Where the next bytes are to be put, and how many at most; never 0. */
size_t frame_reader_space(struct frame_reader *r, uint8_t **ret);
/* n bytes were put there. 1: *ret is the frame, the caller's; 0: more is to
 * come; -1: that is no frame, the reader cannot go on. */
int frame_reader_commit(struct frame_reader *r, size_t n, struct frame *ret,
    struct err *err) MUST_CHECK;
/* Reads fd once. As commit; also 0 with *ret_eof when the other end is
 * closed, which means nothing: the stock worker goes on waiting, too. */
int frame_reader_read(struct frame_reader *r, int fd, struct frame *ret,
    bool *ret_eof, struct err *err) MUST_CHECK;

#endif
