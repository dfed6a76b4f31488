/* Walking lines: see line_walk.h. On the stack of one call, any thread. */
#include "spool/line_walk.h"

#include <string.h>

#include "base/mem.h"

/* The entry before the mark's, which the reader wants to know. */
static int entry_before(struct spool_shared *shared, uint64_t number,
    struct layout_entry *ret, struct err *err)
{
	uint8_t raw[LAYOUT_ENTRY_LEN];

	*ret = (struct layout_entry){0};
	if (number == 0)
		return 0;
	TRY(shared_read(shared, FILE_INDEX, layout_entry_at(number - 1), raw,
	    sizeof(raw), err));
	if (layout_entry_get(raw, ret) == 0)
		return 0;
	return err_set(err, ERR_INTERNAL, "log_damaged",
	    "log %s: its index is damaged; the plain text can still be read",
	    shared->id);
}

int line_walk_begin(struct line_walk *w, struct spool_shared *shared,
    const struct log_view *view, const struct line_mark *mark, struct err *err)
{
	struct layout_entry before;

	w->mark = *mark;
	w->in_entry = false;
	w->looked = 0;
	w->block_len = 0;
	TRY(entry_before(shared, mark->entry, &before, err));
	reader_init_at(&w->reader, shared, view, mark->entry, &before);
	if (w->block == NULL)
		w->block = mem_alloc(LINE_BLOCK);
	return 0;
}

void line_walk_end(struct line_walk *w)
{
	mem_free(w->block);
	w->block = NULL;
}

/* The entry that holds the next byte: 1, 0 there is none, -1. */
static int find_entry(struct line_walk *w, struct err *err)
{
	int more;

	while (!w->in_entry || w->mark.at >= w->entry.entry.text_end) {
		w->in_entry = false;
		w->mark.entry = w->reader.number;
		more = reader_next(&w->reader, &w->entry, err);
		if (more <= 0)
			return more;
		w->in_entry = true;
		w->looked += LAYOUT_ENTRY_LEN;
	}
	return 1;
}

/* The bytes from the mark on, as many as are at hand. */
static int find_text(
    struct line_walk *w, const char **ret, size_t *ret_len, struct err *err)
{
	uint64_t at = w->mark.at;
	uint64_t left = w->reader.view.size[FILE_TEXT] - at;
	size_t len = left < LINE_BLOCK ? (size_t)left : LINE_BLOCK;

	if (at < w->block_at || at - w->block_at >= w->block_len) {
		w->block_len = 0;
		TRY(shared_read(
		    w->reader.shared, FILE_TEXT, at, w->block, len, err));
		w->block_at = at;
		w->block_len = len;
		w->looked += len;
	}
	len = w->block_len - (size_t)(at - w->block_at);
	if (len > w->entry.entry.text_end - at)
		len = (size_t)(w->entry.entry.text_end - at);
	*ret = w->block + (at - w->block_at);
	*ret_len = len;
	return 0;
}

static bool is_other(
    const struct line_mark *m, const struct layout_entry *entry)
{
	return m->step != entry->step || m->stream != entry->stream;
}

int line_walk_next(struct line_walk *w, struct line_piece *ret, struct err *err)
{
	struct line_mark *m = &w->mark;
	const struct layout_entry *e = &w->entry.entry;
	const char *text, *newline;
	size_t len;
	int more = find_entry(w, err);

	if (more <= 0)
		return more;
	TRY(find_text(w, &text, &len, err));
	if (m->open && is_other(m, e)) {
		m->line++;
		m->open = false;
	}
	newline = memchr(text, '\n', len);
	if (newline != NULL)
		len = (size_t)(newline - text);
	*ret = (struct line_piece){.line = m->line,
	    .begins = !m->open,
	    .ends = newline != NULL,
	    .text = text,
	    .len = len,
	    .entry = e};
	m->at += len + (newline != NULL);
	m->line += newline != NULL;
	m->open = newline == NULL;
	m->step = e->step;
	m->stream = e->stream;
	return 1;
}
