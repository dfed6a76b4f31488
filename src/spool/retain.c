/*
 * Removing logs: one by name, or the oldest ended ones when they are too
 * old or too large together. What ended when stands only on the disk, so
 * retention walks all directories, but rarely: a walk yields the
 * CANDIDATES_MAX oldest logs, which serve until they are used up, and with
 * nothing due there is no walk at all. Called by a chore thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "spool/spool_internal.h"

/* -- one log ----------------------------------------------------------- */

/* The index last: while it stands, a log that a crash left half removed is
 * still found by the next walk. */
static int unlink_files(const struct spool *s, const char *id, struct err *err)
{
	char path[SPOOL_PATH_BYTES];

	for (int i = 0; i < FILE_COUNT; i++) {
		files_path(s, id, (enum spool_file)i, path);
		if (unlink(path) < 0 && errno != ENOENT)
			return err_sys(err, errno, "remove %s", path);
		FAULT("spool_remove");
	}
	return 0;
}

/* Followers see the end; whoever asks anew finds nothing. */
static void let_go(struct spool_shared *sh, bool removed, bool counted,
    const struct account_item *before)
{
	struct spool *s = sh->spool;

	mtx_lock(&s->mtx);
	sh->has_writer = false;
	if (removed) {
		if (counted)
			account_sub_locked(s, before);
		s->generation[files_dir_of(sh->id)]++;
		shared_detach_locked(s, sh);
	} else if (!counted) {
		account_give_locked(s, sh->id, before);
	}
	mtx_lock(&sh->mtx);
	if (removed) {
		sh->view.ended = true;
		sh->view_known = true;
		watch_wake_locked(sh);
	}
	mtx_unlock(&sh->mtx);
	mtx_unlock(&s->mtx);
}

/* 1 removed, 0 there was nothing or (only_ended) it has not ended, -1. */
static int remove_log(
    struct spool *s, const char *id, bool only_ended, struct err *err)
{
	CLEANUP(shared_put) struct spool_shared *sh = shared_get(s, id);
	struct account_item before = {0};
	struct walked log;
	bool counted, wanted;
	int r = 0;

	TRY(shared_reserve(sh, &counted, err));
	if (account_look(s, id, &log) > 0)
		before = (struct account_item){
		    .bytes = log.bytes, .ended = log.ended, .exists = true};
	wanted = !only_ended || before.ended;
	if (wanted)
		r = unlink_files(s, id, err);
	let_go(sh, wanted && r == 0, counted, &before);
	if (r < 0)
		return -1;
	return wanted && before.exists ? 1 : 0;
}

int spool_remove(struct spool *s, const char *id, struct err *err)
{
	char name[UUID_TEXT_LEN];

	TRY(shared_id(id, name, err));
	return remove_log(s, name, false, err) < 0 ? -1 : 0;
}

/* -- candidates -------------------------------------------------------- */

/* A heap with the youngest on top, so that an older one replaces it. */
static void sift_down(struct candidate *heap, size_t len, size_t at)
{
	for (;;) {
		size_t big = at, left = 2 * at + 1, right = left + 1;
		struct candidate tmp;

		if (left < len && heap[left].ended_ns > heap[big].ended_ns)
			big = left;
		if (right < len && heap[right].ended_ns > heap[big].ended_ns)
			big = right;
		if (big == at)
			return;
		tmp = heap[at];
		heap[at] = heap[big];
		heap[big] = tmp;
		at = big;
	}
}

static void sift_up(struct candidate *heap, size_t at)
{
	while (at > 0) {
		size_t parent = (at - 1) / 2;
		struct candidate tmp;

		if (heap[parent].ended_ns >= heap[at].ended_ns)
			return;
		tmp = heap[at];
		heap[at] = heap[parent];
		heap[parent] = tmp;
		at = parent;
	}
}

static void offer(void *arg, const struct walked *log)
{
	struct spool *s = arg;
	struct candidate c = {.ended_ns = log->ended_ns};

	if (!log->ended)
		return;
	memcpy(c.id, log->id, UUID_TEXT_LEN);
	if (s->candidates_len < CANDIDATES_MAX) {
		s->candidates[s->candidates_len] = c;
		sift_up(s->candidates, s->candidates_len++);
	} else if (c.ended_ns < s->candidates[0].ended_ns) {
		s->candidates[0] = c;
		sift_down(s->candidates, s->candidates_len, 0);
	}
}

static int oldest_first(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->ended_ns != y->ended_ns)
		return x->ended_ns < y->ended_ns ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* Full: there may be more ended logs than were kept, younger than these. */
static int walk(struct spool *s, struct err *err)
{
	if (s->candidates == NULL)
		s->candidates =
		    mem_calloc(CANDIDATES_MAX, sizeof(struct candidate));
	s->candidates_len = 0;
	s->candidates_at = 0;
	mtx_lock(&s->mtx);
	s->ended_since_walk_ns = INT64_MAX;
	mtx_unlock(&s->mtx);
	for (unsigned dir = 0; dir < SPOOL_DIRS; dir++)
		TRY(account_walk_dir(s, dir, offer, s, err));
	s->candidates_full = s->candidates_len == CANDIDATES_MAX;
	qsort(s->candidates, s->candidates_len, sizeof(struct candidate),
	    oldest_first);
	return 0;
}

/* -- what is due ------------------------------------------------------- */

struct due {
	int64_t missed_ns; /* the earliest end that the walk did not see */
	uint64_t ended_bytes;
};

/* The sizes are known once the first count is through. */
static struct due look_at_account(struct spool *s)
{
	struct due due;

	mtx_lock(&s->mtx);
	while (s->scanned_dirs < SPOOL_DIRS)
		cond_wait(&s->scanned, &s->mtx);
	due.missed_ns = s->ended_since_walk_ns;
	due.ended_bytes = s->account.ended_bytes;
	mtx_unlock(&s->mtx);
	return due;
}

static bool is_due(const struct spool *s, const struct due *due,
    int64_t ended_ns, int64_t now_ns)
{
	if (s->total_bytes_max > 0 && due->ended_bytes > s->total_bytes_max)
		return true;
	return s->age_max_ms > 0 &&
	       (ended_ns == INT64_MIN ||
		   (now_ns - ended_ns) / CLOCK_NS_PER_MS > s->age_max_ms);
}

/* The oldest end known; INT64_MAX: none. After a walk that left some out,
 * they count as just behind the last one kept. */
static int64_t oldest_known(const struct spool *s, const struct due *due)
{
	if (s->candidates_at < s->candidates_len &&
	    s->candidates[s->candidates_at].ended_ns <= due->missed_ns)
		return s->candidates[s->candidates_at].ended_ns;
	if (s->candidates_full && s->candidates_at == s->candidates_len)
		return INT64_MIN;
	return due->missed_ns;
}

enum retained { RETAIN_DONE, RETAIN_REMOVED, RETAIN_AGAIN };

/* One of enum retained, or -1. */
static int retain_one(struct spool *s, int64_t now_ns, struct err *err)
{
	struct due due = look_at_account(s);
	int64_t oldest = oldest_known(s, &due);
	struct candidate *c;
	int r;

	if (oldest == INT64_MAX || !is_due(s, &due, oldest, now_ns))
		return RETAIN_DONE;
	if (s->candidates_at == s->candidates_len ||
	    s->candidates[s->candidates_at].ended_ns > oldest) {
		TRY(walk(s, err));
		return RETAIN_AGAIN;
	}
	c = &s->candidates[s->candidates_at];
	r = remove_log(s, c->id, true, err);
	s->candidates_at++;
	if (r < 0 && err->kind == ERR_CONFLICT) {
		err_clear(err); /* it is written again: no longer ended */
		return RETAIN_AGAIN;
	}
	if (r < 0)
		return -1;
	return r > 0 ? RETAIN_REMOVED : RETAIN_AGAIN;
}

int spool_retain(struct spool *s, int64_t now_wall_ns, struct err *err)
{
	int removed = 0, r;

	mtx_lock(&s->retain_mtx);
	while ((r = retain_one(s, now_wall_ns, err)) > RETAIN_DONE)
		if (r == RETAIN_REMOVED)
			removed++;
	mtx_unlock(&s->retain_mtx);
	return r < 0 ? -1 : removed;
}
