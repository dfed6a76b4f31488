/*
 * The marks of logs: see line_index.h. Any thread. The table is guarded by a
 * mutex; the marks of one log belong to whoever has set `busy`, so that files
 * are read without a lock.
 */
#include "spool/line_index.h"

#include <string.h>

#include "base/mem.h"

#define MARK_BYTES   (64 * 1024)
#define MARK_ENTRIES 4096

struct index {
	char id[UUID_TEXT_LEN]; /* "": free */
	uint64_t used;          /* when, in calls */
	bool busy;
	/* of whoever has it busy */
	struct line_mark *marks;
	size_t n, cap;
	struct line_mark end; /* how far it was walked */
};

struct line_indexes {
	struct mtx mtx;
	struct cond freed;
	/* guarded by mtx */
	uint64_t calls;
	struct index logs[INDEXED_LOGS];
};

struct line_indexes *line_indexes_new(void)
{
	struct line_indexes *all = mem_zalloc(sizeof(*all));

	mtx_init(&all->mtx, "line_indexes");
	cond_init(&all->freed);
	return all;
}

void line_indexes_free(struct line_indexes *all)
{
	for (size_t i = 0; i < INDEXED_LOGS; i++)
		mem_free(all->logs[i].marks);
	cond_fini(&all->freed);
	mtx_fini(&all->mtx);
	mem_free(all);
}

/* -- whose turn it is -------------------------------------------------- */

/* That of the log, else the one used longest ago; NULL: wait. */
static struct index *choose_locked(struct line_indexes *all, const char *id)
{
	struct index *best = NULL;

	for (size_t i = 0; i < INDEXED_LOGS; i++) {
		struct index *x = &all->logs[i];

		if (strcmp(x->id, id) == 0)
			return x->busy ? NULL : x;
		if (!x->busy && (best == NULL || x->used < best->used))
			best = x;
	}
	return best;
}

static struct index *enter(struct line_indexes *all, const char *id)
{
	struct index *x;

	mtx_lock(&all->mtx);
	while ((x = choose_locked(all, id)) == NULL)
		cond_wait(&all->freed, &all->mtx);
	x->busy = true;
	x->used = ++all->calls;
	if (strcmp(x->id, id) != 0) {
		memcpy(x->id, id, sizeof(x->id));
		x->n = 0;
		x->end = (struct line_mark){0};
	}
	mtx_unlock(&all->mtx);
	return x;
}

static void leave(struct line_indexes *all, struct index *x)
{
	mtx_lock(&all->mtx);
	x->busy = false;
	cond_broadcast(&all->freed);
	mtx_unlock(&all->mtx);
}

/* -- the marks --------------------------------------------------------- */

static void add_mark(struct index *x, const struct line_mark *m)
{
	const struct line_mark *last = x->n > 0 ? &x->marks[x->n - 1] : NULL;

	if (last != NULL && m->at - last->at < MARK_BYTES &&
	    m->entry - last->entry < MARK_ENTRIES)
		return;
	if (x->n == x->cap) {
		x->cap = x->cap > 0 ? x->cap * 2 : 16;
		x->marks = mem_realloc(x->marks, x->cap * sizeof(*x->marks));
	}
	x->marks[x->n++] = *m;
}

/* Up to the end of what may be read now. */
static int extend(struct index *x, struct spool_shared *shared,
    const struct log_view *view, struct err *err)
{
	CLEANUP(line_walk_end) struct line_walk w = {0};
	struct line_piece piece;
	int more;

	if (view->size[FILE_TEXT] < x->end.at) { /* removed, and begun anew */
		x->n = 0;
		x->end = (struct line_mark){0};
	}
	add_mark(x, &x->end);
	if (x->end.at == view->size[FILE_TEXT])
		return 0;
	TRY(line_walk_begin(&w, shared, view, &x->end, err));
	while ((more = line_walk_next(&w, &piece, err)) > 0 &&
	       w.looked < INDEX_WALK_MAX)
		add_mark(x, &w.mark);
	x->end = w.mark; /* also before an error: the marks stand up to here */
	TRY(more);
	if (more == 0)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "log_indexing",
	    "the log is long and its lines are still being counted (%llu MiB "
	    "so far): ask again",
	    (unsigned long long)(x->end.at >> 20));
}

static const struct line_mark *nearest(const struct index *x, uint64_t line)
{
	size_t low = 0, high = x->n; /* marks[low] is at or before it */

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (line_mark_first(&x->marks[middle]) <= line)
			low = middle;
		else
			high = middle;
	}
	return &x->marks[low];
}

int line_index_find(struct line_indexes *all, struct spool_shared *shared,
    uint64_t line, struct line_mark *ret, uint64_t *ret_total,
    struct log_view *ret_view, struct err *err)
{
	struct index *x = enter(all, shared->id);
	int r = shared_view(shared, ret_view, err);

	if (r == 0)
		r = extend(x, shared, ret_view, err);
	if (r == 0) {
		*ret_total = line_mark_first(&x->end);
		*ret = *nearest(x, line);
	}
	leave(all, x);
	return r;
}
