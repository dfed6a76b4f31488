/*
 * Replies that are produced over time. A stream goes round between a worker
 * (produce) and the loop (write), or rests until it is woken:
 *
 *   LOOP --taken--> QUEUED --produced--> LOOP
 *   LOOP --taken, WAIT--> IDLE --wake--> QUEUED
 *
 * Whoever finds it dead passes it to a worker a last time, for closed().
 */
#include "net/server_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* An idle follower keeps no more than this. */
#define KEEP_BYTES 4096

static void queue_locked(struct http_stream *st)
{
	st->state = STREAM_QUEUED;
	server_queue_push_locked(st->s, &st->item);
}

/* -- worker ------------------------------------------------------------ */

/* `dead` is set and nobody else holds it: a last word, then it is gone. */
static void stream_bury(struct http_stream *st)
{
	struct http_server *s = st->s;

	if (st->ops.closed != NULL)
		st->ops.closed(st->arg);
	mtx_lock(&s->queue.mtx);
	s->queue.streams--;
	if (s->queue.stopping && s->queue.streams == 0)
		cond_broadcast(&s->queue.work);
	mtx_unlock(&s->queue.mtx);
	buf_fini(&st->out);
	st->magic = 0;
	mem_free(st);
}

static bool is_dead(struct http_stream *st)
{
	bool dead;

	mtx_lock(&st->s->queue.mtx);
	dead = st->dead;
	mtx_unlock(&st->s->queue.mtx);
	return dead;
}

void server_stream_run(struct http_stream *st)
{
	struct http_server *s = st->s;
	bool dead;

	MAGIC_CHECK(st, STREAM_MAGIC);
	if (is_dead(st)) {
		stream_bury(st);
		return;
	}
	/* Before produce looks: a wake from now on means another round. */
	atomic_exchange(&st->woken, false);
	st->result = st->ops.produce(st->arg, &st->out);
	mtx_lock(&s->queue.mtx);
	dead = st->dead;
	if (!dead)
		st->state = STREAM_LOOP;
	mtx_unlock(&s->queue.mtx);
	if (dead)
		stream_bury(st);
	else
		server_post(s, &st->item);
}

/* -- any thread -------------------------------------------------------- */

void http_stream_wake(struct http_stream *st)
{
	MAGIC_CHECK(st, STREAM_MAGIC);
	if (atomic_exchange(&st->woken, true))
		return;
	mtx_lock(&st->s->queue.mtx);
	if (!st->dead && st->state == STREAM_IDLE)
		queue_locked(st);
	mtx_unlock(&st->s->queue.mtx);
}

void http_reply_stream(struct http_exchange *x, int status,
    const char *content_type, int64_t content_length,
    const struct http_stream_ops *ops, void *arg,
    void (*bind)(void *arg, struct http_stream *stream))
{
	struct http_server *s = x->s;
	struct http_stream *st = mem_zalloc(sizeof(*st));

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	ASSERT(status >= 200 && status <= 599);
	st->magic = STREAM_MAGIC;
	st->item.kind = SERVER_ITEM_STREAM;
	st->s = s;
	st->ops = *ops;
	st->arg = arg;
	st->left = content_length;
	st->chunked = content_length < 0 && x->minor >= 1;
	st->state = STREAM_LOOP;
	st->result = HTTP_MORE; /* so that the head is followed by produce */
	buf_init(&st->out, SERVER_STREAM_BYTES_MAX);
	if (content_length >= 0)
		st->ops.keepalive_ms = 0; /* would break the promise */
	if (content_length < 0 && !st->chunked)
		x->keep_alive = false;
	x->status = status;
	x->stream = st;
	server_reply_head(x, content_type, content_length);
	mtx_lock(&s->queue.mtx);
	s->queue.streams++;
	mtx_unlock(&s->queue.mtx);
	if (bind != NULL)
		bind(arg, st);
	server_post(s, &x->item);
}

/* -- loop -------------------------------------------------------------- */

void server_stream_detach(struct http_stream *st)
{
	struct http_server *s = st->s;

	st->conn = NULL;
	mtx_lock(&s->queue.mtx);
	st->dead = true;
	if (st->state == STREAM_IDLE ||
	    (st->state == STREAM_LOOP && st->arrived)) {
		st->arrived = false;
		queue_locked(st);
	}
	mtx_unlock(&s->queue.mtx);
}

/* Back to a worker, or to rest when there is nothing and nobody woke it. */
static void stream_release(struct http_stream *st, bool rest)
{
	struct http_server *s = st->s;

	if (st->out.cap > KEEP_BYTES && rest)
		buf_fini(&st->out);
	buf_clear(&st->out);
	st->arrived = false;
	mtx_lock(&s->queue.mtx);
	if (rest && !atomic_load(&st->woken))
		st->state = STREAM_IDLE;
	else
		queue_locked(st);
	mtx_unlock(&s->queue.mtx);
}

static void stream_end(struct server_conn *c)
{
	struct http_stream *st = STEAL(c->x->stream);

	server_stream_detach(st);
	server_replied(c);
}

void server_stream_written(struct server_conn *c)
{
	struct http_stream *st = c->x->stream;

	if (st->result == HTTP_END) {
		stream_end(c);
		return;
	}
	server_conn_arm(
	    c, st->ops.keepalive_ms > 0 ? TIMER_KEEPALIVE : TIMER_NONE);
	stream_release(st, st->result == HTTP_WAIT);
}

/* With a promised length the end follows from it, and a promise that is not
 * kept must not look like a whole body. */
static void hold_to_length(struct http_stream *st)
{
	if (st->left < 0 || st->result == HTTP_ABORT)
		return;
	if ((int64_t)st->out.len >= st->left) {
		st->out.len = (size_t)st->left;
		st->result = HTTP_END;
	} else if (st->result == HTTP_END) {
		st->result = HTTP_ABORT;
	}
	st->left -= (int64_t)st->out.len;
}

static unsigned frame(struct http_stream *st, uv_buf_t bufs[3])
{
	static char crlf[] = "\r\n", last[] = "\r\n0\r\n\r\n";
	bool end = st->result == HTTP_END;
	unsigned n = 0;

	if (!st->chunked) {
		if (st->out.len > 0)
			bufs[n++] =
			    uv_buf_init(st->out.data, (unsigned)st->out.len);
		return n;
	}
	if (st->out.len > 0) {
		snprintf(
		    st->prefix, sizeof(st->prefix), "%zx\r\n", st->out.len);
		bufs[n++] =
		    uv_buf_init(st->prefix, (unsigned)strlen(st->prefix));
		bufs[n++] = uv_buf_init(st->out.data, (unsigned)st->out.len);
		bufs[n++] = end ? uv_buf_init(last, sizeof(last) - 1)
				: uv_buf_init(crlf, 2);
	} else if (end) {
		bufs[n++] = uv_buf_init(last + 2, sizeof(last) - 3);
	}
	return n;
}

void server_stream_arrived(struct http_stream *st)
{
	struct server_conn *c = st->conn;
	uv_buf_t bufs[3];
	unsigned n;

	st->arrived = true;
	if (c == NULL) {
		server_stream_detach(st);
		return;
	}
	if (c->phase == PHASE_CLOSING)
		return; /* on_closed detaches it */
	hold_to_length(st);
	if (st->result == HTTP_ABORT || st->out.overflow) {
		server_conn_close(c);
		return;
	}
	c->x->reply_bytes += st->out.len;
	n = frame(st, bufs);
	if (n == 0 || server_write(c, bufs, n, WRITE_THEN_STREAM))
		server_stream_written(c);
}

void server_stream_keepalive(struct server_conn *c)
{
	struct http_stream *st = c->x->stream;
	uv_stream_t *tcp = &c->stream;
	char text[128];
	uv_buf_t b;
	int n;

	if (uv_stream_get_write_queue_size(tcp) > 0) {
		c->write_left = uv_stream_get_write_queue_size(tcp);
		server_conn_arm(c, TIMER_WRITE);
		return;
	}
	if (st->ops.keepalive == NULL) {
		server_conn_arm(c, TIMER_KEEPALIVE);
		http_stream_wake(st);
		return;
	}
	if (st->chunked)
		n = snprintf(text, sizeof(text), "%zx\r\n%s\r\n",
		    strlen(st->ops.keepalive), st->ops.keepalive);
	else
		n = snprintf(text, sizeof(text), "%s", st->ops.keepalive);
	ASSERT(n > 0 && (size_t)n < sizeof(text));
	b = uv_buf_init(text, (unsigned)n);
	if (server_write(c, &b, 1, WRITE_THEN_NOTHING))
		server_conn_arm(c, TIMER_KEEPALIVE);
}
