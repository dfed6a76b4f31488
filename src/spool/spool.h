/*
 * Durable logs, one per job (later per instance): `<dir>/<aa>/<id>.log`
 * holds exactly the bytes shown to people, `<id>.idx` one fixed-size entry
 * per record. So a plain download is a file range, an offset is a byte
 * offset of the text, and the index gives stream, step and time of each
 * piece. The only folder that writes log files.
 *
 * One writer per log (the thread that carries the job), any number of
 * readers. Append is write(2): it survives kill -9 of the hub; a flusher
 * thread fdatasyncs dirty logs every second, spool_sync does it now.
 *
 * Ids are UUID texts; anything else is ERR_INVALID and never reaches a file
 * name. A log that nobody uses costs no memory, however many there are.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct spool;
struct spool_log;    /* the one writer of one log */
struct spool_shared; /* internal */

/* Stored in the index: never renumber. */
enum spool_kind {
	SPOOL_OUT = 1,        /* output of a step: text bytes */
	SPOOL_STEP_START = 2, /* mark, no text; data in `note` */
	SPOOL_STEP_END = 3,   /* mark, no text; code, data in `note` */
	SPOOL_NOTE = 4, /* the hub says something; not in the plain text */
	SPOOL_CAP = 5,  /* the cap was reached; its text is in the plain log */
	SPOOL_OUTPUTS = 6,    /* mark: step outputs, JSON in `note` */
	SPOOL_SUMMARY = 7,    /* mark: step summary, markdown in `note` */
	SPOOL_STEP_GIVEN = 8, /* mark: a session was given this step; its key
				 and name, JSON in `note` */
	SPOOL_TAKEN = 9, /* mark: a step has taken its input up to the offset
			    in `note`; for a restarted hub, never shown */
};
enum spool_stream { SPOOL_NONE = 0, SPOOL_STDOUT = 1, SPOOL_STDERR = 2 };

struct spool_record {
	enum spool_kind kind;
	enum spool_stream stream;
	uint16_t step;   /* 0-based; 0xffff: none */
	int32_t code;    /* STEP_END: exit code */
	int64_t time_ns; /* wall clock */
	/* How far into the agent's stream the hub has got with this record:
	 * what a new hub tells the agent after a crash. 0: hub's own record,
	 * the previous value stays. */
	uint64_t agent_off;
	/* OUT: text (into .log). Marks and notes: kept in `<id>.note`, at most
	 * 1 MiB each; the index entry points there. */
	const void *data;
	size_t len;
};

struct spool_config {
	const char *dir;
	int64_t log_bytes_max;   /* cap per log, 0: 256 MiB */
	int64_t total_bytes_max; /* retention: of ended logs, 0: none */
	int64_t age_max_ms;      /* retention: since the end, 0: none */
};
int spool_open(struct spool **ret, const struct spool_config *config,
    struct err *err) MUST_CHECK;
/* Every writer, cursor and watch must be gone. Waits for the last sync. */
void spool_close(struct spool *s);

/*
 * Opens the log of `id` (a UUID text) for writing, creating it or, after a
 * crash, recovering it: text and notes behind the last whole index entry
 * are cut off (the agent sends them again). *ret_agent_off is the last
 * recorded agent_off, 0 for a new log. A log that had ended is open again.
 * ERR_CONFLICT "log_busy": it has a writer.
 */
int spool_log_open(struct spool *s, const char *id, struct spool_log **ret,
    uint64_t *ret_agent_off, struct err *err) MUST_CHECK;
/*
 * From now on the log is a ring: where it would grow beyond the cap its oldest
 * records go, an eighth of it at a time, and offsets stay what they are. For
 * what has no end; a job's log is evidence, of which the beginning is kept.
 * The record that was the last before an append always stays, and the append
 * itself: a cap that has no room for both is exceeded. Where the file system
 * cannot give back the begin of a file, the log says so once and stays as it
 * was. The writer's thread.
 */
void spool_log_ring(struct spool_log *log);
/* Appends all or nothing (a failed write is cut off again). Past the cap
 * OUT text is dropped after one SPOOL_CAP record for each step that loses some;
 * agent_off still advances.
 * ERR_UNAVAILABLE code "disk_full": nothing was kept, try again later.
 * ERR_LIMIT: a note or the batch is too large, nothing was kept. */
#define SPOOL_APPEND_MAX (64 * 1024 * 1024) /* data of one batch */
/* The other files of a log are bounded too: past SPOOL_ENTRIES_MAX records
 * the log counts as capped whatever its size; once it holds SPOOL_NOTES_MAX
 * bytes of notes a NOTE is dropped and marks are kept without their data, but
 * for STEP_GIVEN: a key that was forgotten would run its step twice. */
#define SPOOL_ENTRIES_MAX (4 * 1024 * 1024)
#define SPOOL_NOTES_MAX   (64 * 1024 * 1024)
int spool_append(struct spool_log *log, const struct spool_record *recs,
    size_t n, struct err *err) MUST_CHECK;
/* Everything appended so far is on the disk when this returns 0. */
int spool_sync(struct spool_log *log, struct err *err) MUST_CHECK;
/* The flusher begins with it at once; does not wait. */
void spool_sync_soon(struct spool_log *log);
/* The log has ended: followers get their end, retention may take it. Frees
 * the writer. Works on a full disk too. */
void spool_log_finish(struct spool_log *log, int64_t wall_ns);
/* Closes the writer without ending the log (hub shuts down). Frees it. */
void spool_log_close(struct spool_log *log);
/* Marks of all steps so far, for resuming: calls cb for each non-OUT entry
 * in order, with its note bytes. */
int spool_marks(struct spool *s, const char *id,
    int (*cb)(void *arg, const struct spool_record *rec, struct err *err),
    void *arg, struct err *err) MUST_CHECK;

/* -- readers; any thread ----------------------------------------------- */
struct spool_stat {
	uint64_t text_bytes; /* also counts what a ring has forgotten, ... */
	uint64_t text_begin; /* ... which is all before this offset */
	uint64_t entries;    /* likewise */
	bool ended;          /* finished: no more will come */
	bool exists;         /* false: never had output, or retention took it */
};
int spool_stat(struct spool *s, const char *id, struct spool_stat *ret,
    struct err *err) MUST_CHECK;
/* Appends up to max bytes of text from byte offset off to out. ERR_NOT_FOUND
 * "log_forgotten": off is before what a ring still has. */
int spool_read(struct spool *s, const char *id, uint64_t off, size_t max,
    struct buf *out, struct err *err) MUST_CHECK;
/* Byte offset at which the last n lines begin, or what is left of them; 0
 * lines: the end. */
int spool_tail_offset(struct spool *s, const char *id, uint64_t lines,
    uint64_t *ret_off, struct err *err) MUST_CHECK;

/*
 * A cursor reads a log forward from text offset off in one of three shapes,
 * keeping files open between calls. The log need not exist yet. By records
 * (JSONL) it begins with the marks that stand at off. Not thread safe
 * itself. Where a ring has forgotten what would come next, now or since the
 * call before, it says so in the words of its shape (a line; an object of the
 * kind "forgotten" with the number of bytes, and the offset that it goes on
 * at) and goes on with the oldest byte kept.
 */
enum spool_format {
	SPOOL_PLAIN,       /* the bytes */
	SPOOL_TIMESTAMPED, /* each line behind the ISO time of its begin */
	SPOOL_JSONL,       /* one JSON object a line: time, kind, stream, step,
			      text / code / note; bytes not UTF-8: U+FFFD */
};
struct spool_cursor;
int spool_cursor_open(struct spool *s, const char *id, uint64_t off,
    enum spool_format format, struct spool_cursor **ret,
    struct err *err) MUST_CHECK;
/* Appends about max bytes at most: it stops behind the line or object that
 * reaches max. *ret_end: the log has ended and all of it has been read.
 * Nothing appended and not end: wait for the watcher. ERR_LIMIT: out has no
 * room; what was not appended comes with the next call. */
int spool_cursor_read(struct spool_cursor *c, size_t max, struct buf *out,
    bool *ret_end, struct err *err) MUST_CHECK;
/* Of the byte that comes next; by records it may be one that was given, but
 * whose record was not given whole. */
uint64_t spool_cursor_offset(const struct spool_cursor *c);
/* Bytes that it had to pass over, so far. */
uint64_t spool_cursor_forgotten(const struct spool_cursor *c);
void spool_cursor_close(struct spool_cursor *c);

/*
 * wake(arg) is called on the writer's thread after each append and at the
 * finish of that log, under the lock that spool_unwatch takes: after
 * unwatch returns no call runs or will come. wake must not block or call
 * into the spool.
 */
struct spool_watch {
	void (*wake)(void *arg);
	void *arg;
	struct spool_watch *next; /* internal */
	struct spool_shared *log; /* internal */
};
void spool_watch(struct spool *s, const char *id, struct spool_watch *w);
void spool_unwatch(struct spool *s, struct spool_watch *w);

/* Ends a log that has no writer (its job is over in the store). Idempotent. */
void spool_finish(struct spool *s, const char *id, int64_t wall_ns);
/*
 * Calls cb, once ever, for each log that the spool found neither ended nor
 * written after it was opened: a hub that died may have ended its job and
 * not its log. False: the count after the start is not through, ask again.
 */
bool spool_each_unended(
    struct spool *s, void (*cb)(void *arg, const char *id), void *arg);
/* ERR_CONFLICT "log_busy" while it is written; nothing there is fine. */
int spool_remove(struct spool *s, const char *id, struct err *err) MUST_CHECK;
/* Applies retention now; called by a chore thread. Returns removed logs. */
int spool_retain(struct spool *s, int64_t now_wall_ns, struct err *err);

struct spool_totals {
	uint64_t bytes_written; /* since start */
	uint64_t stored_bytes;  /* on disk now, without holes */
	uint64_t logs;
	uint64_t disk_free_bytes;
};
void spool_totals(struct spool *s, struct spool_totals *ret);

#endif
