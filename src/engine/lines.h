/*
 * Splits a byte stream into lines, wherever the reads cut it: the engine's
 * event and progress streams are one JSON document per line. A line longer
 * than the maximum is dropped whole and counted. Internal to engine/.
 */
#ifndef ENGINE_LINES_H
#define ENGINE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct lines {
	struct buf part; /* the line so far; its max bounds a line */
	bool skipping;   /* inside a line that was too long */
	uint64_t dropped;
};

void lines_init(struct lines *l, size_t line_max);
void lines_fini(struct lines *l);
/*
 * Calls line() for each complete line, without its end ("\n" or "\r\n");
 * empty lines are passed over. line() returns 0 to go on; anything else stops
 * at once and is returned.
 */
int lines_feed(struct lines *l, const char *data, size_t len,
    int (*line)(void *arg, const char *text, size_t len), void *arg);
/* The stream ended: a last line without an end counts as one. */
int lines_end(struct lines *l,
    int (*line)(void *arg, const char *text, size_t len), void *arg);

#endif
