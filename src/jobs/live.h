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
struct session_call;

/* How a session ends, by whoever says so first. */
struct live_end {
	enum job_status status;
	bool has_exit_code;
	int exit_code;
	char code[32], words[480];
};

/* May the API put calls into a session's mailbox? */
enum live_door {
	LIVE_SHUT, /* not yet */
	LIVE_OPEN,
	LIVE_OVER, /* the session has ended */
	LIVE_LEFT, /* the hub stops: the next one answers */
};

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
	_Atomic int64_t lease_kept;  /* what the store knows of it */
	_Atomic int session_end;     /* enum job_status, 0: goes on */
	atomic_bool driven;
	atomic_bool called; /* the mailbox is not empty */
	/* guarded by the set's mutex; `end` stands once session_end is set */
	struct live_end end;
	char cancel_words[200]; /* "": none */
	enum live_door door;
	struct session_call *calls, **calls_end;
	size_t ncalls, call_bytes;
	char parent[UUID_TEXT_LEN]; /* "": it is no child; set once known */
};

struct live_set *live_set_new(void);
void live_set_free(struct live_set *s);

/* ERR_CONFLICT: another one has the same job in hand. */
int live_enter(struct live_set *s, struct live *l, struct err *err) MUST_CHECK;
void live_leave(struct live_set *s, struct live *l);
void live_set_sandbox(struct live_set *s, struct live *l, struct sandbox *sb);

/* All false when no carrier has the job in hand. */
/* words: why, for the job's end; NULL: it is said as ever. */
bool live_cancel(struct live_set *s, job_id id, const char *words);
/* Those words, or others where there are none. */
void live_cancel_words(struct live_set *s, const struct live *l,
    const char *otherwise, char *out, size_t size);
/* *ret_stale: the store's lease is older than slack_ns now, and the caller
 * writes it down. */
bool live_renew(struct live_set *s, job_id id, int64_t lease_until,
    int64_t slack_ns, bool *ret_stale);
/* A session ends as its proxy, or who replaces it, says. */
bool live_end_session(
    struct live_set *s, job_id id, const struct live_end *end);
/* Ends what is in hand of the sessions opened inside of this one. */
void live_end_children(
    struct live_set *s, const char *parent, const struct live_end *end);
void live_set_parent(struct live_set *s, struct live *l, const char *parent);
/* Waits until no child of this one is in hand; false at the deadline. */
bool live_wait_children(
    struct live_set *s, const char *parent, int64_t deadline_ns);
/* -- the mailbox of a session ------------------------------------------ */
enum { LIVE_CALLS_MAX = 64, LIVE_CALL_BYTES_MAX = 8 * 1024 * 1024 };
enum live_posted {
	LIVE_POSTED, /* the carrier owns the call now */
	LIVE_ABSENT, /* no session of that id is in hand, or it is shut yet */
	LIVE_FULL,
	LIVE_REFUSED_OVER,
	LIVE_REFUSED_LEFT,
};
enum live_posted live_post(
    struct live_set *s, job_id id, struct session_call *call) MUST_CHECK;
void live_open_door(struct live_set *s, struct live *l);
/* All that wait, in order; NULL: none. */
struct session_call *live_take_calls(struct live_set *s, struct live *l);
/* The same for the last time. */
struct session_call *live_shut_door(
    struct live_set *s, struct live *l, enum live_door door);

bool live_is_in_hand(struct live_set *s, job_id id);
/* Every carrier gives its job up (hub shuts down). */
void live_stop_all(struct live_set *s);
/* Waits until none is in hand; false at the deadline. */
bool live_wait_empty(struct live_set *s, int64_t deadline_ns);
size_t live_count(struct live_set *s);
/* Those that are sessions which take calls. */
size_t live_sessions(struct live_set *s);

#endif
