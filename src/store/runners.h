/*
 * Runners that the hub knows, by their unique name: proxies that drive
 * sessions, and others. A touch is the heartbeat; it is written durably.
 * Never holds a token.
 */
#ifndef STORE_RUNNERS_H
#define STORE_RUNNERS_H

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
