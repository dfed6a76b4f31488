/*
 * A log as JSON lines: one object per record with time, kind, stream, step
 * and what the record carries. Text and notes of more than 64 KiB come in
 * several objects (notes then say "more": true but in the last). A character
 * that two records of a stream share is given out with the second.
 * Called by cursor.c only.
 */
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "spool/cursor_internal.h"

#define PIECE_BYTES      (64 * 1024)
#define OBJECT_OVERHEAD  256
#define ESCAPED_MAX      6 /* bytes of "\u0000" for one */
#define OBJECT_BYTES_MIN (OBJECT_OVERHEAD + 16 * ESCAPED_MAX)

static const char *const kind_names[] = {
    [SPOOL_OUT] = "out",
    [SPOOL_STEP_START] = "step_start",
    [SPOOL_STEP_END] = "step_end",
    [SPOOL_NOTE] = "note",
    [SPOOL_CAP] = "cap",
    [SPOOL_OUTPUTS] = "outputs",
    [SPOOL_SUMMARY] = "summary",
    [SPOOL_STEP_GIVEN] = "step_given",
};
static const char *const stream_names[] = {
    [SPOOL_STDOUT] = "stdout",
    [SPOOL_STDERR] = "stderr",
};

#define STEP_NONE 0xffff

/* What an object carries beside its head. */
struct piece {
	const char *key; /* "text", "note"; NULL: nothing */
	const char *data;
	size_t len;
	bool more;
};

static void put_object(
    struct buf *out, const struct layout_entry *e, const struct piece *p)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_ktime(&j, "time", e->time_ns);
	json_kstr(&j, "kind", kind_names[e->kind]);
	if (e->stream != SPOOL_NONE)
		json_kstr(&j, "stream", stream_names[e->stream]);
	if (e->step != STEP_NONE)
		json_kint(&j, "step", e->step);
	if (e->kind == SPOOL_STEP_END)
		json_kint(&j, "code", e->code);
	if (p->key != NULL) {
		json_key(&j, p->key);
		json_strn(&j, p->data, p->len);
	}
	if (p->more)
		json_kbool(&j, "more", true);
	json_end(&j);
	IGNORE(buf_append_char(out, '\n')); /* overflow: seen by try_object */
}

/* Whole or not at all; the buffer's own overflow flag is left as it was. */
static bool try_object(
    struct buf *out, const struct layout_entry *e, const struct piece *p)
{
	bool overflow = out->overflow, fits;
	size_t begin = out->len;

	out->overflow = false;
	put_object(out, e, p);
	fits = !out->overflow;
	out->overflow = overflow;
	if (!fits) {
		out->len = begin;
		if (out->data != NULL)
			out->data[begin] = '\0';
	}
	return fits;
}

/* -- characters cut in two --------------------------------------------- */

/* How many bytes at the end begin a sequence that is not complete. */
static size_t incomplete_end(const char *data, size_t len)
{
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		uint8_t c = (uint8_t)data[len - back];
		size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;

		if (c >= 0x80 && c < 0xc0)
			continue; /* inside a sequence: look further back */
		return need > back && c <= 0xf4 ? back : 0;
	}
	return 0;
}

static struct carry *carry_of(struct spool_cursor *c)
{
	return &c->carry[c->entry.entry.stream];
}

bool cursor_holds_json(const struct spool_cursor *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->carry); i++)
		if (c->carry[i].len > 0)
			return true;
	return false;
}

/* Gives out what is held of a stream: its rest will not come. */
static int flush_carry(struct cursor_call *call, size_t stream, struct err *err)
{
	struct carry *held = &call->c->carry[stream];
	struct layout_entry e = call->c->entry.entry;
	struct piece p = {.key = "text", .data = held->bytes, .len = held->len};

	if (held->len == 0)
		return 1;
	e.kind = SPOOL_OUT;
	e.stream = (uint8_t)stream;
	e.step = held->step;
	if (!try_object(call->out, &e, &p))
		return cursor_no_room(call, err);
	held->len = 0;
	return 1;
}

/* All that is held for steps other than `step`; 1 done, 0 no room, -1. */
static int flush_other_steps(
    struct cursor_call *call, uint16_t step, bool all, struct err *err)
{
	struct spool_cursor *c = call->c;
	int r = 1;

	for (size_t i = 0; i < ARRAY_LEN(c->carry) && r > 0; i++)
		if (all || c->carry[i].step != step)
			r = flush_carry(call, i, err);
	return r;
}

int cursor_end_json(struct cursor_call *call, struct err *err)
{
	return flush_other_steps(call, STEP_NONE, true, err) < 0 ? -1 : 0;
}

int cursor_forgotten_json(
    struct cursor_call *call, uint64_t bytes, struct err *err)
{
	struct spool_cursor *c = call->c;
	struct json j;

	if (call->out->max - call->out->len < OBJECT_OVERHEAD)
		return cursor_no_room(call, err);
	json_init(&j, call->out);
	json_obj(&j);
	json_ktime(&j, "time", clock_wall_ns());
	json_kstr(&j, "kind", "forgotten");
	json_kint(&j, "bytes", (int64_t)bytes);
	json_kint(&j, "offset", (int64_t)c->off);
	json_end(&j);
	ASSERT(buf_append_char(call->out, '\n') == 0);
	for (size_t i = 0; i < ARRAY_LEN(c->carry); i++)
		c->carry[i].len = 0; /* its rest is gone */
	return 1;
}

/* -- records ----------------------------------------------------------- */

/*
 * Gives out the head of `text`, which holds the carried bytes and then those
 * at c->off. Keeps back an unfinished character at the end.
 */
static int put_text_piece(
    struct cursor_call *call, const char *text, size_t len, struct err *err)
{
	struct spool_cursor *c = call->c;
	struct carry *held = carry_of(c);
	size_t cut = incomplete_end(text, len), carried = held->len;
	struct piece p = {.key = "text", .data = text, .len = len - cut};
	size_t room = call->out->max - call->out->len;

	if (p.len > 0 && !try_object(call->out, &c->entry.entry, &p)) {
		if (call->out->len > call->begin || room < OBJECT_BYTES_MIN)
			return cursor_no_room(call, err);
		p.len = (room - OBJECT_OVERHEAD) / ESCAPED_MAX;
		p.len -= incomplete_end(text, p.len);
		ASSERT(try_object(call->out, &c->entry.entry, &p));
		cut = 0; /* the rest is read again from the file */
		c->off += p.len - carried;
	} else {
		c->off += len - carried;
	}
	held->len = (uint8_t)cut;
	held->step = c->entry.entry.step;
	memcpy(held->bytes, text + len - cut, cut);
	return 1;
}

/* 1 given, 0 no room in the caller's buffer, -1. */
static int put_text(struct cursor_call *call, struct err *err)
{
	CLEANUP(mem_free) char *text = NULL;
	struct spool_cursor *c = call->c;
	struct carry *held = carry_of(c);
	uint64_t left = c->entry.entry.text_end - c->off;
	size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
	int r;

	if (len == 0)
		return 1;
	r = flush_other_steps(call, c->entry.entry.step, false, err);
	if (r <= 0)
		return r;
	text = mem_alloc(held->len + len);
	memcpy(text, held->bytes, held->len);
	TRY(shared_read(
	    c->shared, FILE_TEXT, c->off, text + held->len, len, err));
	return put_text_piece(call, text, held->len + len, err);
}

static int put_note(struct cursor_call *call, struct err *err)
{
	CLEANUP(mem_free) char *note = NULL;
	struct spool_cursor *c = call->c;
	uint64_t left = c->entry.entry.note_end - c->note_at;
	size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
	struct piece p = {.key = left > 0 ? "note" : NULL, .len = len};
	size_t room = call->out->max - call->out->len;

	note = mem_alloc(len + 1);
	TRY(shared_read(c->shared, FILE_NOTE, c->note_at, note, len, err));
	p.data = note;
	if (len < left)
		p.len -= incomplete_end(note, len);
	p.more = p.len < left;
	if (!try_object(call->out, &c->entry.entry, &p)) {
		if (call->out->len > call->begin || room < OBJECT_BYTES_MIN)
			return cursor_no_room(call, err);
		p.len = (room - OBJECT_OVERHEAD) / ESCAPED_MAX;
		p.len -= incomplete_end(note, p.len);
		p.more = true;
		ASSERT(try_object(call->out, &c->entry.entry, &p));
	}
	c->note_at += p.len;
	return 1;
}

/* One object of the current record. */
static int put_some(struct cursor_call *call, struct err *err)
{
	const struct reader_entry *e = &call->c->entry;
	int r;

	switch (e->entry.kind) {
	case LAYOUT_KIND_PROGRESS:
		return 1;
	case SPOOL_TAKEN:
		call->c->note_at = e->entry.note_end;
		return 1;
	case SPOOL_OUT:
	case SPOOL_CAP:
		return put_text(call, err);
	case SPOOL_STEP_END:
		r = flush_other_steps(call, STEP_NONE, true, err);
		return r > 0 ? put_note(call, err) : r;
	default: /* the kinds that carry a note; the reader checked the range */
		return put_note(call, err);
	}
}

static bool is_given(const struct spool_cursor *c)
{
	const struct layout_entry *e = &c->entry.entry;

	if (e->kind == SPOOL_OUT || e->kind == SPOOL_CAP)
		return c->off >= e->text_end;
	return c->note_at >= e->note_end;
}

int cursor_read_json(struct cursor_call *call, struct err *err)
{
	struct spool_cursor *c = call->c;
	int more = 1, r;

	while (!cursor_is_full(call) && (more = cursor_entry(call, err)) > 0) {
		r = put_some(call, err);
		if (r <= 0)
			return r;
		if (is_given(c))
			cursor_entry_done(c);
	}
	return more < 0 ? -1 : 0;
}
