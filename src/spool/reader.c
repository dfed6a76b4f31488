/* Reading the index: see reader.h. Any thread. */
#include "spool/reader.h"

#include <inttypes.h>

static int damaged(const struct reader *r, uint64_t number, struct err *err)
{
	return err_set(err, ERR_INTERNAL, "log_damaged",
	    "log %s: its index is damaged at entry %" PRIu64
	    "; the plain text can still be read",
	    r->shared->id, number);
}

void reader_init_at(struct reader *r, struct spool_shared *shared,
    const struct log_view *view, uint64_t number,
    const struct layout_entry *prev)
{
	r->shared = shared;
	r->view = *view;
	r->number = number;
	r->prev = *prev;
	r->block_at = 0;
	r->block_len = 0;
}

void reader_init(
    struct reader *r, struct spool_shared *shared, const struct log_view *view)
{
	struct layout_entry before = ring_before(view->begin);

	reader_init_at(r, shared, view, ring_first(view->begin), &before);
}

/* The bytes of an entry that exists, from the block or the file. */
static int fetch(
    struct reader *r, uint64_t number, const uint8_t **ret, struct err *err)
{
	uint64_t left = layout_entries(r->view.size[FILE_INDEX]) - number;
	size_t n = left < READER_ENTRIES ? (size_t)left : READER_ENTRIES;

	if (number < r->block_at || number - r->block_at >= r->block_len) {
		r->block_len = 0;
		TRY(shared_read(r->shared, FILE_INDEX, layout_entry_at(number),
		    r->block, n * LAYOUT_ENTRY_LEN, err));
		r->block_at = number;
		r->block_len = n;
	}
	*ret = r->block + (number - r->block_at) * LAYOUT_ENTRY_LEN;
	return 0;
}

static bool is_within(const struct reader *r, const struct layout_entry *e)
{
	return e->text_end <= r->view.size[FILE_TEXT] &&
	       e->note_end <= r->view.size[FILE_NOTE];
}

int reader_next(struct reader *r, struct reader_entry *ret, struct err *err)
{
	const uint8_t *raw;

	if (r->number >= layout_entries(r->view.size[FILE_INDEX]))
		return 0;
	TRY(fetch(r, r->number, &raw, err));
	if (layout_entry_get(raw, &ret->entry) < 0 ||
	    !layout_entry_follows(&r->prev, &ret->entry) ||
	    !is_within(r, &ret->entry))
		return damaged(r, r->number, err);
	ret->text_begin = r->prev.text_end;
	ret->note_begin = r->prev.note_end;
	r->prev = ret->entry;
	r->number++;
	return 1;
}

/* Text position behind entry `number`. One entry is read, not a block: the
 * next one asked for is far away. */
static int text_end_of(struct reader *r, uint64_t number,
    struct layout_entry *ret, struct err *err)
{
	uint8_t raw[LAYOUT_ENTRY_LEN];

	TRY(shared_read(r->shared, FILE_INDEX, layout_entry_at(number), raw,
	    sizeof(raw), err));
	if (layout_entry_get(raw, ret) < 0)
		return damaged(r, number, err);
	return 0;
}

int reader_seek(struct reader *r, uint64_t off, struct err *err)
{
	uint64_t low = ring_first(r->view.begin);
	uint64_t high = layout_entries(r->view.size[FILE_INDEX]);
	struct layout_entry e, before = ring_before(r->view.begin);
	struct reader_entry next;
	uint64_t middle;
	int more;

	/* The first entry that ends at off or behind it ... */
	while (low < high) {
		middle = low + (high - low) / 2;
		TRY(text_end_of(r, middle, &e, err));
		if (e.text_end < off) {
			low = middle + 1;
			before = e;
		} else {
			high = middle;
		}
	}
	reader_init_at(r, r->shared, &r->view, low, &before);
	/* ... and is not the text that ends right there. */
	more = reader_next(r, &next, err);
	if (more > 0 && !(next.entry.text_end == off &&
			    next.text_begin < next.entry.text_end))
		reader_init_at(r, r->shared, &r->view, low, &before);
	return more < 0 ? -1 : 0;
}
