/*
 * A log without an end: when it is full, its oldest records are forgotten and
 * the disk gets their room back, see layout.h. The writer's thread; readers
 * learn of it by the view, and shared_read tells those that were too late.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "spool/spool_internal.h"

#define EIGHTHS    8 /* of the cap: so much goes at a time */
#define HOLE_ALIGN UINT64_C(4096)
#define HOLE       (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

/* -- where it begins --------------------------------------------------- */

struct layout_entry ring_before(const uint64_t begin[FILE_COUNT])
{
	return (struct layout_entry){
	    .text_end = begin[FILE_TEXT], .note_end = begin[FILE_NOTE]};
}

uint64_t ring_first(const uint64_t begin[FILE_COUNT])
{
	return layout_entries(begin[FILE_INDEX]);
}

void ring_begin_put(const struct spool_log *log, struct layout_header *header)
{
	header->first = ring_first(log->begin);
	header->text_begin = log->begin[FILE_TEXT];
	header->note_begin = log->begin[FILE_NOTE];
}

void ring_begin_get(
    const struct layout_header *header, uint64_t ret[FILE_COUNT])
{
	ret[FILE_TEXT] = header->text_begin;
	ret[FILE_NOTE] = header->note_begin;
	ret[FILE_INDEX] = layout_entry_at(header->first);
}

uint64_t ring_bytes(
    const uint64_t size[FILE_COUNT], const uint64_t begin[FILE_COUNT])
{
	uint64_t sum = 0, gone;

	for (int i = 0; i < FILE_COUNT; i++) {
		gone = begin[i];
		if (i == FILE_INDEX)
			gone -=
			    gone < LAYOUT_HEADER_LEN ? gone : LAYOUT_HEADER_LEN;
		sum += size[i] > gone ? size[i] - gone : 0;
	}
	return sum;
}

bool ring_has_forgotten(const struct err *err)
{
	return err->kind == ERR_NOT_FOUND && strcmp(err->code, FORGOTTEN) == 0;
}

size_t ring_notice(uint64_t bytes, char *out, size_t size)
{
	int n = snprintf(out, size,
	    "[runnerhub] %" PRIu64 " bytes of this log were older and are not "
	    "kept any more\n",
	    bytes);

	ASSERT(n > 0 && (size_t)n < size);
	return (size_t)n;
}

/* -- forgetting -------------------------------------------------------- */

/* What an append brings. */
struct need {
	uint64_t text, notes, entries;
};

static struct need need_of(const struct spool_record *recs, size_t n)
{
	struct need need = {.entries = n};

	for (size_t i = 0; i < n; i++) {
		if (recs[i].kind == SPOOL_OUT)
			need.text += recs[i].len;
		else
			need.notes += recs[i].len;
	}
	return need;
}

static uint64_t part(uint64_t whole, unsigned eighths)
{
	return whole - whole / EIGHTHS * (EIGHTHS - eighths);
}

/* Would it be within so many eighths of its bounds, if it began with record
 * `first`, behind `before`? */
static bool fits(const struct spool_log *log, const struct need *need,
    const struct layout_entry *before, uint64_t first, unsigned eighths)
{
	uint64_t entries = layout_entries(log->size[FILE_INDEX]) - first;

	return log->size[FILE_TEXT] - before->text_end + need->text <=
		   part(log->spool->log_bytes_max, eighths) &&
	       log->size[FILE_NOTE] - before->note_end + need->notes <=
		   part(SPOOL_NOTES_MAX, eighths) &&
	       entries + need->entries <= part(SPOOL_ENTRIES_MAX, eighths);
}

static int read_entry(const struct spool_log *log, uint64_t number,
    struct layout_entry *ret, struct err *err)
{
	uint8_t raw[LAYOUT_ENTRY_LEN];
	size_t got;

	TRY(files_read(log->fd[FILE_INDEX], layout_entry_at(number), raw,
	    sizeof(raw), &got, err));
	if (got < sizeof(raw) || !layout_entry_is_whole(raw, number) ||
	    layout_entry_get(raw, ret) < 0)
		return err_set(err, ERR_INTERNAL, "log_damaged",
		    "its index is damaged at entry %" PRIu64, number);
	return 0;
}

/* The first record that may stay, by halving; the last one stays always. */
static int choose(const struct spool_log *log, const struct need *need,
    uint64_t *ret_first, struct layout_entry *ret_before, struct err *err)
{
	uint64_t low = ring_first(log->begin) + 1, middle;
	uint64_t high = layout_entries(log->size[FILE_INDEX]) - 1;
	struct layout_entry e;

	while (low < high) {
		middle = low + (high - low) / 2;
		TRY(read_entry(log, middle - 1, &e, err));
		if (fits(log, need, &e, middle, EIGHTHS - 1))
			high = middle;
		else
			low = middle + 1;
	}
	*ret_first = low;
	return read_entry(log, low - 1, ret_before, err);
}

static int write_begin(const struct spool_log *log, struct err *err)
{
	struct layout_header header = {.ended = false};
	uint8_t raw[LAYOUT_HEADER_LEN];

	ring_begin_put(log, &header);
	layout_header_put(raw, &header);
	FAULT("spool_ring_begin");
	TRY(files_write(log->fd[FILE_INDEX], 0, raw, sizeof(raw), err));
	FAULT("spool_ring_header");
	if (fdatasync(log->fd[FILE_INDEX]) < 0)
		return err_sys(err, errno, "sync the begin of a log");
	return 0;
}

/* The header is on the disk, then readers are told, then there are holes. */
static int forget(struct spool_log *log, uint64_t first,
    const struct layout_entry *before, struct err *err)
{
	struct spool_shared *sh = log->shared;
	uint64_t old[FILE_COUNT];

	memcpy(old, log->begin, sizeof(old));
	log->begin[FILE_TEXT] = before->text_end;
	log->begin[FILE_NOTE] = before->note_end;
	log->begin[FILE_INDEX] = layout_entry_at(first);
	if (write_begin(log, err) < 0) {
		memcpy(log->begin, old, sizeof(old));
		return -1;
	}
	mtx_lock(&sh->mtx);
	memcpy(sh->view.begin, log->begin, sizeof(sh->view.begin));
	mtx_unlock(&sh->mtx);
	ring_punch(log);
	return 0;
}

int ring_make_room(struct spool_log *log, const struct spool_record *recs,
    size_t n, struct err *err)
{
	struct layout_entry before = ring_before(log->begin);
	struct need need = need_of(recs, n);
	uint64_t first = ring_first(log->begin);

	if (fits(log, &need, &before, first, EIGHTHS) ||
	    layout_entries(log->size[FILE_INDEX]) < first + 2)
		return 0;
	TRY(choose(log, &need, &first, &before, err));
	return forget(log, first, &before, err);
}

/* -- holes ------------------------------------------------------------- */

static int punch(int fd, uint64_t from, uint64_t to, struct err *err)
{
	if (fallocate(fd, HOLE, (off_t)from, (off_t)(to - from)) < 0)
		return err_sys(err, errno, "make a hole in a log");
	return 0;
}

void ring_punch(struct spool_log *log)
{
	struct err err = ERR_INIT;
	uint64_t from, to;

	for (int i = 0; i < FILE_COUNT; i++) {
		from = i == FILE_INDEX ? HOLE_ALIGN : 0; /* not the header */
		to = log->begin[i] & ~(HOLE_ALIGN - 1);
		if (to <= from)
			continue;
		if (punch(log->fd[i], from, to, &err) < 0)
			log_debug(NULL, "cannot give back the begin of a log",
			    LOG_STR("log", log->shared->id), LOG_ERR(&err));
		FAULT("spool_ring_hole");
	}
}

/* Asked behind its end, where there is nothing to lose. */
void spool_log_ring(struct spool_log *log)
{
	uint64_t end = (log->size[FILE_TEXT] | (HOLE_ALIGN - 1)) + 1;
	struct err err = ERR_INIT;

	MAGIC_CHECK(log, LOG_MAGIC);
	if (punch(log->fd[FILE_TEXT], end, end + HOLE_ALIGN, &err) < 0) {
		log_warn(NULL,
		    "the file system of the logs cannot give back the begin of "
		    "a file: this log will end at its limit",
		    LOG_STR("log", log->shared->id), LOG_ERR(&err));
		return;
	}
	log->ring = true;
	log->capped = false; /* by a hub that did not know of rings */
}
