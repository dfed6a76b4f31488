/*
 * The worker threads: they run handlers and stream producers taken from one
 * queue. Filled by the loop thread (requests) and by any thread (streams
 * that were woken). Owns the threads; items stay owned as described in
 * server_internal.h.
 */
#include "net/server_internal.h"

#include <stdio.h>

#include "base/mem.h"

#define ITEM_OF(ptr, type) ((type *)((char *)(ptr)-offsetof(type, item)))

void server_list_push(struct server_list *l, struct server_item *item)
{
	item->next = NULL;
	if (l->tail != NULL)
		l->tail->next = item;
	else
		l->head = item;
	l->tail = item;
	l->len++;
}

struct server_item *server_list_pop(struct server_list *l)
{
	struct server_item *item = l->head;

	if (item == NULL)
		return NULL;
	l->head = item->next;
	if (l->head == NULL)
		l->tail = NULL;
	l->len--;
	item->next = NULL;
	return item;
}

void server_list_move(struct server_list *to, struct server_list *from)
{
	if (from->head == NULL)
		return;
	if (to->tail != NULL)
		to->tail->next = from->head;
	else
		to->head = from->head;
	to->tail = from->tail;
	to->len += from->len;
	*from = (struct server_list){NULL};
}

/*
 * At most one worker is on its way at a time; when it arrives and finds more
 * than it takes, it wakes the next. So a burst of short requests is drained
 * by one or two threads without a wake-up each, and a burst of long ones
 * still spreads over all.
 */
static bool should_wake_locked(struct server_queue *q)
{
	mtx_assert_held(&q->mtx);
	if (q->idle == 0 || q->waking || q->list.head == NULL)
		return false;
	q->waking = true;
	return true;
}

void server_queue_push_locked(struct http_server *s, struct server_item *item)
{
	struct server_queue *q = &s->queue;

	mtx_assert_held(&q->mtx);
	server_list_push(&q->list, item);
	if (should_wake_locked(q))
		cond_signal(&q->work);
}

void server_queue_push_batch(struct http_server *s, struct server_list *batch)
{
	struct server_queue *q = &s->queue;
	bool wake;

	if (batch->head == NULL)
		return;
	mtx_lock(&q->mtx);
	atomic_fetch_add_explicit(
	    &q->requests, batch->len, memory_order_relaxed);
	server_list_move(&q->list, batch);
	wake = should_wake_locked(q);
	mtx_unlock(&q->mtx);
	if (wake)
		cond_signal(&q->work);
}

/* The next item, or NULL when the server ends. */
static struct server_item *take(struct server_queue *q)
{
	struct server_item *item = NULL;
	bool wake;

	mtx_lock(&q->mtx);
	for (;;) {
		item = server_list_pop(&q->list);
		if (item != NULL || (q->stopping && q->streams == 0))
			break;
		q->idle++;
		cond_wait(&q->work, &q->mtx);
		q->idle--;
		q->waking = false;
	}
	if (item != NULL && item->kind == SERVER_ITEM_EXCHANGE)
		atomic_fetch_sub_explicit(
		    &q->requests, 1, memory_order_relaxed);
	wake = should_wake_locked(q);
	mtx_unlock(&q->mtx);
	if (wake)
		cond_signal(&q->work);
	return item;
}

static void *worker_main(void *arg)
{
	struct http_server *s = arg;
	struct server_item *item;
	struct http_exchange *x;

	while ((item = take(&s->queue)) != NULL) {
		switch (item->kind) {
		case SERVER_ITEM_EXCHANGE:
			x = ITEM_OF(item, struct http_exchange);
			server_exchange_ensure_id(x);
			s->config.handler(x, s->config.arg);
			break;
		case SERVER_ITEM_STREAM:
			server_stream_run(ITEM_OF(item, struct http_stream));
			break;
		}
	}
	return NULL;
}

int server_queue_start(struct http_server *s, unsigned workers, struct err *err)
{
	struct server_queue *q = &s->queue;
	char name[16];

	q->threads = mem_calloc(workers, sizeof(*q->threads));
	for (; q->nthreads < workers; q->nthreads++) {
		snprintf(name, sizeof(name), "http-%u", q->nthreads);
		TRY(thread_start(
		    &q->threads[q->nthreads], name, worker_main, s, err));
	}
	return 0;
}

void server_queue_stop(struct http_server *s)
{
	struct server_queue *q = &s->queue;
	unsigned i;

	mtx_lock(&q->mtx);
	q->stopping = true;
	cond_broadcast(&q->work);
	mtx_unlock(&q->mtx);
	for (i = 0; i < q->nthreads; i++)
		thread_join(q->threads[i]);
	q->nthreads = 0;
	mem_free(q->threads);
	q->threads = NULL;
}

/* Streams begun by a late answer, after the workers went. */
void server_queue_flush(struct http_server *s)
{
	struct server_item *item;

	for (;;) {
		mtx_lock(&s->queue.mtx);
		item = server_list_pop(&s->queue.list);
		mtx_unlock(&s->queue.mtx);
		if (item == NULL)
			return;
		ASSERT(item->kind == SERVER_ITEM_STREAM);
		server_stream_run(ITEM_OF(item, struct http_stream));
	}
}
