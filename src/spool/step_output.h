/*
 * The output of one step, read forward from a log: what a proxy that drives
 * a session streams to its own side. It begins in the middle of a long log
 * without reading what is before.
 */
#ifndef SPOOL_STEP_OUTPUT_H
#define SPOOL_STEP_OUTPUT_H

#include "spool/spool.h"

struct step_output;

enum step_output_state {
	STEP_OUTPUT_MORE, /* something was appended, there may be more */
	STEP_OUTPUT_WAIT, /* nothing (more) now: wait for the watcher */
	STEP_OUTPUT_OVER, /* all was given; step_output_end has its end */
	STEP_OUTPUT_CUT,  /* the log has ended, and the step has no end */
};

/* How each piece of output stands in what is read. */
enum step_output_format {
	STEP_OUTPUT_PLAIN,
	/* one byte 1 (stdout) or 2 (stderr), three zero bytes, four bytes of
	 * length (big endian), so many bytes: the Engine API's framing */
	STEP_OUTPUT_FRAMES,
};
#define STEP_FRAME_HEADER 8
void step_frame_header(uint8_t stream, uint32_t len, uint8_t out[8]);

/*
 * skip: pass over so many bytes of its output, both streams counted together.
 * What the hub says when a log is full counts as output on stderr.
 * ERR_NOT_FOUND "step_not_found": the log knows nothing of that step (yet).
 */
int step_output_open(struct spool *s, const char *id, uint16_t step,
    uint64_t skip, enum step_output_format format, struct step_output **ret,
    struct err *err) MUST_CHECK;
/* Appends at most max bytes. ERR_LIMIT: max or the room in out is too small
 * for anything. One thread at a time. */
int step_output_read(struct step_output *o, size_t max, struct buf *out,
    enum step_output_state *ret, struct err *err) MUST_CHECK;
/* Its SPOOL_STEP_END after STEP_OUTPUT_OVER, with the note; borrowed. */
const struct spool_record *step_output_end(const struct step_output *o);
/* The note of its SPOOL_STEP_GIVEN, once that was read; NULL: it has none.
 * Borrowed. */
const char *step_output_given(const struct step_output *o);
void step_output_close(struct step_output *o); /* NULL is fine */
DEFINE_CLEANUP(struct step_output *, step_output_close);

#endif
