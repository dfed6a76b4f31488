/*
 * Inside of the store, for the files of this folder only: the store's
 * parts, and the writes that travel to the writer thread.
 */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <pthread.h>

#include "base/thread.h"
#include "store/db.h"
#include "store/jobs.h"
#include "store/notices.h"
#include "store/seal.h"
#include "store/store.h"

/* -- counters: see counters.c ------------------------------------------ */
struct counters {
	int64_t event_seq;                 /* the last one given */
	int64_t present[JOB_STATUS_COUNT]; /* rows with this status */
	int64_t ended[JOB_STATUS_COUNT];   /* ever, also purged ones */
};
int counters_load(
    struct db *db, struct counters *ret, struct err *err) MUST_CHECK;
/* Writes what differs between the two, within the transaction. */
int counters_save(struct db *db, const struct counters *old,
    const struct counters *now, struct err *err) MUST_CHECK;

/* The end of the audit log's chain: see audit_chain.h. */
struct audit_head {
	int64_t seq; /* 0: nothing was ever written */
	uint8_t hash[32];
};

/* -- writes ------------------------------------------------------------ */
struct waiting;
/* The transaction of one batch; lives on the writer thread's stack. */
struct tx {
	struct store *store;
	struct db *db;
	/* become the store's at the commit */
	struct counters counters;
	struct audit_head audit;
};

/*
 * One piece of a batch. Embedded as the first member of what a caller
 * wants written; owned by the writer from submit to `finish`.
 */
struct write {
	struct write *next;
	size_t size_bytes; /* what it holds, for the queue's bound */
	/*
	 * Does it. May run twice (after a rollback), so it sets all that it
	 * returns anew. Refusals (ERR_CONFLICT, ERR_NOT_FOUND, ERR_INVALID)
	 * come before its first change; other errors undo all its changes.
	 */
	int (*run)(struct tx *tx, struct write *w, struct err *err);
	/* After the commit or its failure: err.kind tells. */
	void (*finish)(struct write *w);
	struct waiting *waiting; /* of writer_run */
	struct err err;
	struct job_event event; /* told after the commit when has_event */
	bool has_event;
	struct notice *notice; /* likewise, or NULL; the writer frees it */
};

struct queue {
	struct mtx mtx;
	struct cond more;
	/* all guarded by mtx */
	struct write *head, **tail;
	size_t n, size_bytes;
	bool stop;
	uint64_t commits, writes, failures;
	struct counters counters; /* as of the last commit */
	struct audit_head audit;  /* the same; the writer thread's alone */
};

/* Queues w; -1 without owning it when the queue is full ("store_busy"). */
int writer_submit(struct store *s, struct write *w, struct err *err) MUST_CHECK;
/* Queues w however long the queue is: for callers that are bounded by what
 * they do. */
void writer_add(struct store *s, struct write *w);
/* Queues w however long the queue is and waits for its commit; w may stand
 * on the caller's stack. `finish` is set here. */
int writer_run(struct store *s, struct write *w, struct err *err) MUST_CHECK;
int writer_start(struct store *s, struct err *err) MUST_CHECK;
void writer_stop(struct store *s); /* after finishing the queue */
void writer_counters(struct store *s, struct counters *ret);

/* Adds a history row and makes it w's event; strings of `e` are borrowed
 * until w is finished. Sets seq. */
int event_add(struct tx *tx, struct write *w, const struct job_event *e,
    struct err *err) MUST_CHECK;

/* Makes a copy of n (without seq and time) w's notice; keep: also a row, if
 * there is a webhook. */
int notice_add(struct tx *tx, struct write *w, struct notice n, bool keep,
    struct err *err) MUST_CHECK;
void notice_free(struct notice *n);
/* How far webhooks have read the history. */
int webhook_cursor_save(struct db *db, int64_t seq, bool forget_notices,
    struct err *err) MUST_CHECK;

/* -- tokens: "rhr_<id>_<64 hex>", see tokens.c --------------------------- */
#define TOKEN_SECRET_BYTES 32
#define TOKEN_HASH_BYTES   32
/* A random one for that id, and what is kept of it. */
void token_new(const struct store *s, const char *kind, struct uuid id,
    char *ret, uint8_t ret_hash[TOKEN_HASH_BYTES]);
/* Whose the text claims to be; says nothing about the truth of it. -1. */
int token_claim(const char *kind, const char *token, struct uuid *ret);
/* Of a token that token_claim took. */
void token_hash(
    const struct store *s, const char *token, uint8_t out[TOKEN_HASH_BYTES]);

/* -- instances ---------------------------------------------------------- */
#define INSTANCE_ACTIVE " status IN ('starting', 'running', 'stopping')"

/* -- readers ----------------------------------------------------------- */
#define STORE_READERS_MAX 4
struct readers {
	struct mtx mtx;
	struct cond freed;
	/* guarded by mtx */
	struct db *idle[STORE_READERS_MAX];
	unsigned n_idle, n_open;
};
/* A borrowed connection: CLEANUP(reader_return) struct reader r = {0}; */
struct reader {
	struct store *store;
	struct db *db;
};
int reader_take(
    struct store *s, struct reader *ret, struct err *err) MUST_CHECK;
void reader_return(struct reader *r); /* zeroed: fine */
static inline void reader_return_guard(struct reader *r)
{
	reader_return(r);
}

/* -- the store --------------------------------------------------------- */
#define STORE_MAGIC 0x53746f72u
struct store {
	unsigned magic;
	char *path;
	size_t queue_max;
	int schema_version;
	struct sealer sealer;
	struct db *db; /* the writer thread's */
	struct readers readers;
	struct queue queue;
	pthread_t thread;
	void (*on_event)(void *arg, const struct job_event *e);
	void *on_event_arg;
	void (*on_notice)(void *arg, const struct notice *n);
	void *on_notice_arg;
};

/* Whom the bytes of a named secret are sealed for. */
struct uuid named_secret_owner(const struct store *s, const char *name);

/* -- rows -------------------------------------------------------------- */
/* The columns that job_read_row reads, in its order. */
#define JOB_COLUMNS                                                            \
	"id, github_job_id, run_id, attempt, repository, workflow_name, "      \
	"job_name, runner_name, runner_id, parent_id, labels, metadata, "      \
	"spec, is_session, priority, status, image, sandbox_id, "              \
	"container_id, tries, not_before_ns, reason_code, reason, "            \
	"exit_code, result, cancel_requested, lease_until_ns, session, "       \
	"created_at, started_at, completed_at, updated_at, phase_queued_ns, "  \
	"phase_assigned_ns, phase_created_ns, phase_started_ns, "              \
	"phase_first_output_ns, phase_ended_ns, phase_removed_ns, has_secrets"
/* ret: zeroed; to be freed by job_fini also on error. */
int job_read_row(
    struct db_stmt *st, struct job *ret, struct err *err) MUST_CHECK;
#define EVENT_COLUMNS                                                          \
	"seq, job_id, repository, at_ns, type, from_status, to_status, "       \
	"reason_code, reason, data"

/* The creation time is the one in a UUIDv7 id, so that lists by id are
 * lists by time. */
int64_t job_id_time_ns(job_id id);
/* The smallest / the largest id of that millisecond. */
void job_id_floor(int64_t wall_ns, char out[UUID_TEXT_LEN]);
void job_id_ceiling(int64_t wall_ns, char out[UUID_TEXT_LEN]);

/* -- migrations -------------------------------------------------------- */
/* Brings the schema up to date; ret_version: the version it has then. */
int migrate(struct db *db, const char *path, int *ret_version,
    struct err *err) MUST_CHECK;

#endif
