/*
 * Finds the end of a log: the longest run of whole index entries whose text
 * and notes are really there. Readers look at the end only (recover_peek);
 * the writer of a log that a crash left open checks everything
 * (recover_scan) and log.c then cuts the files to the sizes found. Reads
 * only; the caller's thread.
 */
#include <inttypes.h>
#include <string.h>

#include "spool/spool_internal.h"

#define BLOCK_ENTRIES 256

struct block {
	uint8_t bytes[BLOCK_ENTRIES * LAYOUT_ENTRY_LEN];
	size_t len; /* entries */
};

struct sizes {
	uint64_t on_disk[FILE_COUNT];
};

static int read_block(
    int fd, uint64_t number, uint64_t count, struct block *ret, struct err *err)
{
	size_t got;

	if (count > BLOCK_ENTRIES)
		count = BLOCK_ENTRIES;
	TRY(files_read(fd, layout_entry_at(number), ret->bytes,
	    count * LAYOUT_ENTRY_LEN, &got, err));
	ret->len = got / LAYOUT_ENTRY_LEN;
	return 0;
}

/* The header and what stands behind it; no header: an empty log. */
static int begin(const int fd[FILE_COUNT], struct recovered *ret,
    struct sizes *sizes, struct err *err)
{
	uint8_t header[LAYOUT_HEADER_LEN];
	size_t got;

	*ret = (struct recovered){0};
	for (int i = 0; i < FILE_COUNT; i++)
		TRY(files_size(fd[i], &sizes->on_disk[i], err));
	TRY(files_read(fd[FILE_INDEX], 0, header, sizeof(header), &got, err));
	if (got < sizeof(header))
		return 0;
	switch (layout_header_get(header, &ret->header)) {
	case LAYOUT_HEADER_OK:
		ret->has_header = true;
		ring_begin_get(&ret->header, ret->size); /* at least */
		return 0;
	case LAYOUT_HEADER_EMPTY:
		return 0;
	case LAYOUT_HEADER_FOREIGN:
		return err_set(err, ERR_INTERNAL, "log_damaged",
		    "the index is not of this version of runnerhub; move the "
		    "log's files away or use the version that wrote them");
	}
	WRONG("header state");
}

static bool is_backed(const struct layout_entry *e, const struct sizes *sizes)
{
	return e->text_end <= sizes->on_disk[FILE_TEXT] &&
	       e->note_end <= sizes->on_disk[FILE_NOTE];
}

static void accept(
    struct recovered *r, const struct layout_entry *e, uint64_t number)
{
	r->size[FILE_TEXT] = e->text_end;
	r->size[FILE_NOTE] = e->note_end;
	r->size[FILE_INDEX] = layout_entry_at(number + 1);
	r->agent_off = e->agent_off;
	if (e->kind == SPOOL_CAP) {
		r->capped = true;
		r->cap_step = e->step;
	}
	r->last_is_progress = e->kind == LAYOUT_KIND_PROGRESS;
}

/* Takes the entries of a block up to the first bad one; false: it was met. */
static bool accept_block(struct recovered *r, const struct block *b,
    uint64_t number, struct layout_entry *prev, const struct sizes *sizes)
{
	for (size_t i = 0; i < b->len; i++) {
		const uint8_t *raw = b->bytes + i * LAYOUT_ENTRY_LEN;
		struct layout_entry e;

		if (!layout_entry_is_whole(raw, number + i) ||
		    layout_entry_get(raw, &e) < 0 ||
		    !layout_entry_follows(prev, &e) || !is_backed(&e, sizes))
			return false;
		accept(r, &e, number + i);
		*prev = e;
	}
	return b->len > 0;
}

int recover_scan(
    const int fd[FILE_COUNT], struct recovered *ret, struct err *err)
{
	struct layout_entry prev;
	struct recovered r;
	struct sizes sizes;
	struct block b;
	uint64_t total;

	TRY(begin(fd, &r, &sizes, err));
	prev = ring_before(r.size);
	total = r.has_header ? layout_entries(sizes.on_disk[FILE_INDEX]) : 0;
	for (uint64_t n = r.header.first; n < total; n += b.len) {
		TRY(read_block(fd[FILE_INDEX], n, total - n, &b, err));
		if (!accept_block(&r, &b, n, &prev, &sizes))
			break;
	}
	*ret = r;
	return 0;
}

/* The last good entry of a block, looking backwards. */
static bool find_last(struct recovered *r, const struct block *b,
    uint64_t number, const struct sizes *sizes)
{
	for (size_t i = b->len; i-- > 0;) {
		const uint8_t *raw = b->bytes + i * LAYOUT_ENTRY_LEN;
		struct layout_entry e;

		if (!layout_entry_is_whole(raw, number + i) ||
		    layout_entry_get(raw, &e) < 0 || !is_backed(&e, sizes))
			continue;
		accept(r, &e, number + i);
		return true;
	}
	return false;
}

int recover_peek(
    const int fd[FILE_COUNT], struct recovered *ret, struct err *err)
{
	struct recovered r;
	struct sizes sizes;
	struct block b;
	uint64_t left, n, first;

	TRY(begin(fd, &r, &sizes, err));
	first = r.header.first;
	left = r.has_header ? layout_entries(sizes.on_disk[FILE_INDEX]) : 0;
	while (left > first) {
		n = left - first > BLOCK_ENTRIES ? left - BLOCK_ENTRIES : first;
		TRY(read_block(fd[FILE_INDEX], n, left - n, &b, err));
		if (find_last(&r, &b, n, &sizes))
			break;
		left = n;
	}
	*ret = r;
	return 0;
}
