/*
 * Cursors: a log read forward by one follower. This file keeps the position
 * and gives plain and timestamped text; cursor_json.c the third shape. Used
 * by one thread at a time; a thousand cursors of one log share descriptors
 * and the newest bytes (shared.c), so each costs a copy and no system call
 * at the live edge.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "spool/cursor_internal.h"

#define PIECE_BYTES (16 * 1024)
#define STAMP_LEN   CLOCK_ISO_LEN /* a space in the place of the NUL */

int spool_cursor_open(struct spool *s, const char *id, uint64_t off,
    enum spool_format format, struct spool_cursor **ret, struct err *err)
{
	char name[UUID_TEXT_LEN];
	struct spool_cursor *c;

	TRY(shared_id(id, name, err));
	c = mem_zalloc(sizeof(*c));
	c->magic = CURSOR_MAGIC;
	c->shared = shared_get(s, name);
	c->format = format;
	c->off = off;
	shared_follow(c->shared);
	*ret = c;
	return 0;
}

void spool_cursor_close(struct spool_cursor *c)
{
	if (c == NULL)
		return;
	MAGIC_CHECK(c, CURSOR_MAGIC);
	shared_unfollow(c->shared);
	shared_put(c->shared);
	c->magic = 0;
	mem_free(c);
}

uint64_t spool_cursor_offset(const struct spool_cursor *c)
{
	return c->off;
}

uint64_t spool_cursor_forgotten(const struct spool_cursor *c)
{
	return c->forgotten;
}

bool cursor_is_full(const struct cursor_call *call)
{
	return call->out->len - call->begin >= call->max;
}

int cursor_no_room(const struct cursor_call *call, struct err *err)
{
	if (call->out->len > call->begin)
		return 0;
	return err_set(err, ERR_LIMIT, NULL,
	    "the buffer for log %s is full: empty it, then read on",
	    call->c->shared->id);
}

/* -- plain ------------------------------------------------------------- */

static int read_plain(
    struct cursor_call *call, const struct log_view *view, struct err *err)
{
	struct spool_cursor *c = call->c;
	struct buf *out = call->out;
	size_t len = call->max, room = out->max - out->len;

	if (c->off >= view->size[FILE_TEXT])
		return 0;
	if (len > view->size[FILE_TEXT] - c->off)
		len = (size_t)(view->size[FILE_TEXT] - c->off);
	if (len > room)
		len = room;
	if (len == 0)
		return cursor_no_room(call, err);
	TRY(shared_read(
	    c->shared, FILE_TEXT, c->off, buf_reserve(out, len), len, err));
	buf_commit(out, len);
	c->off += len;
	c->in_line = out->data[out->len - 1] != '\n';
	return 0;
}

/* -- by records -------------------------------------------------------- */

/* A line that began before off gets no second stamp. */
static int look_before(
    struct spool_cursor *c, const struct log_view *view, struct err *err)
{
	char before;

	if (c->off <= view->begin[FILE_TEXT] || c->format != SPOOL_TIMESTAMPED)
		return 0;
	TRY(shared_read(c->shared, FILE_TEXT, c->off - 1, &before, 1, err));
	c->in_line = before != '\n';
	return 0;
}

/* 1 the position is known, 0 the log has not got there yet, -1. */
static int place(
    struct cursor_call *call, const struct log_view *view, struct err *err)
{
	struct spool_cursor *c = call->c;

	if (c->placed) {
		reader_init_at(
		    &call->reader, c->shared, view, c->number, &c->prev);
		return 1;
	}
	if (!view->exists || view->size[FILE_TEXT] < c->off)
		return 0;
	reader_init(&call->reader, c->shared, view);
	TRY(reader_seek(&call->reader, c->off, err));
	TRY(look_before(c, view, err));
	c->number = call->reader.number;
	c->prev = call->reader.prev;
	c->placed = true;
	return 1;
}

int cursor_entry(struct cursor_call *call, struct err *err)
{
	struct spool_cursor *c = call->c;
	int more;

	if (c->in_entry)
		return 1;
	more = reader_next(&call->reader, &c->entry, err);
	if (more <= 0)
		return more;
	c->number = call->reader.number;
	c->prev = call->reader.prev;
	c->in_entry = true;
	c->note_at = c->entry.note_begin;
	if (c->off < c->entry.text_begin)
		c->off = c->entry.text_begin;
	return 1;
}

void cursor_entry_done(struct spool_cursor *c)
{
	c->in_entry = false;
}

/* -- timestamped ------------------------------------------------------- */

/* One line or the part of it that lies in data; false: no room. */
static bool put_line(
    struct cursor_call *call, const char *stamp, const char *data, size_t len)
{
	struct spool_cursor *c = call->c;
	struct buf *out = call->out;
	size_t need = len + (c->in_line ? 0 : STAMP_LEN);

	if (need > out->max - out->len)
		return false;
	if (!c->in_line)
		ASSERT(buf_append(out, stamp, STAMP_LEN) == 0);
	ASSERT(buf_append(out, data, len) == 0);
	c->in_line = data[len - 1] != '\n';
	c->off += len;
	return true;
}

static int put_lines(struct cursor_call *call, const char *stamp,
    const char *data, size_t len, struct err *err)
{
	while (len > 0 && !cursor_is_full(call)) {
		const char *nl = memchr(data, '\n', len);
		size_t line = nl != NULL ? (size_t)(nl - data) + 1 : len;

		if (!put_line(call, stamp, data, line)) {
			call->max = call->out->len - call->begin;
			return cursor_no_room(call, err);
		}
		data += line;
		len -= line;
	}
	return 0;
}

static int read_timestamped(struct cursor_call *call, struct err *err)
{
	struct spool_cursor *c = call->c;
	char piece[PIECE_BYTES], stamp[STAMP_LEN];
	uint64_t end;
	size_t len;
	int more = 1;

	while (!cursor_is_full(call) && (more = cursor_entry(call, err)) > 0) {
		end = c->entry.entry.text_end;
		clock_iso(c->entry.entry.time_ns, stamp);
		stamp[STAMP_LEN - 1] = ' ';
		while (c->off < end && !cursor_is_full(call)) {
			len = end - c->off < PIECE_BYTES
				  ? (size_t)(end - c->off)
				  : PIECE_BYTES;
			TRY(shared_read(
			    c->shared, FILE_TEXT, c->off, piece, len, err));
			TRY(put_lines(call, stamp, piece, len, err));
		}
		if (c->off >= end)
			cursor_entry_done(c);
	}
	return more < 0 ? -1 : 0;
}

/* -- what a ring has forgotten ----------------------------------------- */

/* Is what comes next gone? */
static bool is_behind(const struct spool_cursor *c, const struct log_view *view)
{
	uint64_t first = ring_first(view->begin);

	if (c->placed)
		return (c->in_entry ? c->number - 1 : c->number) < first;
	return c->off < view->begin[FILE_TEXT];
}

/* 1 said, 0 no room now, -1. */
static int say_forgotten(
    struct cursor_call *call, uint64_t bytes, struct err *err)
{
	struct spool_cursor *c = call->c;
	char text[128], stamp[STAMP_LEN];
	size_t len = ring_notice(bytes, text, sizeof(text));
	struct buf *out = call->out;

	if (c->format == SPOOL_JSONL)
		return cursor_forgotten_json(call, bytes, err);
	if (out->max - out->len < 1 + STAMP_LEN + len)
		return cursor_no_room(call, err);
	if (c->in_line)
		ASSERT(buf_append_char(out, '\n') == 0);
	clock_iso(clock_wall_ns(), stamp);
	stamp[STAMP_LEN - 1] = ' ';
	if (c->format == SPOOL_TIMESTAMPED)
		ASSERT(buf_append(out, stamp, STAMP_LEN) == 0);
	ASSERT(buf_append(out, text, len) == 0);
	return 1;
}

/* Goes on with the oldest that there is. 1, 0 no room now, -1. */
static int skip_forgotten(
    struct cursor_call *call, const struct log_view *view, struct err *err)
{
	struct spool_cursor *c = call->c;
	struct spool_cursor was = *c;
	uint64_t gone = 0;
	int r;

	if (!is_behind(c, view))
		return 1;
	if (c->off < view->begin[FILE_TEXT]) {
		gone = view->begin[FILE_TEXT] - c->off;
		c->off = view->begin[FILE_TEXT];
	}
	c->placed = c->in_entry = false;
	r = gone > 0 ? say_forgotten(call, gone, err) : 1;
	if (r <= 0) {
		*c = was;
		return r;
	}
	c->in_line = false;
	c->forgotten += gone;
	return 1;
}

/* -- read -------------------------------------------------------------- */

static int read_records(
    struct cursor_call *call, const struct log_view *view, struct err *err)
{
	int placed = place(call, view, err);

	if (placed <= 0)
		return placed;
	if (call->c->format == SPOOL_JSONL)
		return cursor_read_json(call, err);
	return read_timestamped(call, err);
}

/* As the log is now; a ring may forget while it is read, then once more. */
static int read_now(
    struct cursor_call *call, struct log_view *view, struct err *err)
{
	struct spool_cursor *c = call->c;
	int r;

	do {
		err_clear(err);
		TRY(shared_view(c->shared, view, err));
		r = skip_forgotten(call, view, err);
		if (r <= 0)
			return r;
		r = c->format == SPOOL_PLAIN ? read_plain(call, view, err)
					     : read_records(call, view, err);
	} while (r < 0 && ring_has_forgotten(err));
	return r;
}

static bool has_all(const struct spool_cursor *c, const struct log_view *view)
{
	if (c->format == SPOOL_PLAIN || !c->placed)
		return c->off >= view->size[FILE_TEXT];
	return !c->in_entry &&
	       c->number >= layout_entries(view->size[FILE_INDEX]);
}

int spool_cursor_read(struct spool_cursor *c, size_t max, struct buf *out,
    bool *ret_end, struct err *err)
{
	struct cursor_call call = {
	    .c = c, .out = out, .begin = out->len, .max = max};
	struct log_view view;

	MAGIC_CHECK(c, CURSOR_MAGIC);
	*ret_end = false;
	TRY(read_now(&call, &view, err));
	if (!has_all(c, &view))
		return 0;
	if (view.ended) {
		if (c->format == SPOOL_JSONL)
			TRY(cursor_end_json(&call, err));
		*ret_end = !cursor_holds_json(c);
	} else if (view.exists && !c->wants_tail) {
		shared_want_tail(c->shared, FILE_TEXT);
		if (c->format != SPOOL_PLAIN)
			shared_want_tail(c->shared, FILE_INDEX);
		c->wants_tail = true;
	}
	return 0;
}
