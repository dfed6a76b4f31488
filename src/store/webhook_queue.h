/*
 * What is to be delivered to webhooks, and what became of it. Queueing moves
 * the cursor over the history in the same transaction: an event is queued once
 * for each webhook, whatever dies in between, and its delivery keeps its id
 * over all attempts. Any thread; changes block until durable.
 */
#ifndef STORE_WEBHOOK_QUEUE_H
#define STORE_WEBHOOK_QUEUE_H

#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "store/store.h"

/* How many deliveries that are over each webhook shows. */
enum { WEBHOOK_KEPT = 100 };

struct webhook_item {
	struct uuid webhook;
	const char *event; /* "job.failed" */
	const char *trace; /* the trace that it belongs to, NULL: none */
	const char *body;  /* as it is sent */
};
/*
 * Queues them and remembers that the history was read up to jobs_seq, and
 * notices up to notices_seq (which are deleted). One whose webhook has `max`
 * waiting is dropped and counted (*ret_dropped), one whose webhook is gone is
 * forgotten.
 */
int store_webhook_queue(struct store *s, const struct webhook_item *items,
    size_t n, int64_t jobs_seq, int64_t notices_seq, int64_t max,
    size_t *ret_dropped, struct err *err) MUST_CHECK;
/* Up to where the history was read. */
int store_webhook_cursor(
    struct store *s, int64_t *ret, struct err *err) MUST_CHECK;

struct webhook_delivery {
	int64_t seq;
	char id[UUID_TEXT_LEN];
	char *event, *trace, *body;
	char *state; /* "waiting", "delivered", "failed" */
	int64_t attempts;
	int64_t created_at, due_at, updated_at; /* wall ns */
	int status;  /* of the last answer, 0: none */
	char *error; /* of the last attempt, or NULL */
};
void webhook_delivery_fini(struct webhook_delivery *d);
static inline void webhook_delivery_fini_guard(struct webhook_delivery *d)
{
	webhook_delivery_fini(d);
}
struct webhook_delivery_list {
	struct webhook_delivery *items;
	size_t n;
};
void webhook_delivery_list_free(struct webhook_delivery_list *l);
static inline void webhook_delivery_list_free_guard(
    struct webhook_delivery_list *l)
{
	webhook_delivery_list_free(l);
}

/* The waiting one that is due first, perhaps not yet: 1, 0 none, -1. */
int store_webhook_next(struct store *s, struct uuid webhook,
    struct webhook_delivery *ret, struct err *err) MUST_CHECK;

struct webhook_result {
	int64_t seq;
	const char *state; /* "waiting": again at due_at */
	int64_t due_at;
	int status;
	const char *error; /* NULL: none */
};
/* One more attempt of it was made. */
int store_webhook_result(struct store *s, struct uuid webhook,
    const struct webhook_result *r, struct err *err) MUST_CHECK;
/* One that was not queued: a test. Its id to ret. */
int store_webhook_record(struct store *s, const struct webhook_item *item,
    const char id[UUID_TEXT_LEN], const struct webhook_result *r,
    struct err *err) MUST_CHECK;

/* Newest first, `limit` behind the number `before` (0: from the newest). */
int store_webhook_deliveries(struct store *s, struct uuid webhook,
    int64_t before, int64_t limit, struct webhook_delivery_list *ret,
    struct err *err) MUST_CHECK;

#endif
