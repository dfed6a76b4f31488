/*
 * The inside of a cursor, shared by cursor.c (position, plain and
 * timestamped text) and cursor_json.c.
 */
#ifndef SPOOL_CURSOR_INTERNAL_H
#define SPOOL_CURSOR_INTERNAL_H

#include "spool/reader.h"

/* The begin of a UTF-8 sequence whose rest the next record brings. */
struct carry {
	uint8_t len;
	char bytes[3];
	uint16_t step;
};

struct spool_cursor {
	unsigned magic;
	struct spool_shared *shared; /* counted */
	enum spool_format format;
	uint64_t off;       /* text offset of the next byte */
	uint64_t forgotten; /* bytes passed over, so far */
	bool wants_tail;

	/* formats that go by records: */
	bool placed; /* number and prev stand where off is */
	uint64_t number;
	struct layout_entry prev;
	bool in_entry; /* part of `entry` is still to be given out */
	struct reader_entry entry;
	uint64_t note_at;
	bool in_line; /* the last line given has no end yet */
	struct carry carry[SPOOL_STDERR + 1]; /* JSONL: by stream */
};

/* One call of spool_cursor_read. */
struct cursor_call {
	struct spool_cursor *c;
	struct reader reader;
	struct buf *out;
	size_t begin; /* of what this call appends */
	size_t max;
};

/* 1: c->entry has something to give, 0: nothing more now, -1. */
int cursor_entry(struct cursor_call *call, struct err *err) MUST_CHECK;
void cursor_entry_done(struct spool_cursor *c);
bool cursor_is_full(const struct cursor_call *call);
/* The caller's buffer has no room: fine when this call gave something. */
int cursor_no_room(const struct cursor_call *call, struct err *err) MUST_CHECK;

int cursor_read_json(struct cursor_call *call, struct err *err) MUST_CHECK;
/* The log has ended: what was held back is all there will be. */
int cursor_end_json(struct cursor_call *call, struct err *err) MUST_CHECK;
/* Says that so many bytes are missing before c->off. 1, or 0: no room, -1. */
int cursor_forgotten_json(
    struct cursor_call *call, uint64_t bytes, struct err *err) MUST_CHECK;
bool cursor_holds_json(const struct spool_cursor *c);

#endif
