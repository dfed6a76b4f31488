/*
 * The loop thread: takes what other threads post, sweeps the timers, hands
 * the requests of one turn to the workers together, and ends in order.
 */
#include "net/server_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define ITEM_OF(ptr, type) ((type *)((char *)(ptr)-offsetof(type, item)))
#define TICK_MIN_MS        10
#define TICK_MAX_MS        500

void server_count(atomic_uint_fast64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* -- timers ------------------------------------------------------------ */

static void sweep(struct http_server *s, enum server_timer_class class)
{
	int64_t now = (int64_t)uv_now(&s->loop);
	struct server_conn *c, *next;

	for (c = s->timers[class].head; c != NULL; c = next) {
		next = c->timer.next;
		if (c->timer.due_ms <= now)
			server_conn_expired(c);
		else if (class != TIMER_KEEPALIVE)
			break;
	}
}

static void on_tick(uv_timer_t *t)
{
	struct http_server *s = t->data;
	enum server_timer_class class;

	for (class = TIMER_NONE + 1; class < TIMER_CLASSES; class ++)
		sweep(s, class);
	if (s->nconns == 0)
		uv_timer_stop(t);
}

static int64_t tick_ms(const struct http_server_config *c)
{
	const int64_t all[] = {c->header_timeout_ms, c->body_timeout_ms,
	    c->idle_timeout_ms, c->write_timeout_ms};
	int64_t ms = (int64_t)TICK_MAX_MS * 8;
	size_t i;

	for (i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i] < ms)
			ms = all[i];
	}
	return ms / 8 > TICK_MIN_MS ? ms / 8 : TICK_MIN_MS;
}

void server_loop_tick_start(struct http_server *s)
{
	uint64_t ms = (uint64_t)tick_ms(&s->config);

	if (!uv_is_active((uv_handle_t *)&s->tick))
		uv_timer_start(&s->tick, on_tick, ms, ms);
}

/* -- posts ------------------------------------------------------------- */

/* The server has ended; the last holder of an exchange lets go. */
static void post_late(struct server_item *item)
{
	struct http_exchange *x;
	struct http_stream *st;

	ASSERT(item->kind == SERVER_ITEM_EXCHANGE);
	x = ITEM_OF(item, struct http_exchange);
	st = STEAL(x->stream);
	if (st != NULL) {
		st->dead = true;
		server_stream_run(st); /* finds it dead: closed(), free */
	}
	server_exchange_free(x);
}

void server_post(struct http_server *s, struct server_item *item)
{
	bool gone;

	mtx_lock(&s->mtx);
	gone = s->gone;
	if (!gone) {
		/* The first of a list wakes the loop. Under the mutex, for the
		 * handle must not be closed in between. */
		if (s->posts.head == NULL)
			uv_async_send(&s->async);
		server_list_push(&s->posts, item);
	}
	mtx_unlock(&s->mtx);
	if (gone)
		post_late(item);
}

static void arrived(struct server_item *item)
{
	switch (item->kind) {
	case SERVER_ITEM_EXCHANGE:
		server_reply_arrived(ITEM_OF(item, struct http_exchange));
		break;
	case SERVER_ITEM_STREAM:
		server_stream_arrived(ITEM_OF(item, struct http_stream));
		break;
	}
}

static void close_all(struct http_server *s)
{
	struct server_conn *c;

	for (c = s->conns; c != NULL; c = c->next)
		server_conn_close(c);
}

static void on_drain_end(uv_timer_t *t)
{
	close_all(t->data);
}

static void drain_begin(struct http_server *s, int64_t ms)
{
	struct server_conn *c;

	s->draining = true;
	server_listen_end(s);
	for (c = s->conns; c != NULL; c = c->next) {
		if (c->phase == PHASE_IDLE || c->phase == PHASE_SHAKE ||
		    c->phase == PHASE_STREAM || c->phase == PHASE_LINGER)
			server_conn_close(c);
	}
	uv_timer_start(&s->drain, on_drain_end, ms > 0 ? (uint64_t)ms : 0, 0);
	server_loop_check_drained(s);
}

void server_loop_check_drained(struct http_server *s)
{
	if (!s->draining || s->nconns > 0)
		return;
	mtx_lock(&s->mtx);
	s->drained = true;
	cond_broadcast(&s->drained_cond);
	mtx_unlock(&s->mtx);
}

static void quit(struct http_server *s)
{
	uv_close((uv_handle_t *)&s->async, NULL);
	uv_close((uv_handle_t *)&s->check, NULL);
	uv_close((uv_handle_t *)&s->tick, NULL);
	uv_close((uv_handle_t *)&s->drain, NULL);
}

static void on_async(uv_async_t *a)
{
	struct http_server *s = a->data;
	struct server_list posts = {NULL};
	struct server_item *item;
	bool want_drain, want_quit;
	int64_t ms;

	mtx_lock(&s->mtx);
	server_list_move(&posts, &s->posts);
	want_drain = s->want_drain;
	s->want_drain = false;
	want_quit = s->want_quit;
	ms = s->drain_ms;
	s->gone = want_quit;
	mtx_unlock(&s->mtx);
	if (want_drain)
		drain_begin(s, ms);
	while ((item = server_list_pop(&posts)) != NULL)
		arrived(item);
	if (want_quit)
		quit(s);
}

/* After all events of this turn. */
static void on_check(uv_check_t *check)
{
	struct http_server *s = check->data;

	server_queue_push_batch(s, &s->batch);
}

static void *loop_main(void *arg)
{
	struct http_server *s = arg;

	uv_run(&s->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&s->loop) != 0)
		WRONG("a handle of the loop was left open");
	return NULL;
}

/* -- start and end ----------------------------------------------------- */

int server_loop_start(struct http_server *s, struct err *err)
{
	int r = uv_loop_init(&s->loop);

	if (r != 0)
		return err_sys(err, -r, "start the event loop");
	server_listen_init(s);
	uv_async_init(&s->loop, &s->async, on_async);
	uv_check_init(&s->loop, &s->check);
	uv_timer_init(&s->loop, &s->tick);
	uv_timer_init(&s->loop, &s->drain);
	s->async.data = s->check.data = s->tick.data = s->drain.data = s;
	uv_check_start(&s->check, on_check);
	if (server_listen_start(s, err) == 0 &&
	    thread_start(&s->thread, "http-loop", loop_main, s, err) == 0)
		return 0;
	server_listen_end(s);
	quit(s);
	loop_main(s);
	return -1;
}

void server_loop_drain(struct http_server *s, int64_t drain_ms)
{
	mtx_lock(&s->mtx);
	s->want_drain = true;
	s->drain_ms = drain_ms;
	uv_async_send(&s->async);
	while (!s->drained)
		cond_wait(&s->drained_cond, &s->mtx);
	mtx_unlock(&s->mtx);
}

void server_loop_quit(struct http_server *s)
{
	mtx_lock(&s->mtx);
	s->want_quit = true;
	uv_async_send(&s->async);
	mtx_unlock(&s->mtx);
	thread_join(s->thread);
}
