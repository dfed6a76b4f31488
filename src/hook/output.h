/*
 * What goes to the runner: whole lines on stdout. A step's two streams are
 * put together line by line in the order in which their lines end, so that
 * neither cuts a line of the other in two; the runner shows lines only.
 */
#ifndef HOOK_OUTPUT_H
#define HOOK_OUTPUT_H

#include "base/buf.h"
#include "base/defs.h"
#include "base/err.h"

/* One line of ours. */
void output_say(const char *fmt, ...) PRINTF(1, 2);
/* "::error::..." with what would end the line escaped: the runner shows it
 * as the step's error. */
void output_error(const char *fmt, ...) PRINTF(1, 2);
/* "::warning::...", the same. */
void output_warning(const char *fmt, ...) PRINTF(1, 2);
/* Lines between these fold in the runner's log. */
void output_group(const char *title);
void output_group_end(void);

/* The two streams of a step. One longer than the bound is cut into pieces. */
#define OUTPUT_LINE_MAX ((size_t)1024 * 1024)
struct output {
	struct buf part[2]; /* the line so far: stdout, stderr */
};
void output_init(struct output *o);
void output_fini(struct output *o);
static inline void output_fini_guard(struct output *o)
{
	output_fini(o);
}
/* An engine_output_fn; arg is a struct output. ERR_UNAVAILABLE when nobody
 * reads stdout any more. */
int output_piece(
    void *arg, int stream, const char *data, size_t len, struct err *err);
/* The streams ended: last lines without an end. */
int output_flush(struct output *o, struct err *err) MUST_CHECK;

#endif
