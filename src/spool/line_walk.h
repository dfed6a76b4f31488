/*
 * A log's text as lines, walked forward. A line ends at its newline, and
 * where the bytes that follow are of another step or stream: what two streams
 * print at the same time does not run together, and a step's last words do not
 * run into the first of the next. So lines are numbered once and for all: what
 * is appended lengthens the last line or comes behind it.
 */
#ifndef SPOOL_LINE_WALK_H
#define SPOOL_LINE_WALK_H

#include "spool/reader.h"

/* A position between two bytes of the text. All zero: the begin. */
struct line_mark {
	uint64_t entry; /* that holds the next byte, or comes next */
	uint64_t at;    /* text offset of the next byte */
	uint64_t line;  /* number of the line that is open, or of the next */
	uint16_t step;  /* of the open line */
	uint8_t stream;
	bool open; /* the line's begin lies before this */
};
/* The first line that begins at the mark or behind it. */
static inline uint64_t line_mark_first(const struct line_mark *m)
{
	return m->line + (m->open ? 1 : 0);
}

/* A line or a part of it, without its newline. */
struct line_piece {
	uint64_t line;
	bool begins, ends; /* ends: with a newline */
	const char *text;  /* until the next step */
	size_t len;
	const struct layout_entry *entry; /* that it was printed with */
};

struct line_walk {
	struct reader reader;
	struct reader_entry entry;
	bool in_entry;
	struct line_mark mark; /* behind the last piece */
	uint64_t looked;       /* bytes of text and index so far */
	char *block;           /* text read ahead */
	uint64_t block_at;
	size_t block_len;
};
#define LINE_BLOCK (64 * 1024)

int line_walk_begin(struct line_walk *w, struct spool_shared *shared,
    const struct log_view *view, const struct line_mark *mark,
    struct err *err) MUST_CHECK;
void line_walk_end(struct line_walk *w); /* zeroed: fine */
static inline void line_walk_end_guard(struct line_walk *w)
{
	line_walk_end(w);
}
/* 1 a piece, 0 the end of what there is, -1. */
int line_walk_next(
    struct line_walk *w, struct line_piece *ret, struct err *err) MUST_CHECK;

#endif
