/*
 * Jobs in the store: the persisted state machine. A state change is one
 * compare-and-set plus one history row in the same transaction; both are on
 * disk when the call returns (or `done` is called).
 *
 *   queued -> assigned -> running -> completed | failed | cancelled
 *   queued | assigned -> pending (infrastructure failed, retry later)
 *   pending -> queued
 *   queued | pending | assigned -> failed | cancelled
 * Nothing leaves completed, failed, cancelled.
 */
#ifndef STORE_JOBS_H
#define STORE_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "store/store.h"

typedef struct {
	struct uuid u;
} job_id;

/* Stored by name; never rename. */
enum job_status {
	JOB_PENDING = 1,
	JOB_QUEUED,
	JOB_ASSIGNED,
	JOB_RUNNING,
	JOB_COMPLETED,
	JOB_FAILED,
	JOB_CANCELLED,
};
#define JOB_STATUS_COUNT 8 /* array size for one slot per status */
const char *job_status_name(enum job_status s);
int job_status_parse(const char *name, enum job_status *ret); /* 0 or -1 */
bool job_status_is_final(enum job_status s);
/* The table above as a function. */
bool job_status_may_follow(enum job_status from, enum job_status to);

/* Moments of a job's life, wall-clock ns, 0: not (yet). */
struct job_phases {
	int64_t queued, assigned, created, started, first_output, ended,
	    removed;
};

struct job {
	job_id id;
	char *external_id; /* jobId of the request (column job_name) */
	bool has_github_job_id;
	int64_t github_job_id; /* jobId when numeric */
	char *run_id;
	int attempt;
	char *repository;
	char *workflow;    /* may be NULL */
	char *runner_name; /* the proxy, may be NULL */
	char *runner_id;   /* sessions: whose token opened it; may be NULL */
	char *parent_id;   /* the nested session it was opened in, or NULL */
	char *labels;      /* JSON array text */
	char *metadata;    /* JSON object text: sha, ref, eventName, actor */
	char *spec;        /* JSON object text: image, steps, env, ... never
			      secrets */
	bool is_session;   /* no steps: a proxy drives it */
	bool has_secrets;  /* it was delegated with some */
	int priority;      /* 0..100 */
	enum job_status status;
	char *image;        /* resolved, NULL before */
	char *sandbox_id;   /* NULL: none */
	char *container_id; /* NULL: none */
	int tries;          /* starts attempted */
	int64_t not_before; /* pending: earliest retry, wall ns */
	char *reason_code;  /* why it waits / failed: "engine_down", ... */
	char *reason;       /* the same in words */
	bool has_exit_code;
	int exit_code;
	char *result; /* JSON object text: steps, oom, usage, ...; or NULL */
	bool cancel_requested;
	int64_t lease_until; /* sessions: wall ns, 0: none */
	char *session; /* JSON object text: what was made for it, or NULL */
	int64_t created_at, started_at, completed_at, updated_at; /* wall ns */
	struct job_phases phases;
};
void job_fini(struct job *j); /* frees the strings; zeroed job is fine */
static inline void job_fini_guard(struct job *j)
{
	job_fini(j);
}

/* -- history ----------------------------------------------------------- */
struct job_event {
	int64_t seq; /* global, increasing: the SSE event id */
	job_id job;
	char *repository;
	int64_t at; /* wall ns */
	char *type; /* "delegated", "status", "step", "cancel_requested", ... */
	char *from; /* status names, NULL where not a transition */
	char *to;
	char *reason_code; /* may be NULL */
	char *reason;      /* may be NULL */
	char *data;        /* JSON object text, may be NULL */
};
void job_event_fini(struct job_event *e);

/*
 * Called on the writer thread after each commit, once per history row in
 * seq order: feeds the event bus. Set once before the first write.
 */
void store_on_event(struct store *s,
    void (*fn)(void *arg, const struct job_event *e), void *arg);

/* -- delegation -------------------------------------------------------- */
struct job_new {
	struct job job;     /* id (a UUIDv7, whose time becomes created_at),
			       strings, ...; borrowed during the call */
	uint64_t spec_hash; /* of the whole content incl. secrets; 63 bits used:
			       the same key with another hash is a conflict */
	const void *secrets; /* plain JSON object text to seal, or NULL */
	size_t secrets_len;
};
enum job_insert_result { JOB_INSERTED, JOB_EXISTED, JOB_INSERT_FAILED };
/*
 * Inserts a queued job durably. Asynchronous: done runs on the writer thread
 * after the fsync; it must not block. existing: id and status of the job
 * with the same repository, run_id, external id, attempt and parent_id (what
 * a session opens is apart from all else). ERR_CONFLICT code
 * "job_conflict" when that one has another hash. Returns -1 without calling
 * done when the writer's queue is full (ERR_UNAVAILABLE "store_busy").
 */
typedef void (*store_insert_done)(void *arg, enum job_insert_result r,
    job_id id, enum job_status status, const struct err *err);
int store_job_insert(struct store *s, const struct job_new *job,
    store_insert_done done, void *arg, struct err *err) MUST_CHECK;

/* Keyed with the store's own key: for job_new.spec_hash. Any thread. */
uint64_t store_content_hash(struct store *s, const void *data, size_t len);

/* -- changes (blocking, durable) --------------------------------------- */
/* What a transition also writes; NULL / 0 / unset fields stay as they are. */
struct job_change {
	enum job_status from[4]; /* 0-terminated: allowed old states; none
				    given: any that `to` may follow */
	enum job_status to;
	const char *reason_code, *reason; /* stored and in the history row */
	const char *image, *sandbox_id, *container_id, *runner_id;
	bool clear_container; /* sandbox_id, container_id := NULL */
	bool set_exit_code;
	int exit_code;
	const char *result;  /* JSON */
	const char *session; /* JSON */
	int64_t not_before;
	bool count_try;
	int64_t lease_until;
	const char *event_data;   /* JSON for the history row */
	struct job_phases phases; /* non-zero moments are written */
};
/*
 * ERR_CONFLICT when the job is in none of `from` (msg names its state),
 * ERR_NOT_FOUND. started_at is set at running, completed_at at every end;
 * an end deletes the sealed secrets in the same transaction. reason_code
 * and reason are replaced on every transition (NULL clears them). Both
 * moments follow phases.started / phases.ended where given, else the clock.
 */
int store_job_transition(struct store *s, job_id id,
    const struct job_change *change, struct err *err) MUST_CHECK;
/* The same without a change of status: image, sandbox, container, phases,
 * result, lease; a reason where not NULL. No history row unless event_type
 * is given. */
int store_job_note(struct store *s, job_id id, const struct job_change *change,
    const char *event_type, struct err *err) MUST_CHECK;
/* Marks the wish; returns the status it found. Changes nothing on an ended
 * job or the second time. */
int store_job_request_cancel(struct store *s, job_id id, const char *who,
    enum job_status *ret_status, struct err *err) MUST_CHECK;

/* -- reads ------------------------------------------------------------- */
/* 1 found, 0 none, -1 error. */
int store_job_get(
    struct store *s, job_id id, struct job *ret, struct err *err) MUST_CHECK;
/* Unsealed secrets JSON into a secret; NULL when there are none (any more).
 * ERR_INTERNAL "secrets_missing": an open job lost its secrets. */
struct secret;
int store_job_secrets(struct store *s, job_id id, struct secret **ret,
    struct err *err) MUST_CHECK;

struct job_filter {
	const char *repository; /* NULL: any */
	const char *runner_id;  /* NULL: any; text of a UUID */
	const char *parent_id;  /* NULL: any */
	/* With either of these only the newest 100,000 of the time given are
	 * looked at, and counted in the total: */
	const char *words;       /* NULL: any; stands somewhere in repository,
				    workflow or job, A as a */
	const char *runner_name; /* NULL: any; the proxy's */
	enum job_status status;  /* 0: any */
	int64_t from_ns, to_ns; /* created_at, 0: open */
	int64_t page, limit;    /* 1-based */
};
struct job_list {
	struct job *items;
	size_t n;
	int64_t total;
};
void job_list_free(struct job_list *l);
static inline void job_list_free_guard(struct job_list *l)
{
	job_list_free(l);
}
/* Newest first. */
int store_job_list(struct store *s, const struct job_filter *f,
    struct job_list *ret, struct err *err) MUST_CHECK;
/* Every job that is not final, oldest first, `limit` after the id `after`
 * (NULL: from the start): for the scheduler at start-up, page by page. */
int store_job_list_open(struct store *s, const job_id *after, int64_t limit,
    struct job_list *ret, struct err *err) MUST_CHECK;
/* Open states: jobs there now. Final states: ever ended, also purged ones
 * (list with a status filter gives those there now). Costs no query. */
int store_job_counts(
    struct store *s, int64_t ret[JOB_STATUS_COUNT], struct err *err) MUST_CHECK;

struct job_event_list {
	struct job_event *items;
	size_t n;
};
void job_event_list_free(struct job_event_list *l);
static inline void job_event_list_free_guard(struct job_event_list *l)
{
	job_event_list_free(l);
}
/* Of one job, oldest first. */
int store_job_events(struct store *s, job_id id, int64_t after_seq,
    int64_t limit, struct job_event_list *ret, struct err *err) MUST_CHECK;
/* Of all (job NULL) jobs after seq, filtered; for resuming SSE. */
int store_events_after(struct store *s, int64_t after_seq, const job_id *job,
    const char *repository, int64_t limit, struct job_event_list *ret,
    struct err *err) MUST_CHECK;
int64_t store_last_event_seq(struct store *s);

/* Deletes ended jobs (and their history) that ended before wall_ns, at most
 * `limit`; returns how many, their ids to cb so that logs can follow. */
int store_job_purge(struct store *s, int64_t before_wall_ns, int64_t limit,
    void (*cb)(void *arg, job_id id), void *arg, struct err *err) MUST_CHECK;

#endif
