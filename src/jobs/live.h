/*
 * The jobs that a carrier has in hand: how the API reaches a running job (to
 * cancel it, to renew or end a session) without touching the carrier.
 */
#ifndef JOBS_LIVE_H
#define JOBS_LIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/thread.h"
#include "sandbox/sandbox.h"
#include "store/jobs.h"

struct live_set;

/* One job in hand; lives on the carrier's stack. */
struct live {
	struct map_node node;
	job_id id;
	bool is_session;
	struct cancel cancel; /* ends blocking calls before the sandbox runs */
	struct sandbox *sandbox; /* to wake; guarded by the set's mutex */
	atomic_bool cancel_requested;
	atomic_bool stopping;        /* the hub shuts down */
	_Atomic int64_t lease_until; /* sessions: wall ns */
	_Atomic int session_end;     /* enum job_status, 0: goes on */
	atomic_bool driven;
};

struct live_set *live_set_new(void);
void live_set_free(struct live_set *s);

/* ERR_CONFLICT: another one has the same job in hand. */
int live_enter(struct live_set *s, struct live *l, struct err *err) MUST_CHECK;
void live_leave(struct live_set *s, struct live *l);
void live_set_sandbox(struct live_set *s, struct live *l, struct sandbox *sb);

/* All false when no carrier has the job in hand. */
bool live_cancel(struct live_set *s, job_id id);
bool live_renew(struct live_set *s, job_id id, int64_t lease_until);
/* A session ends as its proxy says. */
bool live_end_session(struct live_set *s, job_id id, enum job_status status);
bool live_is_in_hand(struct live_set *s, job_id id);
/* Every carrier gives its job up (hub shuts down). */
void live_stop_all(struct live_set *s);
/* Waits until none is in hand; false at the deadline. */
bool live_wait_empty(struct live_set *s, int64_t deadline_ns);
size_t live_count(struct live_set *s);

#endif
