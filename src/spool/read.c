/*
 * Single questions to a log: its size, a range of its text, where its last
 * lines begin, its marks. Any thread; nothing is kept between calls.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "spool/reader.h"
#include "spool/spool_internal.h"

#define TAIL_BLOCK (64 * 1024)

/* Finds the log of an id from outside and what may be read of it. */
static int find(struct spool *s, const char *id, struct spool_shared **ret,
    struct log_view *ret_view, struct err *err)
{
	CLEANUP(shared_put) struct spool_shared *sh = NULL;
	char name[UUID_TEXT_LEN];

	TRY(shared_id(id, name, err));
	sh = shared_get(s, name);
	TRY(shared_view(sh, ret_view, err));
	*ret = STEAL(sh);
	return 0;
}

int spool_stat(
    struct spool *s, const char *id, struct spool_stat *ret, struct err *err)
{
	CLEANUP(shared_put) struct spool_shared *sh = NULL;
	struct log_view view;

	TRY(find(s, id, &sh, &view, err));
	*ret = (struct spool_stat){
	    .text_bytes = view.size[FILE_TEXT],
	    .text_begin = view.begin[FILE_TEXT],
	    .entries = layout_entries(view.size[FILE_INDEX]),
	    .ended = view.ended,
	    .exists = view.exists,
	};
	return 0;
}

int spool_read(struct spool *s, const char *id, uint64_t off, size_t max,
    struct buf *out, struct err *err)
{
	CLEANUP(shared_put) struct spool_shared *sh = NULL;
	struct log_view view;
	size_t len;
	char *room;

	TRY(find(s, id, &sh, &view, err));
	if (off >= view.size[FILE_TEXT])
		return 0;
	len = max;
	if (len > view.size[FILE_TEXT] - off)
		len = (size_t)(view.size[FILE_TEXT] - off);
	room = buf_reserve(out, len);
	if (room == NULL)
		return err_set(err, ERR_LIMIT, NULL,
		    "no room for %zu bytes of log %s", len, id);
	TRY(shared_read(sh, FILE_TEXT, off, room, len, err));
	buf_commit(out, len);
	return 0;
}

/*
 * The last n lines begin behind the (n+1)-th newline from the end, not
 * counting one that is the very last byte: it ends a line and begins none.
 */
static int tail_offset(struct spool_shared *sh, const struct log_view *view,
    uint64_t lines, uint64_t *ret, struct err *err)
{
	CLEANUP(mem_free) char *block = mem_alloc(TAIL_BLOCK);
	uint64_t size = view->size[FILE_TEXT], first = view->begin[FILE_TEXT];
	uint64_t begin = size, end = size > 0 ? size - 1 : 0;
	const char *nl;
	size_t len;

	while (end > first) {
		len = end - first > TAIL_BLOCK ? TAIL_BLOCK
					       : (size_t)(end - first);
		begin = end - len;
		TRY(shared_read(sh, FILE_TEXT, begin, block, len, err));
		while ((nl = memrchr(block, '\n', len)) != NULL) {
			len = (size_t)(nl - block);
			if (--lines == 0) {
				*ret = begin + len + 1;
				return 0;
			}
		}
		end = begin;
	}
	*ret = first;
	return 0;
}

int spool_tail_offset(struct spool *s, const char *id, uint64_t lines,
    uint64_t *ret_off, struct err *err)
{
	CLEANUP(shared_put) struct spool_shared *sh = NULL;
	struct log_view view;
	int r;

	TRY(find(s, id, &sh, &view, err));
	if (lines == 0) {
		*ret_off = view.size[FILE_TEXT];
		return 0;
	}
	while ((r = tail_offset(sh, &view, lines, ret_off, err)) < 0 &&
	       ring_has_forgotten(err)) {
		err_clear(err);
		TRY(shared_view(sh, &view, err));
	}
	return r;
}

/* -- marks ------------------------------------------------------------- */

static int call_with_mark(struct reader *r, const struct reader_entry *e,
    int (*cb)(void *arg, const struct spool_record *rec, struct err *err),
    void *arg, struct err *err)
{
	CLEANUP(mem_free) char *note = NULL;
	struct spool_record rec = {
	    .kind = (enum spool_kind)e->entry.kind,
	    .stream = (enum spool_stream)e->entry.stream,
	    .step = e->entry.step,
	    .code = e->entry.code,
	    .time_ns = e->entry.time_ns,
	    .agent_off = e->entry.agent_off,
	    .len = (size_t)(e->entry.note_end - e->note_begin),
	};

	note = mem_alloc(rec.len + 1);
	TRY(shared_read(
	    r->shared, FILE_NOTE, e->note_begin, note, rec.len, err));
	note[rec.len] = '\0';
	rec.data = note;
	return cb(arg, &rec, err);
}

int spool_marks(struct spool *s, const char *id,
    int (*cb)(void *arg, const struct spool_record *rec, struct err *err),
    void *arg, struct err *err)
{
	CLEANUP(shared_put) struct spool_shared *sh = NULL;
	struct reader_entry e;
	struct log_view view;
	struct reader r;
	int more;

	TRY(find(s, id, &sh, &view, err));
	reader_init(&r, sh, &view);
	while ((more = reader_next(&r, &e, err)) > 0)
		if (e.entry.kind != SPOOL_OUT &&
		    e.entry.kind != LAYOUT_KIND_PROGRESS)
			TRY(call_with_mark(&r, &e, cb, arg, err));
	return more;
}
