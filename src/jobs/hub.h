/*
 * The hub: everything that is opened once and lives as long as the process,
 * and what the API and the commands ask of it. Any thread unless said.
 */
#ifndef JOBS_HUB_H
#define JOBS_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"
#include "config/config.h"
#include "engine/engine.h"
#include "jobs/bus.h"
#include "jobs/meter.h"
#include "jobs/request.h"
#include "jobs/schedule.h"
#include "sandbox/pool.h"
#include "sandbox/sandbox.h"
#include "spool/spool.h"
#include "store/jobs.h"

struct hub;

/* What only the hub can judge of its options: would it start with them? Says
 * which setting is wrong. */
int hub_check_options(
    const struct options *options, struct err *err) MUST_CHECK;
/*
 * Opens state directory, store and spool, starts the threads and goes on with
 * what an earlier hub left. Does not need the engine: jobs wait for it.
 * options are borrowed for the life of the hub.
 */
int hub_open(struct hub **ret, const struct options *options,
    struct err *err) MUST_CHECK;
/* Takes nothing new; waits for running jobs (drain) or leaves them to the
 * next hub at once (handover), as shutdown.mode says. Blocks. */
void hub_stop(struct hub *h);
void hub_close(struct hub *h); /* after hub_stop and the HTTP server's end */

const struct options *hub_options(const struct hub *h);
const char *hub_id(const struct hub *h); /* label runnerhub.hub */
struct store *hub_store(struct hub *h);
struct secrets *hub_secrets(struct hub *h);
struct spool *hub_spool(struct hub *h);
struct engine *hub_engine(struct hub *h);
struct bus *hub_bus(struct hub *h);
struct schedule *hub_schedule(struct hub *h);
struct sandboxes *hub_sandboxes(struct hub *h);
struct pool *hub_pool(struct hub *h);
int64_t hub_started_at(const struct hub *h); /* wall ns */

/* -- engine and disk --------------------------------------------------- */
struct hub_engine_state {
	bool up;
	bool known; /* info is filled: it answered once */
	struct engine_info info;
	char error[256]; /* why it is down */
	int64_t since;   /* wall ns of the last change */
};
void hub_engine_state(struct hub *h, struct hub_engine_state *ret);
struct hub_disk {
	int64_t free_bytes, reserve_bytes;
	bool full;
};
void hub_disk(struct hub *h, struct hub_disk *ret);

struct job_meters *hub_meters(struct hub *h);
size_t hub_sessions_open(struct hub *h);

/* -- jobs -------------------------------------------------------------- */
/* The limits in force for requests. */
void hub_request_limits(struct hub *h, struct request_limits *ret);
/*
 * Stores a job durably and queues it. done as in store_job_insert, on the
 * writer's thread. -1 without done: refused (queue full, disk full,
 * shutting down).
 */
int hub_delegate(struct hub *h, const struct request *r, store_insert_done done,
    void *arg, struct err *err) MUST_CHECK;
/*
 * The same for an ended job that the hub drove: another attempt with the same
 * content; done says which, also when there is one already. ERR_CONFLICT
 * "job_not_ended", "is_session", and "secrets_gone": it had secrets, which are
 * deleted with a job's end.
 */
struct trace;
struct hub_retry {
	job_id id;
	const char *request_id, *actor; /* who asks, as for request.h */
	const struct trace *trace;
};
int hub_retry(struct hub *h, const struct hub_retry *again,
    store_insert_done done, void *arg, struct err *err) MUST_CHECK;
/* Idempotent: an ended job stays as it is. words: why, for the end of one that
 * runs, or NULL. ret: the status it had. */
int hub_cancel(struct hub *h, job_id id, const char *who, const char *words,
    enum job_status *ret, struct err *err) MUST_CHECK;
/* A proxy says how its session stands (jobs-api: PATCH status and
 * proxy-complete). ERR_CONFLICT for a job that the hub drives. */
int hub_session_status(struct hub *h, job_id id, enum job_status status,
    const char *runner_id, struct err *err) MUST_CHECK;
/* -- driving a session (docs/SESSIONS.md is the contract) -------------- */
/*
 * Any thread. When a call returns 0, done is called exactly once, later, on
 * the carrier's thread (it must not block); -1: refused at once, done is not
 * called: ERR_NOT_FOUND, ERR_INVALID (names the field), ERR_CONFLICT codes
 * "not_a_session", "session_not_running", "step_running", "input_gap",
 * ERR_LIMIT "session_busy" (too many calls wait). Each renews the lease.
 */
struct session_answer {
	const struct err *err; /* NULL: done */
	int step;
	bool existed;    /* a step of that key was there already */
	uint64_t offset; /* input: taken so far */
};
typedef void (*session_done)(void *arg, const struct session_answer *a);
/* body: the JSON of POST .../steps; copied, wiped after use. */
int hub_session_step(struct hub *h, job_id id, const char *body, size_t len,
    session_done done, void *arg, struct err *err) MUST_CHECK;
int hub_session_signal(struct hub *h, job_id id, int step, int signo,
    session_done done, void *arg, struct err *err) MUST_CHECK;
/* data is copied, wiped after use; at most SESSION_INPUT_MAX. */
#define SESSION_INPUT_MAX (1024 * 1024)
int hub_session_input(struct hub *h, job_id id, int step, uint64_t offset,
    const void *data, size_t len, bool end, session_done done, void *arg,
    struct err *err) MUST_CHECK;
/* Renews the lease of an open session; ret: its status, also when over. */
int hub_session_heartbeat(
    struct hub *h, job_id id, enum job_status *ret, struct err *err) MUST_CHECK;
/* As hub_session_status for an end, with what the proxy tells of it. */
struct session_end {
	enum job_status status; /* a final one */
	bool has_exit_code;
	int exit_code;
	const char *error; /* words, NULL: none */
};
int hub_session_complete(struct hub *h, job_id id,
    const struct session_end *end, struct err *err) MUST_CHECK;
/* Where processes inside nested sessions reach the API: the path of the unix
 * socket of the HTTP server. Borrowed; before the first session starts. */
void hub_set_api_socket(struct hub *h, const char *path);

/* -- the queue, as an administrator says (queue_mode.c) ----------------- */
enum queue_mode {
	QUEUE_OPEN,
	QUEUE_PAUSED,   /* nothing waiting is handed out */
	QUEUE_DRAINING, /* and new delegations are refused; sessions inside of
			   those that run are not */
};
/* Durable when it returns 0, and in force: also for the next hub. */
int hub_queue_mode_set(
    struct hub *h, enum queue_mode mode, struct err *err) MUST_CHECK;
/* ret_since: wall ns of its last change, 0: it was never changed. */
enum queue_mode hub_queue_mode(struct hub *h, int64_t *ret_since);

/* Why a job waits; false when it does not. */
bool hub_explain(struct hub *h, const struct job *job, char code[32],
    char *words, size_t size);

#endif
