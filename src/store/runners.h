/*
 * Runners that the hub knows, by their unique name: proxies that drive
 * sessions, and others. A touch is the heartbeat; it is written durably.
 * Tokens are kept as hashes (store/runners.c) and never given out.
 */
#ifndef STORE_RUNNERS_H
#define STORE_RUNNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "store/store.h"

typedef struct {
	struct uuid u;
} runner_id;

struct runner {
	runner_id id;
	char *name;
	char *type;         /* proxy, ephemeral, dedicated */
	char *status;       /* idle, busy, offline, starting, stopping */
	char *labels;       /* JSON array text */
	char *repository;   /* may be NULL */
	char *container_id; /* may be NULL */
	/* What of the host its sessions may mount: JSON array of
	 * {"here":PATH,"host":PATH,"readOnly":bool}; "[]": nothing. */
	char *roots;
	char
	    *made; /* JSON object text: how the hub made it; NULL: it did not */
	char *job_id; /* the job it is busy with, or NULL */
	/* wall ns */
	int64_t last_heartbeat, created_at, updated_at;
};
void runner_fini(struct runner *r); /* frees the strings; zeroed is fine */
static inline void runner_fini_guard(struct runner *r)
{
	runner_fini(r);
}

/*
 * Makes the runner of that name or renews it: type, status and heartbeat
 * always, labels and repository where not NULL. updated_at moves only when
 * something besides the heartbeat changed. Blocks until durable.
 */
int store_runner_touch(struct store *s, const struct runner *seen,
    runner_id *ret_id, struct err *err) MUST_CHECK;

/* -- tokens ------------------------------------------------------------ */
#define RUNNER_TOKEN_LEN 104 /* "rhr_" <32 hex of the id> "_" <64 hex>, NUL */
/*
 * Makes a new token for the runner; an earlier one is void from now on. Kept
 * as a keyed hash. ret is the only copy: to wipe.
 */
int store_runner_new_token(struct store *s, runner_id id,
    char ret[RUNNER_TOKEN_LEN], struct err *err) MUST_CHECK;
/* 1: whose it is, 0: nobody's (any more), -1 error. In constant time as to
 * the token's content. Cheap: called for every request. */
int store_runner_by_token(struct store *s, const char *token, runner_id *ret,
    struct err *err) MUST_CHECK;
/* What the hub keeps of it; NULL leaves a column as it is, "" clears it. */
struct runner_change {
	const char *status, *labels, *repository, *container_id, *roots, *made,
	    *job_id;
	bool heartbeat; /* last_heartbeat := now */
};
/* ERR_NOT_FOUND. Blocks until durable; updated_at moves only when something
 * besides the heartbeat changed. */
int store_runner_change(struct store *s, runner_id id,
    const struct runner_change *change, struct err *err) MUST_CHECK;
/* 1 found, 0 none, -1 error. */
int store_runner_by_name(struct store *s, const char *name, struct runner *ret,
    struct err *err) MUST_CHECK;

/* -- the token of a nested session ------------------------------------- */
#define SESSION_TOKEN_LEN 104 /* "rhs_" <32 hex of the job> "_" <64 hex> */
/* Follows from the job's id and the store's own key: nothing is kept, and the
 * next hub knows it as well. Good while the job is open (the caller looks). */
void store_session_token(
    struct store *s, struct uuid job, char ret[SESSION_TOKEN_LEN]);
/* True: *ret_job is whose it is. */
bool store_session_token_check(
    struct store *s, const char *token, struct uuid *ret_job);

struct runner_filter {
	const char *type, *status, *repository; /* NULL: any */
	int64_t page, limit;                    /* 1-based, limit <= 1000 */
};
struct runner_list {
	struct runner *items;
	size_t n;
	int64_t total;
};
void runner_list_free(struct runner_list *l);
static inline void runner_list_free_guard(struct runner_list *l)
{
	runner_list_free(l);
}
/* By name. */
int store_runner_list(struct store *s, const struct runner_filter *f,
    struct runner_list *ret, struct err *err) MUST_CHECK;
/* 1 found, 0 none, -1 error. */
int store_runner_get(struct store *s, runner_id id, struct runner *ret,
    struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND. */
int store_runner_delete(
    struct store *s, runner_id id, struct err *err) MUST_CHECK;

#endif
