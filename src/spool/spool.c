/*
 * ~ The spool keeps what jobs print. Read layout.h for what stands on the
 * disk, spool_internal.h for who owns what, then append.c and cursor.c: the
 * way in and the way out.
 *
 * This file: opening and closing the spool, and its one thread. The flusher
 * puts dirty logs on the disk each second, frees closed writers, and after
 * the start counts what is stored, a directory at a time in between.
 */
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/line_index.h"
#include "spool/spool_internal.h"

#define LOG_BYTES_MAX_DEFAULT (256u * 1024 * 1024)
#define FLUSH_EVERY_NS        CLOCK_NS_PER_S

/* The real clock even when a test fakes time: disks do not play along. */
static int64_t real_mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * CLOCK_NS_PER_S + ts.tv_nsec;
}

/* -- the flusher ------------------------------------------------------- */

static void flush_one(struct spool_log *log)
{
	struct spool *s = log->spool;
	struct err err = ERR_INIT;
	bool did;

	if (log_flush(log, true, &did, &err) < 0)
		log_debug(NULL, "cannot sync a log, spool_sync will tell",
		    LOG_STR("log", log->shared->id), LOG_ERR(&err));
	if (!did)
		return;
	mtx_lock(&s->mtx);
	s->flushes++;
	mtx_unlock(&s->mtx);
}

/* Only this thread frees writers: those found stay valid while it works. */
static void flush_writers(struct spool *s)
{
	CLEANUP(mem_free) struct spool_log **all = NULL;
	size_t n = 0, i = 0;

	mtx_lock(&s->mtx);
	for (struct spool_log *log = s->writers; log != NULL; log = log->next)
		n++;
	all = mem_calloc(n + 1, sizeof(struct spool_log *));
	for (struct spool_log *log = s->writers; log != NULL; log = log->next)
		all[i++] = log;
	mtx_unlock(&s->mtx);
	for (i = 0; i < n; i++)
		flush_one(all[i]);
}

static void dispose_closing(struct spool *s)
{
	struct spool_log *log, *next;

	mtx_lock(&s->mtx);
	log = s->closing;
	s->closing = NULL;
	mtx_unlock(&s->mtx);
	for (; log != NULL; log = next) {
		next = log->next;
		flush_one(log);
		log_dispose(log);
		mtx_lock(&s->mtx);
		s->closing_count--;
		cond_broadcast(&s->closed_some);
		mtx_unlock(&s->mtx);
	}
}

static bool flush_is_due(struct spool *s, int64_t next_flush_ns)
{
	bool wanted;

	mtx_lock(&s->mtx);
	wanted = s->flush_soon;
	s->flush_soon = false;
	mtx_unlock(&s->mtx);
	return wanted || real_mono_ns() >= next_flush_ns;
}

/* Sleeps until there is something to do. Without writers nothing gets
 * dirty, so an idle hub is not woken. */
static void wait_for_work(struct spool *s, int64_t next_flush_ns)
{
	mtx_lock(&s->mtx);
	if (s->closing == NULL && !s->stopping && !s->flush_soon)
		IGNORE(cond_wait_until(&s->flusher_wake, &s->mtx,
		    s->writers != NULL
			? next_flush_ns
			: CLOCK_NO_DEADLINE)); /* woken or not: look again */
	mtx_unlock(&s->mtx);
}

static void *flusher_main(void *arg)
{
	struct spool *s = arg;
	int64_t next_flush_ns = real_mono_ns() + FLUSH_EVERY_NS;
	bool scanning = true, stopping = false;

	while (!stopping) {
		mtx_lock(&s->mtx);
		stopping = s->stopping;
		mtx_unlock(&s->mtx);
		dispose_closing(s);
		if (flush_is_due(s, next_flush_ns)) {
			flush_writers(s);
			next_flush_ns = real_mono_ns() + FLUSH_EVERY_NS;
		}
		if (scanning)
			scanning = account_scan_step(s);
		else if (!stopping)
			wait_for_work(s, next_flush_ns);
	}
	return NULL;
}

/* -- open, close, totals ----------------------------------------------- */

int spool_open(
    struct spool **ret, const struct spool_config *config, struct err *err)
{
	struct spool *s;

	if (strlen(config->dir) > SPOOL_PATH_BYTES - 64)
		return err_set(err, ERR_INVALID, NULL,
		    "the directory name of the logs is too long");
	TRY(fs_mkdir_p(config->dir, 0700, err));
	s = mem_zalloc(sizeof(*s));
	s->dir = mem_strdup(config->dir);
	s->log_bytes_max = config->log_bytes_max > 0
			       ? (uint64_t)config->log_bytes_max
			       : LOG_BYTES_MAX_DEFAULT;
	if (config->total_bytes_max > 0)
		s->total_bytes_max = (uint64_t)config->total_bytes_max;
	if (config->age_max_ms > 0)
		s->age_max_ms = config->age_max_ms;
	s->ended_since_walk_ns = INT64_MIN; /* nothing was walked yet */
	mtx_init(&s->mtx, "spool");
	mtx_init(&s->retain_mtx, "spool_retain");
	cond_init(&s->flusher_wake);
	cond_init(&s->closed_some);
	cond_init(&s->scanned);
	s->line_indexes = line_indexes_new();
	if (thread_start(&s->flusher, "spool-flush", flusher_main, s, err) <
	    0) {
		line_indexes_free(s->line_indexes);
		mem_free(s->dir);
		mem_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

/* Everything opened from it must be closed before. */
void spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	mtx_lock(&s->mtx);
	ASSERT(s->writers == NULL);
	s->stopping = true;
	cond_signal(&s->flusher_wake);
	mtx_unlock(&s->mtx);
	thread_join(s->flusher);
	ASSERT(s->closing == NULL);
	ASSERT(s->shared_count == 0);
	line_indexes_free(s->line_indexes);
	cond_fini(&s->scanned);
	cond_fini(&s->closed_some);
	cond_fini(&s->flusher_wake);
	mtx_fini(&s->retain_mtx);
	mtx_fini(&s->mtx);
	mem_free(s->candidates);
	mem_free(s->unended);
	mem_free(s->dir);
	mem_free(s);
}

/* Logs with a writer are counted as they stand now. */
static void add_writers_locked(struct spool *s, struct spool_totals *t)
{
	for (struct spool_log *log = s->writers; log != NULL; log = log->next) {
		struct spool_shared *sh = log->shared;

		mtx_lock(&sh->mtx);
		t->stored_bytes += ring_bytes(sh->view.size, sh->view.begin);
		t->bytes_written += log->written;
		mtx_unlock(&sh->mtx);
		t->logs++;
	}
}

void spool_totals(struct spool *s, struct spool_totals *ret)
{
	struct statvfs fs;

	*ret = (struct spool_totals){0};
	mtx_lock(&s->mtx);
	ret->stored_bytes = s->account.bytes;
	ret->logs = s->account.logs;
	ret->bytes_written = s->bytes_written;
	add_writers_locked(s, ret);
	mtx_unlock(&s->mtx);
	if (statvfs(s->dir, &fs) == 0)
		ret->disk_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
}
