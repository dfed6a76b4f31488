/*
 * Appends a batch of records: text, notes, then the index, each with one
 * write. The index makes the others count, so a crash between the writes
 * leaves only bytes that recovery cuts off; a failed write is cut off at
 * once. The writer's thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "spool/spool_internal.h"

#define STEP_NONE         0xffffu
#define BATCH_RECORDS_MAX (1024 * 1024)
#define SCRATCH_KEEP      (128 * 1024) /* a larger one is given back */

/* One append while it is put together; the log changes when all is written. */
struct batch {
	struct spool_log *log;
	struct layout_entry last; /* the running ends */
	uint64_t entries;         /* number of the next entry */
	const char *text;         /* borrowed from the only record with text, */
	size_t text_len;          /* or log->text */
	bool capped;
	uint16_t cap_step;  /* the last one that was told so */
	bool dropped;       /* something was left out */
	bool replaces_last; /* the index entry is written over the last one */
};

static int check_records(
    const struct spool_record *recs, size_t n, struct err *err)
{
	size_t total = 0;

	if (n > BATCH_RECORDS_MAX)
		return err_set(err, ERR_LIMIT, NULL,
		    "%zu records in one append, at most %d are taken", n,
		    BATCH_RECORDS_MAX);
	for (size_t i = 0; i < n; i++) {
		ASSERT(
		    recs[i].kind >= SPOOL_OUT && recs[i].kind <= SPOOL_TAKEN);
		ASSERT(recs[i].kind != SPOOL_CAP); /* only made here */
		ASSERT(recs[i].stream <= SPOOL_STDERR);
		if (recs[i].kind != SPOOL_OUT && recs[i].len > LAYOUT_NOTE_MAX)
			return err_set(err, ERR_LIMIT, "note_too_large",
			    "a note of %zu bytes, at most %d are kept",
			    recs[i].len, LAYOUT_NOTE_MAX);
		if (recs[i].len > SPOOL_APPEND_MAX - total)
			return err_set(err, ERR_LIMIT, NULL,
			    "more than %d bytes in one append",
			    SPOOL_APPEND_MAX);
		total += recs[i].len;
	}
	return 0;
}

/* The buffers hold any batch that check_records let pass. */
static void add_text(struct batch *b, const void *data, size_t len)
{
	struct buf *gathered = &b->log->text;

	if (len == 0)
		return;
	b->last.text_end += len;
	if (b->text_len == 0) {
		b->text = data;
		b->text_len = len;
		return;
	}
	if (gathered->len == 0)
		ASSERT(buf_append(gathered, b->text, b->text_len) == 0);
	ASSERT(buf_append(gathered, data, len) == 0);
	b->text = gathered->data;
	b->text_len = gathered->len;
}

static void add_entry(struct batch *b, uint8_t kind,
    const struct spool_record *rec, enum spool_stream stream)
{
	char *raw = buf_reserve(&b->log->index, LAYOUT_ENTRY_LEN);

	ASSERT(raw != NULL);
	b->last.kind = kind;
	b->last.stream = (uint8_t)stream;
	b->last.step = rec->step;
	b->last.code = rec->code;
	b->last.time_ns = rec->time_ns;
	layout_entry_put((uint8_t *)raw, &b->last, b->entries++);
	buf_commit(&b->log->index, LAYOUT_ENTRY_LEN);
}

static size_t cap_text(const struct spool *s, char *out, size_t size)
{
	uint64_t max = s->log_bytes_max;
	char limit[40];
	int n;

	if (max % (1024 * 1024) == 0)
		snprintf(limit, sizeof(limit), "%" PRIu64 " MiB",
		    max / (1024 * 1024));
	else
		snprintf(limit, sizeof(limit), "%" PRIu64 " bytes", max);
	n = snprintf(out, size,
	    "\n[runnerhub] the log reached its limit of %s; further output is "
	    "not kept\n",
	    limit);
	ASSERT(n > 0 && (size_t)n < size);
	return (size_t)n;
}

/* The text that says so must outlive the batch's building: it is gathered,
 * never borrowed. */
static void add_cap(struct batch *b, const struct spool_record *rec)
{
	struct buf *gathered = &b->log->text;
	char text[160];
	size_t len = cap_text(b->log->spool, text, sizeof(text));

	if (gathered->len == 0 && b->text_len > 0)
		ASSERT(buf_append(gathered, b->text, b->text_len) == 0);
	ASSERT(buf_append(gathered, text, len) == 0);
	b->text = gathered->data;
	b->text_len = gathered->len;
	b->last.text_end += len;
	b->capped = true;
	b->cap_step = rec->step;
	add_entry(b, SPOOL_CAP, rec, SPOOL_NONE);
}

/* Whoever follows a step shall know that its output is not whole: each has the
 * mark, once. Steps come one after the other, so that a peer that mixes them
 * gets no more marks than there are numbers. */
static bool is_untold(const struct batch *b, const struct spool_record *rec)
{
	return rec->len > 0 && rec->step != STEP_NONE &&
	       (b->cap_step == STEP_NONE || rec->step > b->cap_step);
}

/* That of a ring was made before. */
static uint64_t room_of(const struct batch *b)
{
	uint64_t max = b->log->spool->log_bytes_max;

	if (b->log->ring)
		return UINT64_MAX;
	if (b->entries >= SPOOL_ENTRIES_MAX || max < b->last.text_end)
		return 0;
	return max - b->last.text_end;
}

/* What fits below the cap is kept; the first record that does not fit whole
 * is followed by the mark. */
static void add_output(struct batch *b, const struct spool_record *rec)
{
	uint64_t room = room_of(b);
	size_t len = rec->len;

	if (b->capped) {
		b->dropped = !is_untold(b, rec);
		if (!b->dropped)
			add_cap(b, rec);
		return;
	}
	if (len > room)
		len = (size_t)room;
	add_text(b, rec->data, len);
	if (len > 0 || rec->len == 0)
		add_entry(b, SPOOL_OUT, rec, rec->stream);
	if (len < rec->len)
		add_cap(b, rec);
}

static uint64_t entries_of(const struct batch *b)
{
	return b->entries - ring_first(b->log->begin);
}

static void add_mark(struct batch *b, const struct spool_record *rec)
{
	uint64_t notes = b->last.note_end - b->log->begin[FILE_NOTE];
	bool full =
	    rec->kind != SPOOL_STEP_GIVEN && notes + rec->len > SPOOL_NOTES_MAX;
	size_t len = full ? 0 : rec->len;

	if (rec->kind == SPOOL_NOTE &&
	    (full || entries_of(b) >= SPOOL_ENTRIES_MAX)) {
		b->dropped = true;
		return;
	}
	if (len > 0)
		ASSERT(buf_append(&b->log->notes, rec->data, len) == 0);
	b->last.note_end += len;
	add_entry(b, (uint8_t)rec->kind, rec, rec->stream);
}

/* Nothing of the end of this batch was kept, but that it was read must be. */
static void add_progress(struct batch *b, const struct spool_record *rec)
{
	struct spool_log *log = b->log;

	if (log->last_is_progress && log->index.len == 0) {
		b->replaces_last = true;
		b->entries--;
	}
	add_entry(b, LAYOUT_KIND_PROGRESS, rec, SPOOL_NONE);
}

static void build(struct batch *b, const struct spool_record *recs, size_t n)
{
	uint64_t kept_off = b->last.agent_off;

	for (size_t i = 0; i < n; i++) {
		if (recs[i].agent_off > b->last.agent_off)
			b->last.agent_off = recs[i].agent_off;
		b->dropped = false;
		if (recs[i].kind == SPOOL_OUT)
			add_output(b, &recs[i]);
		else
			add_mark(b, &recs[i]);
		if (!b->dropped)
			kept_off = b->last.agent_off;
	}
	if (b->last.agent_off > kept_off)
		add_progress(b, &recs[n - 1]);
}

/* -- writing ----------------------------------------------------------- */

/* Cuts the files to what counts; the index first, so that nothing in it
 * ever speaks of bytes that are gone. */
static int undo(struct spool_log *log, struct err *err)
{
	static const enum spool_file order[] = {
	    FILE_INDEX, FILE_NOTE, FILE_TEXT};

	log->undo_pending = true;
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (ftruncate(log->fd[order[i]], (off_t)log->size[order[i]]) <
		    0)
			return err_sys(err, errno,
			    "cut a failed append off log %s", log->shared->id);
	log->undo_pending = false;
	return 0;
}

static int write_files(
    struct spool_log *log, const struct batch *b, struct err *err)
{
	uint64_t index_at = log->size[FILE_INDEX];

	if (b->replaces_last)
		index_at -= LAYOUT_ENTRY_LEN;
	TRY(files_write(log->fd[FILE_TEXT], log->size[FILE_TEXT], b->text,
	    b->text_len, err));
	FAULT("spool_text_written");
	TRY(files_write(log->fd[FILE_NOTE], log->size[FILE_NOTE],
	    log->notes.data, log->notes.len, err));
	FAULT("spool_notes_written");
	return files_write(log->fd[FILE_INDEX], index_at, log->index.data,
	    log->index.len, err);
}

static void commit(struct spool_log *log, const struct batch *b)
{
	struct publication p = {
	    .text = b->text,
	    .text_len = b->text_len,
	    .index = log->index.data,
	    .index_len = b->replaces_last ? 0 : log->index.len,
	    .index_at = log->size[FILE_INDEX],
	    .dirty = 1u << FILE_INDEX,
	    .written = b->text_len + log->notes.len + log->index.len,
	};

	if (b->text_len > 0)
		p.dirty |= 1u << FILE_TEXT;
	if (log->notes.len > 0)
		p.dirty |= 1u << FILE_NOTE;
	log->size[FILE_TEXT] = b->last.text_end;
	log->size[FILE_NOTE] = b->last.note_end;
	log->size[FILE_INDEX] = layout_entry_at(b->entries);
	log->agent_off = b->last.agent_off;
	log->capped = b->capped;
	log->cap_step = b->cap_step;
	log->last_is_progress = b->last.kind == LAYOUT_KIND_PROGRESS;
	log_publish(log, &p);
}

/* Leaves the buffers ready for the next append, and small. */
static void reset(struct spool_log *log)
{
	struct buf *scratch[] = {&log->text, &log->notes, &log->index};

	for (size_t i = 0; i < ARRAY_LEN(scratch); i++) {
		if (scratch[i]->cap > SCRATCH_KEEP)
			buf_fini(scratch[i]);
		else
			buf_clear(scratch[i]);
	}
}

static int append(struct spool_log *log, const struct spool_record *recs,
    size_t n, struct err *err)
{
	struct err undo_err = ERR_INIT;
	struct batch b = {
	    .log = log,
	    .capped = log->capped,
	    .cap_step = log->cap_step,
	    .entries = layout_entries(log->size[FILE_INDEX]),
	    .last = {.text_end = log->size[FILE_TEXT],
		.note_end = log->size[FILE_NOTE],
		.agent_off = log->agent_off},
	};

	build(&b, recs, n);
	if (log->index.len == 0)
		return 0; /* all dropped, and nothing the agent need know */
	if (entries_of(&b) > SPOOL_ENTRIES_MAX + SPOOL_ENTRIES_MAX / 4)
		return err_set(err, ERR_LIMIT, "log_full",
		    "log %s has no room for more marks", log->shared->id);
	if (write_files(log, &b, err) < 0) {
		IGNORE(undo(log, &undo_err)); /* the next append tries again */
		return err_wrap(err, "log %s", log->shared->id);
	}
	commit(log, &b);
	return 0;
}

int spool_append(struct spool_log *log, const struct spool_record *recs,
    size_t n, struct err *err)
{
	int r;

	MAGIC_CHECK(log, LOG_MAGIC);
	TRY(check_records(recs, n, err));
	if (log->undo_pending)
		TRY(undo(log, err));
	if (log->ring && ring_make_room(log, recs, n, err) < 0)
		return err_wrap(err, "log %s", log->shared->id);
	r = append(log, recs, n, err);
	reset(log);
	return r;
}
