/*
 * What the files of this folder share; nobody else includes it but the
 * tests.
 *
 * Ownership. A `struct spool_shared` is what all users of one log have in
 * common while there is at least one: writer, cursors, watches, a call in
 * progress. It is counted, not owned, because its users come and go on many
 * threads in any order and none outlives the others by design; the count
 * lives under spool->mtx beside the table, and the last put frees it. A log
 * that nobody uses costs no memory. A `struct spool_log` (the writer) is
 * used by one thread and freed by the flusher only, so the flusher may look
 * at every writer without holding a lock over its fdatasync.
 *
 * Locks: spool->mtx before shared->mtx. No file is touched under either.
 */
#ifndef SPOOL_INTERNAL_H
#define SPOOL_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/thread.h"
#include "base/uuid.h"
#include "spool/layout.h"
#include "spool/spool.h"

#define SHARED_BUCKETS   1024
#define SPOOL_DIRS       256 /* "00" to "ff" */
#define TAIL_BYTES       (256 * 1024)
#define CANDIDATES_MAX   1024
#define SPOOL_PATH_BYTES 4096

enum spool_file { FILE_TEXT, FILE_NOTE, FILE_INDEX, FILE_COUNT };

/* The last bytes of a file that grows, so that readers at its end need no
 * file read. A ring: file byte `off` stands at off % TAIL_BYTES. */
struct tail {
	char *data;
	uint64_t start;
	uint64_t end;
};

/* What readers may believe of a log: everything below these sizes is
 * written and belongs to whole records. */
struct log_view {
	uint64_t size[FILE_COUNT];
	uint64_t begin[FILE_COUNT]; /* before it a ring has forgotten all; of
				       the index: entries, not the header */
	int64_t ended_ns;
	bool ended;
	bool exists;
};

struct spool_shared {
	unsigned magic;
	char id[UUID_TEXT_LEN];
	struct spool *spool;

	/* guarded by spool->mtx */
	struct spool_shared *next; /* in its bucket */
	unsigned refs;
	bool has_writer; /* or is being removed: nobody else may write */
	bool detached;   /* removed: no longer in the table */

	struct mtx mtx;
	/* guarded by mtx */
	struct log_view view;
	bool view_known;
	int fd[FILE_COUNT]; /* for reading, -1 until needed */
	struct tail tail[FILE_COUNT];
	bool tail_wanted[FILE_COUNT];
	unsigned followers; /* who read on as it grows */
	struct spool_watch *watches;
};

/* Beside the bits of the files: new names that a crash could still lose. */
#define LOG_DIRTY_NAMES (1u << FILE_COUNT)

#define SHARED_MAGIC 0x53504c53u
#define LOG_MAGIC    0x53504c4cu
#define CURSOR_MAGIC 0x53504c43u

/* Bytes and counts of the logs without a writer. */
struct account {
	uint64_t bytes;
	uint64_t ended_bytes;
	uint64_t logs;
};

/* What one log adds to it. */
struct account_item {
	uint64_t bytes;
	bool ended;
	bool exists;
};

struct candidate {
	char id[UUID_TEXT_LEN];
	int64_t ended_ns;
};

struct spool {
	char *dir;
	uint64_t log_bytes_max;
	uint64_t total_bytes_max;
	int64_t age_max_ms;

	struct mtx mtx;
	/* guarded by mtx */
	struct spool_shared *buckets[SHARED_BUCKETS];
	struct spool_log *writers;
	struct spool_log *closing; /* the flusher's: sync, close, free */
	unsigned closing_count;
	unsigned shared_count;
	uint64_t bytes_written; /* by writers that are closed */
	uint64_t flushes;       /* logs the flusher has put on disk */
	bool stopping;
	bool flush_soon; /* do not wait for the second to end */
	struct cond flusher_wake;
	struct cond closed_some;

	/* Accounting, guarded by mtx; see account.c */
	struct account account;
	unsigned scanned_dirs;           /* those below are counted */
	uint32_t generation[SPOOL_DIRS]; /* changed by every open and close */
	struct cond scanned;
	char (*unended)[UUID_TEXT_LEN]; /* what the first count met */
	size_t unended_len;
	int64_t ended_since_walk_ns; /* earliest end that the walk missed */

	/* The oldest ended logs as the last walk saw them; spool_retain's. */
	struct mtx retain_mtx; /* one retention at a time; held over files */
	struct candidate *candidates;
	size_t candidates_len;
	size_t candidates_at;
	bool candidates_full; /* there may be more than were kept */

	struct line_indexes *line_indexes; /* see line_index.h */

	pthread_t flusher;
};

struct spool_log {
	unsigned magic;
	struct spool_log *next; /* guarded by spool->mtx */
	struct spool *spool;
	struct spool_shared *shared; /* counted */

	/* the writer's thread only */
	int fd[FILE_COUNT]; /* closed by the flusher */
	uint64_t size[FILE_COUNT];
	uint64_t begin[FILE_COUNT]; /* as in the view */
	uint64_t agent_off;
	bool ring;
	bool capped;
	uint16_t cap_step; /* the last step that was told so */
	bool last_is_progress;
	bool undo_pending; /* a failed append is still to be cut off */
	int64_t ended_ns;
	struct account_item before;    /* as the account knew it */
	struct buf text, notes, index; /* of one append */

	/* guarded by shared->mtx */
	unsigned dirty;   /* 1 << file: written since the last sync */
	unsigned syncing; /* the same bits: the flusher is at it */
	bool sync_failed; /* met by the flusher, told by spool_sync */
	uint64_t written;
};

/* -- shared.c ---------------------------------------------------------- */
/* Checks and normalises an id (lower case). */
int shared_id(
    const char *id, char ret[UUID_TEXT_LEN], struct err *err) MUST_CHECK;
/* `id` normalised. Never NULL. */
struct spool_shared *shared_get(struct spool *s, const char *id);
struct spool_shared *shared_find_locked(struct spool *s, const char *id);
void shared_detach_locked(struct spool *s, struct spool_shared *sh);
void shared_put(struct spool_shared *sh);
DEFINE_CLEANUP(struct spool_shared *, shared_put);
/* Takes the place of the one writer, or ERR_CONFLICT. ret_counted: the log
 * is in the account as it was before. */
int shared_reserve(
    struct spool_shared *sh, bool *ret_counted, struct err *err) MUST_CHECK;
/* What may be read now; looks at the files when nothing is known yet. */
int shared_view(
    struct spool_shared *sh, struct log_view *ret, struct err *err) MUST_CHECK;
/* Exactly len bytes that lie below the view's size. ERR_NOT_FOUND
 * FORGOTTEN: a ring has forgotten some of them, now or before. */
#define FORGOTTEN "log_forgotten"
int shared_read(struct spool_shared *sh, enum spool_file file, uint64_t off,
    void *out, size_t len, struct err *err) MUST_CHECK;
/* The next appends are to be kept in memory: a cursor waits at the edge. */
void shared_want_tail(struct spool_shared *sh, enum spool_file file);
/* Counts who reads on as it grows; the last one to leave takes the newest
 * bytes in memory along. */
void shared_follow(struct spool_shared *sh);
void shared_unfollow(struct spool_shared *sh);

/* -- files.c ----------------------------------------------------------- */
extern const char *const file_suffix[FILE_COUNT];
unsigned files_dir_of(const char *id); /* 0..255 */
void files_path(const struct spool *s, const char *id, enum spool_file file,
    char out[SPOOL_PATH_BYTES]);
void files_dir_path(
    const struct spool *s, unsigned dir, char out[SPOOL_PATH_BYTES]);
/* 1 opened, 0 does not exist, -1. */
int files_open(const struct spool *s, const char *id, enum spool_file file,
    int flags, int *ret_fd, struct err *err) MUST_CHECK;
int files_size(int fd, uint64_t *ret, struct err *err) MUST_CHECK;
/* Reads up to len bytes; fewer only at the end of the file. */
int files_read(int fd, uint64_t off, void *out, size_t len, size_t *ret,
    struct err *err) MUST_CHECK;
/* All or an error ("disk_full" when that is the reason). */
int files_write(int fd, uint64_t off, const void *data, size_t len,
    struct err *err) MUST_CHECK;

/* -- ring.c ------------------------------------------------------------ */
/* Forgets what must go so that a batch of so much fits. */
int ring_make_room(struct spool_log *log, const struct spool_record *recs,
    size_t n, struct err *err) MUST_CHECK;
/* Gives the disk back what was forgotten. */
void ring_punch(struct spool_log *log);
/* What the header of this log says of its begin; and back. */
void ring_begin_put(const struct spool_log *log, struct layout_header *header);
void ring_begin_get(
    const struct layout_header *header, uint64_t ret[FILE_COUNT]);
/* Bytes on the disk of files of these sizes that begin there. */
uint64_t ring_bytes(
    const uint64_t size[FILE_COUNT], const uint64_t begin[FILE_COUNT]);
bool ring_has_forgotten(const struct err *err);
/* The record before the first one that is kept, and the number of that. */
struct layout_entry ring_before(const uint64_t begin[FILE_COUNT]);
uint64_t ring_first(const uint64_t begin[FILE_COUNT]);
/* What readers are told where bytes are missing: a line. */
size_t ring_notice(uint64_t bytes, char *out, size_t size);

/* -- recover.c --------------------------------------------------------- */
struct recovered {
	uint64_t size[FILE_COUNT];
	uint64_t agent_off;
	struct layout_header header;
	bool has_header;
	bool capped;
	uint16_t cap_step;
	bool last_is_progress;
};
/* For readers: trusts all but the end of the index. */
int recover_peek(const int fd[FILE_COUNT], struct recovered *ret,
    struct err *err) MUST_CHECK;
/* For the writer: checks every entry. */
int recover_scan(const int fd[FILE_COUNT], struct recovered *ret,
    struct err *err) MUST_CHECK;

/* -- log.c, append.c --------------------------------------------------- */
/* Makes readers see what was written and wakes the watchers. */
struct publication {
	const char *text;
	size_t text_len;
	const char *index;
	size_t index_len;
	uint64_t index_at;
	unsigned dirty;
	uint64_t written;
};
void log_publish(struct spool_log *log, const struct publication *p);
/* fdatasync of what is dirty; the writer's or the flusher's thread. */
int log_flush(struct spool_log *log, bool by_flusher, bool *ret_did,
    struct err *err) MUST_CHECK;
/* Flusher: closes the files and frees. */
void log_dispose(struct spool_log *log);

/* -- watch.c ----------------------------------------------------------- */
void watch_wake_locked(struct spool_shared *sh);

/* -- account.c --------------------------------------------------------- */
/* One log as a walk meets it. */
struct walked {
	char id[UUID_TEXT_LEN];
	uint64_t bytes; /* of its three files */
	bool ended;
	int64_t ended_ns;
};
/* 1, or 0: there is no such log. */
int account_look(struct spool *s, const char *id, struct walked *ret);
/* Calls cb for every log of one directory that nobody writes. */
int account_walk_dir(struct spool *s, unsigned dir,
    void (*cb)(void *arg, const struct walked *log), void *arg,
    struct err *err) MUST_CHECK;
/* Counts the next directory; false: all are counted. Flusher. */
bool account_scan_step(struct spool *s);
/* A log gets a writer: true when it is in the account. */
bool account_take_locked(struct spool *s, const char *id);
void account_sub_locked(struct spool *s, const struct account_item *item);
/* The writer is gone; the log enters the account as it is now. */
void account_give_locked(
    struct spool *s, const char *id, const struct account_item *item);

#endif
