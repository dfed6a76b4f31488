/*
 * The life of a writer: open (with recovery), sync, finish, close. Called
 * by the thread that carries the job; log_flush also by the flusher, which
 * alone closes the files and frees the writer (log_dispose).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_internal.h"

#define SCRATCH_MAX (80u * 1024 * 1024)
#define CLOSING_MAX 64 /* writers whose files wait to be synced */

void log_dispose(struct spool_log *log)
{
	for (int i = 0; i < FILE_COUNT; i++)
		fd_close(log->fd[i]);
	buf_fini(&log->text);
	buf_fini(&log->notes);
	buf_fini(&log->index);
	shared_put(log->shared);
	log->magic = 0;
	mem_free(log);
}

/* -- open -------------------------------------------------------------- */

static int open_files(struct spool_log *log, struct err *err)
{
	struct spool *s = log->spool;
	int r;

	for (int i = 0; i < FILE_COUNT; i++) {
		r = files_open(s, log->shared->id, (enum spool_file)i, O_RDWR,
		    &log->fd[i], err);
		if (r < 0)
			return -1;
		if (r > 0)
			continue;
		r = files_open(s, log->shared->id, (enum spool_file)i,
		    O_RDWR | O_CREAT, &log->fd[i], err);
		if (r < 0)
			return -1;
		if (r == 0)
			return err_set(err, ERR_UNAVAILABLE, "log_gone",
			    "the directory of log %s was removed while it was "
			    "opened",
			    log->shared->id);
		log->dirty |= LOG_DIRTY_NAMES;
	}
	return 0;
}

/* Writes a fresh header, also over one that says "ended". */
static int write_header(struct spool_log *log, struct err *err)
{
	struct layout_header header = {.ended = false};
	uint8_t raw[LAYOUT_HEADER_LEN];

	ring_begin_put(log, &header);
	layout_header_put(raw, &header);
	TRY(files_write(log->fd[FILE_INDEX], 0, raw, sizeof(raw), err));
	log->dirty |= 1u << FILE_INDEX;
	return 0;
}

static int cut(struct spool_log *log, enum spool_file file, struct err *err)
{
	uint64_t on_disk;

	TRY(files_size(log->fd[file], &on_disk, err));
	if (on_disk <= log->size[file])
		return 0;
	if (ftruncate(log->fd[file], (off_t)log->size[file]) < 0)
		return err_sys(err, errno, "cut a log file to its last record");
	log->dirty |= 1u << file;
	return 0;
}

/* The index goes first: should we die in between, no entry may speak of
 * text that is gone. */
static int recover(struct spool_log *log, struct err *err)
{
	struct recovered r;

	TRY(recover_scan(log->fd, &r, err));
	log->before.ended = r.header.ended;
	memcpy(log->size, r.size, sizeof(log->size));
	ring_begin_get(&r.header, log->begin);
	log->agent_off = r.agent_off;
	log->capped = r.capped;
	log->cap_step = r.cap_step;
	log->last_is_progress = r.last_is_progress;
	TRY(cut(log, FILE_INDEX, err));
	if (!r.has_header || r.header.ended)
		TRY(write_header(log, err));
	log->size[FILE_INDEX] =
	    r.has_header ? r.size[FILE_INDEX] : LAYOUT_HEADER_LEN;
	FAULT("spool_recover_index_cut");
	TRY(cut(log, FILE_NOTE, err));
	TRY(cut(log, FILE_TEXT, err));
	ring_punch(log); /* what a crash left to be done */
	return 0;
}

/* The log could not be opened: all is as it was. */
static void unreserve(struct spool_log *log, bool counted)
{
	struct spool *s = log->spool;

	mtx_lock(&s->mtx);
	log->shared->has_writer = false;
	if (!counted)
		account_give_locked(s, log->shared->id, &log->before);
	mtx_unlock(&s->mtx);
}

static int open_reserved(struct spool_log *log, struct err *err)
{
	uint64_t size[FILE_COUNT];

	TRY(open_files(log, err));
	for (int i = 0; i < FILE_COUNT; i++)
		TRY(files_size(log->fd[i], &size[i], err));
	log->before.exists = size[FILE_INDEX] > 0;
	TRY(recover(log, err));
	log->before.bytes = ring_bytes(size, log->begin);
	return 0;
}

/* From here on readers see the writer's view. */
static void enlist(struct spool_log *log, bool counted)
{
	struct spool *s = log->spool;
	struct spool_shared *sh = log->shared;

	mtx_lock(&s->mtx);
	if (counted)
		account_sub_locked(s, &log->before);
	log->next = s->writers;
	s->writers = log;
	cond_signal(&s->flusher_wake);
	mtx_lock(&sh->mtx);
	memcpy(sh->view.size, log->size, sizeof(sh->view.size));
	memcpy(sh->view.begin, log->begin, sizeof(sh->view.begin));
	sh->view.exists = true;
	sh->view.ended = false;
	sh->view_known = true;
	mtx_unlock(&sh->mtx);
	mtx_unlock(&s->mtx);
}

int spool_log_open(struct spool *s, const char *id, struct spool_log **ret,
    uint64_t *ret_agent_off, struct err *err)
{
	char name[UUID_TEXT_LEN];
	struct spool_log *log;
	bool counted;

	TRY(shared_id(id, name, err));
	log = mem_zalloc(sizeof(*log));
	log->magic = LOG_MAGIC;
	log->spool = s;
	log->shared = shared_get(s, name);
	for (int i = 0; i < FILE_COUNT; i++)
		log->fd[i] = -1;
	buf_init(&log->text, SCRATCH_MAX);
	buf_init(&log->notes, SCRATCH_MAX);
	buf_init(&log->index, SCRATCH_MAX);
	if (shared_reserve(log->shared, &counted, err) < 0) {
		log_dispose(log);
		return -1;
	}
	if (open_reserved(log, err) < 0) {
		unreserve(log, counted);
		log_dispose(log);
		return err_wrap(err, "open log %s", name);
	}
	enlist(log, counted);
	*ret = log;
	*ret_agent_off = log->agent_off;
	return 0;
}

/* -- sync -------------------------------------------------------------- */

/* The names of new files are on disk once their directory is, and that of
 * the directory once its parent is. */
static int sync_dirs(const struct spool_log *log, struct err *err)
{
	const struct spool *s = log->spool;
	char path[SPOOL_PATH_BYTES];

	files_dir_path(s, files_dir_of(log->shared->id), path);
	for (int i = 0; i < 2; i++) {
		CLEANUP(fd_close) int fd = open(
		    i == 0 ? path : s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 || fsync(fd) < 0)
			return err_sys(err, errno, "sync directory %s",
			    i == 0 ? path : s->dir);
	}
	return 0;
}

/* Text and notes before the index that speaks of them. */
static int sync_files(
    const struct spool_log *log, unsigned what, struct err *err)
{
	for (int i = 0; i < FILE_COUNT; i++)
		if ((what & 1u << i) && fdatasync(log->fd[i]) < 0)
			return err_sys(err, errno, "sync log %s%s",
			    log->shared->id, file_suffix[i]);
	return (what & LOG_DIRTY_NAMES) ? sync_dirs(log, err) : 0;
}

/*
 * The writer syncs also what the flusher has in hand: its call may not have
 * returned yet, and only a returned fdatasync promises anything. A failure
 * met by the flusher is kept for the next spool_sync: the kernel tells it
 * only once.
 */
int log_flush(
    struct spool_log *log, bool by_flusher, bool *ret_did, struct err *err)
{
	struct spool_shared *sh = log->shared;
	unsigned what;
	int r;

	mtx_lock(&sh->mtx);
	what = log->dirty | (by_flusher ? 0 : log->syncing);
	log->dirty = 0;
	if (by_flusher)
		log->syncing = what;
	mtx_unlock(&sh->mtx);
	r = sync_files(log, what, err);
	mtx_lock(&sh->mtx);
	if (by_flusher)
		log->syncing = 0;
	if (r < 0) {
		log->dirty |= what;
		log->sync_failed = log->sync_failed || by_flusher;
	}
	mtx_unlock(&sh->mtx);
	*ret_did = what != 0;
	return r;
}

void spool_sync_soon(struct spool_log *log)
{
	struct spool *s = log->spool;

	MAGIC_CHECK(log, LOG_MAGIC);
	mtx_lock(&s->mtx);
	s->flush_soon = true;
	cond_signal(&s->flusher_wake);
	mtx_unlock(&s->mtx);
}

int spool_sync(struct spool_log *log, struct err *err)
{
	bool failed, did;

	MAGIC_CHECK(log, LOG_MAGIC);
	TRY(log_flush(log, false, &did, err));
	mtx_lock(&log->shared->mtx);
	failed = log->sync_failed;
	log->sync_failed = false;
	mtx_unlock(&log->shared->mtx);
	if (failed)
		return err_set(err, ERR_INTERNAL, "log_sync",
		    "log %s: the disk failed to take earlier output",
		    log->shared->id);
	return 0;
}

/* -- publish ----------------------------------------------------------- */

static void tail_put(struct tail *t, uint64_t off, const char *data, size_t len)
{
	size_t at, first;

	if (t->end != off)
		t->start = t->end = off;
	if (len > TAIL_BYTES) {
		off += len - TAIL_BYTES;
		data += len - TAIL_BYTES;
		len = TAIL_BYTES;
		t->start = off;
	}
	at = off % TAIL_BYTES;
	first = TAIL_BYTES - at < len ? TAIL_BYTES - at : len;
	memcpy(t->data + at, data, first);
	memcpy(t->data, data + first, len - first);
	t->end = off + len;
	if (t->end - t->start > TAIL_BYTES)
		t->start = t->end - TAIL_BYTES;
}

static void tail_feed_locked(struct spool_shared *sh, enum spool_file file,
    uint64_t off, const char *data, size_t len)
{
	struct tail *t = &sh->tail[file];

	if (!sh->tail_wanted[file] || len == 0)
		return;
	if (t->data == NULL) {
		t->data = mem_alloc(TAIL_BYTES);
		t->start = t->end = off;
	}
	tail_put(t, off, data, len);
}

void log_publish(struct spool_log *log, const struct publication *p)
{
	struct spool_shared *sh = log->shared;

	mtx_lock(&sh->mtx);
	tail_feed_locked(
	    sh, FILE_TEXT, sh->view.size[FILE_TEXT], p->text, p->text_len);
	tail_feed_locked(sh, FILE_INDEX, p->index_at, p->index, p->index_len);
	memcpy(sh->view.size, log->size, sizeof(sh->view.size));
	log->dirty |= p->dirty;
	log->written += p->written;
	watch_wake_locked(sh);
	mtx_unlock(&sh->mtx);
}

/* -- finish and close -------------------------------------------------- */

/*
 * Takes the writer from its thread. The flusher syncs what is left and
 * frees it; when it falls behind, closers wait, so that the descriptors
 * held stay bounded.
 */
static void hand_to_flusher(struct spool_log *log, bool ended)
{
	struct spool *s = log->spool;
	struct account_item now = {.bytes = ring_bytes(log->size, log->begin),
	    .exists = true,
	    .ended = ended};
	struct spool_log **p;

	mtx_lock(&s->mtx);
	for (p = &s->writers; *p != log; p = &(*p)->next)
		ASSERT(*p != NULL);
	*p = log->next;
	s->bytes_written += log->written;
	log->shared->has_writer = false;
	account_give_locked(s, log->shared->id, &now);
	if (ended && log->ended_ns < s->ended_since_walk_ns)
		s->ended_since_walk_ns = log->ended_ns;
	while (s->closing_count >= CLOSING_MAX)
		cond_wait(&s->closed_some, &s->mtx);
	log->next = s->closing;
	s->closing = log;
	s->closing_count++;
	cond_signal(&s->flusher_wake);
	mtx_unlock(&s->mtx);
}

void spool_log_finish(struct spool_log *log, int64_t wall_ns)
{
	struct layout_header header = {.ended = true, .ended_ns = wall_ns};
	struct spool_shared *sh = log->shared;
	struct err err = ERR_INIT;
	uint8_t raw[LAYOUT_HEADER_LEN];
	bool written;

	MAGIC_CHECK(log, LOG_MAGIC);
	FAULT("spool_before_finish");
	ring_begin_put(log, &header);
	layout_header_put(raw, &header);
	written =
	    files_write(log->fd[FILE_INDEX], 0, raw, sizeof(raw), &err) == 0;
	if (!written) /* spool_finish does it after the next start */
		log_debug(NULL, "cannot mark the end of a log",
		    LOG_STR("log", sh->id), LOG_ERR(&err));
	log->ended_ns = wall_ns;
	mtx_lock(&sh->mtx);
	log->dirty |= 1u << FILE_INDEX;
	sh->view.ended = true;
	sh->view.ended_ns = wall_ns;
	watch_wake_locked(sh);
	mtx_unlock(&sh->mtx);
	hand_to_flusher(log, written);
}

void spool_log_close(struct spool_log *log)
{
	MAGIC_CHECK(log, LOG_MAGIC);
	hand_to_flusher(log, false);
}

/* The writer's way serves here too: it recovers what a crash left. */
void spool_finish(struct spool *s, const char *id, int64_t wall_ns)
{
	struct spool_stat stat;
	struct spool_log *log;
	struct err err = ERR_INIT;
	uint64_t agent_off;

	if (spool_stat(s, id, &stat, &err) < 0 || !stat.exists || stat.ended ||
	    spool_log_open(s, id, &log, &agent_off, &err) < 0) {
		if (err.kind != ERR_NONE)
			log_debug(NULL, "cannot end a log", LOG_STR("log", id),
			    LOG_ERR(&err));
		return;
	}
	spool_log_finish(log, wall_ns);
}
