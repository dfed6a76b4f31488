/*
 * Reading the output of one step: see step_output.h. One thread at a time
 * per object, any thread.
 *
 * Steps follow one another in a log, so the first entry of one is found by
 * halving the index. Should that lead anywhere but to the mark with which a
 * step begins, the log is read from its start instead.
 */
#include "spool/step_output.h"

#include <string.h>

#include "base/mem.h"
#include "spool/reader.h"

#define STEP_NONE  0xffffu
#define FRAME_MAX  (64u * 1024)
#define PIECE_MIN  512 /* no smaller frame, but at a record's end */
#define STEP_MAGIC 0x53504c54u

struct step_output {
	unsigned magic;
	struct spool_shared *shared; /* counted, followed */
	enum step_output_format format;
	uint16_t step;
	uint64_t skip; /* bytes still to be passed over */
	bool wants_tail;

	uint64_t number; /* of the entry that comes next */
	struct layout_entry prev;
	uint64_t at, end; /* text of the entry in hand, still to be given */
	uint8_t stream;

	bool over;
	struct spool_record last; /* its STEP_END */
	char *last_note, *given;
};

void step_frame_header(uint8_t stream, uint32_t len, uint8_t out[8])
{
	const uint8_t head[STEP_FRAME_HEADER] = {stream, 0, 0, 0,
	    (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
	    (uint8_t)len};

	memcpy(out, head, sizeof(head));
}

/* -- where it begins --------------------------------------------------- */

/* An entry that exists, whatever stands before it. */
static int look(struct step_output *o, uint64_t number,
    struct layout_entry *ret, struct err *err)
{
	uint8_t raw[LAYOUT_ENTRY_LEN];

	TRY(shared_read(o->shared, FILE_INDEX, layout_entry_at(number), raw,
	    sizeof(raw), err));
	if (layout_entry_get(raw, ret) < 0)
		return err_set(err, ERR_INTERNAL, "log_damaged",
		    "log %s: its index is damaged", o->shared->id);
	return 0;
}

/* The first entry in [*number, limit) that belongs to a step; the hub's own
 * belong to none. 1 and *number is where, 0 there is none, -1. */
static int next_of_a_step(struct step_output *o, uint64_t *number,
    uint64_t limit, struct layout_entry *ret, struct err *err)
{
	for (; *number < limit; ++*number) {
		TRY(look(o, *number, ret, err));
		if (ret->step != STEP_NONE)
			return 1;
	}
	return 0;
}

/* The first entry of this step. 1, 0 there is none, -1. */
static int find(struct step_output *o, const struct log_view *view,
    uint64_t *ret, struct layout_entry *e, struct err *err)
{
	uint64_t total = layout_entries(view->size[FILE_INDEX]);
	uint64_t low = ring_first(view->begin), high = total, at;
	int some;

	while (low < high) {
		at = low + (high - low) / 2;
		*ret = at;
		some = next_of_a_step(o, ret, high, e, err);
		TRY(some);
		if (some > 0 && e->step < o->step)
			low = *ret + 1;
		else
			high = at;
	}
	*ret = low;
	some = next_of_a_step(o, ret, total, e, err);
	return some > 0 ? e->step == o->step : some;
}

static bool begins(const struct step_output *o, const struct layout_entry *e)
{
	return e->step == o->step &&
	       (e->kind == SPOOL_STEP_GIVEN || e->kind == SPOOL_STEP_START);
}

static int read_note(struct step_output *o, const struct reader_entry *e,
    char **ret, struct err *err)
{
	size_t len = (size_t)(e->entry.note_end - e->note_begin);
	CLEANUP(mem_free) char *note = mem_alloc(len + 1);

	TRY(shared_read(o->shared, FILE_NOTE, e->note_begin, note, len, err));
	note[len] = '\0';
	mem_free(*ret);
	*ret = STEAL(note);
	return 0;
}

/* 1 when the log knows the step: then reading begins at its first entry. */
static int place(struct step_output *o, struct err *err)
{
	struct layout_entry e;
	struct log_view view;
	uint64_t number;
	int found;

	TRY(shared_view(o->shared, &view, err));
	if (!view.exists)
		return 0;
	o->number = ring_first(view.begin);
	o->prev = ring_before(view.begin);
	found = find(o, &view, &number, &e, err);
	if (found <= 0 || !begins(o, &e) || number == o->number)
		return found; /* at the log's start */
	o->number = number;
	TRY(look(o, number - 1, &o->prev, err));
	return 1;
}

int step_output_open(struct spool *s, const char *id, uint16_t step,
    uint64_t skip, enum step_output_format format, struct step_output **ret,
    struct err *err)
{
	CLEANUP(step_output_close) struct step_output *o = NULL;
	char name[UUID_TEXT_LEN];
	int found;

	TRY(shared_id(id, name, err));
	o = mem_zalloc(sizeof(*o));
	o->magic = STEP_MAGIC;
	o->shared = shared_get(s, name);
	o->step = step;
	o->skip = skip;
	o->format = format;
	shared_follow(o->shared);
	found = place(o, err);
	TRY(found);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "step_not_found",
		    "The log of %s knows no step %u", name, step);
	*ret = STEAL(o);
	return 0;
}

void step_output_close(struct step_output *o)
{
	if (o == NULL)
		return;
	MAGIC_CHECK(o, STEP_MAGIC);
	shared_unfollow(o->shared);
	shared_put(o->shared);
	mem_free(o->last_note);
	mem_free(o->given);
	o->magic = 0;
	mem_free(o);
}

/* -- reading ----------------------------------------------------------- */

/* Text of this step: passes over what is to be skipped. */
static void take_text(struct step_output *o, const struct reader_entry *e)
{
	uint64_t len = e->entry.text_end - e->text_begin;
	uint64_t pass = o->skip < len ? o->skip : len;

	o->skip -= pass;
	o->at = e->text_begin + pass;
	o->end = e->entry.text_end;
	o->stream =
	    e->entry.stream == SPOOL_STDOUT ? SPOOL_STDOUT : SPOOL_STDERR;
}

static int take_entry(
    struct step_output *o, const struct reader_entry *e, struct err *err)
{
	if (e->entry.step != o->step)
		return 0;
	if (e->entry.kind == SPOOL_OUT || e->entry.kind == SPOOL_CAP)
		take_text(o, e);
	if (e->entry.kind == SPOOL_STEP_GIVEN)
		TRY(read_note(o, e, &o->given, err));
	if (e->entry.kind != SPOOL_STEP_END)
		return 0;
	TRY(read_note(o, e, &o->last_note, err));
	o->over = true;
	o->last = (struct spool_record){.kind = SPOOL_STEP_END,
	    .step = e->entry.step,
	    .code = e->entry.code,
	    .time_ns = e->entry.time_ns,
	    .data = o->last_note,
	    .len = (size_t)(e->entry.note_end - e->note_begin)};
	return 0;
}

/* Some of the text in hand. 1 given, 0 there is no room for it, -1. */
static int give_text(
    struct step_output *o, size_t room, struct buf *out, struct err *err)
{
	size_t head = o->format == STEP_OUTPUT_FRAMES ? STEP_FRAME_HEADER : 0;
	uint64_t len = o->end - o->at;
	char *to;

	if (len > FRAME_MAX)
		len = FRAME_MAX;
	if (room < head + len) {
		if (room < head + PIECE_MIN)
			return 0;
		len = room - head;
	}
	to = buf_reserve(out, head + (size_t)len);
	if (head > 0)
		step_frame_header(o->stream, (uint32_t)len, (uint8_t *)to);
	TRY(shared_read(
	    o->shared, FILE_TEXT, o->at, to + head, (size_t)len, err));
	buf_commit(out, head + (size_t)len);
	o->at += len;
	return 1;
}

/* The next appends are kept in memory: we are at the edge. */
static void want_tail(struct step_output *o)
{
	if (o->wants_tail)
		return;
	o->wants_tail = true;
	shared_want_tail(o->shared, FILE_TEXT);
	shared_want_tail(o->shared, FILE_INDEX);
}

static int read_entries(struct step_output *o, struct reader *r, size_t limit,
    struct buf *out, enum step_output_state *ret, struct err *err)
{
	struct reader_entry e;
	int more;

	*ret = STEP_OUTPUT_MORE;
	for (;;) {
		while (o->at < o->end) {
			more = give_text(o, limit - out->len, out, err);
			if (more <= 0)
				return more;
		}
		if (o->over) {
			*ret = STEP_OUTPUT_OVER;
			return 0;
		}
		more = reader_next(r, &e, err);
		TRY(more);
		if (more == 0)
			break;
		o->number = r->number;
		o->prev = r->prev;
		TRY(take_entry(o, &e, err));
	}
	*ret = r->view.ended ? STEP_OUTPUT_CUT : STEP_OUTPUT_WAIT;
	return 0;
}

int step_output_read(struct step_output *o, size_t max, struct buf *out,
    enum step_output_state *ret, struct err *err)
{
	size_t room = out->max - out->len;
	struct log_view view;
	struct reader r;

	MAGIC_CHECK(o, STEP_MAGIC);
	if (room > max)
		room = max;
	if (room < STEP_FRAME_HEADER + PIECE_MIN)
		return err_set(err, ERR_LIMIT, NULL,
		    "the buffer for log %s is full: empty it, then read on",
		    o->shared->id);
	TRY(shared_view(o->shared, &view, err));
	reader_init_at(&r, o->shared, &view, o->number, &o->prev);
	TRY(read_entries(o, &r, out->len + room, out, ret, err));
	if (*ret == STEP_OUTPUT_WAIT)
		want_tail(o);
	return 0;
}

const struct spool_record *step_output_end(const struct step_output *o)
{
	ASSERT(o->over);
	return &o->last;
}

const char *step_output_given(const struct step_output *o)
{
	return o->given;
}
