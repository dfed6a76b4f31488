/*
 * Notices: what happened beside the history of jobs, told to the outside. A
 * runner went away, a component is ready, the engine is down. A notice is a
 * row of the same transaction as the change that it tells of, so a crash loses
 * none; it stays until webhooks were queued for it (store/webhook_queue.h) and
 * is not written where there is no webhook.
 */
#ifndef STORE_NOTICES_H
#define STORE_NOTICES_H

#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct notice {
	int64_t seq;      /* 0: told, not kept */
	int64_t at;       /* wall ns */
	char *type;       /* "runner.offline" */
	char *repository; /* NULL: of none */
	char *data;       /* JSON object text */
};
struct notice_list {
	struct notice *items;
	size_t n;
};
void notice_list_free(struct notice_list *l);
static inline void notice_list_free_guard(struct notice_list *l)
{
	notice_list_free(l);
}

/* Called on the writer thread after the commit; must not block. Set once,
 * before the first write. */
void store_on_notice(
    struct store *s, void (*fn)(void *arg, const struct notice *n), void *arg);

/* One of its own, about the hub itself: written behind the caller's back. */
void store_notice(struct store *s, const char *type, const char *data);

/* The oldest kept ones behind the number `after`. */
int store_notices_after(struct store *s, int64_t after, int64_t limit,
    struct notice_list *ret, struct err *err) MUST_CHECK;

#endif
