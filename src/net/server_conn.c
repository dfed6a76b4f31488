/*
 * The life of a connection: accepted, read, parked between requests, closed.
 * Loop thread only. An idle connection owns no buffer: bytes are read into
 * one that all share, and what must stay is copied to the exchange.
 */
#include "net/server_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define HELD_BYTES_MAX ((size_t)2 * SERVER_READ_BYTES)

static struct server_conn *conn_of(void *data)
{
	struct server_conn *c = data;

	MAGIC_CHECK(c, CONN_MAGIC);
	return c;
}

/* -- timers ------------------------------------------------------------ */

static int64_t timeout_ms(const struct server_conn *c)
{
	const struct http_server_config *conf = &c->s->config;

	switch (c->timer.class) {
	case TIMER_IDLE:
		return conf->idle_timeout_ms;
	case TIMER_HANDSHAKE:
	case TIMER_HEADER:
		return conf->header_timeout_ms;
	case TIMER_BODY:
		return conf->body_timeout_ms;
	case TIMER_WRITE:
		return conf->write_timeout_ms;
	case TIMER_LINGER:
		return SERVER_LINGER_MS;
	case TIMER_KEEPALIVE:
		return c->x->stream->ops.keepalive_ms;
	case TIMER_NONE:
	case TIMER_CLASSES:
		break;
	}
	WRONG("no such timer");
}

static void timer_unlink(struct server_conn *c)
{
	struct server_timer *t = &c->timer;
	enum server_timer_class class = t->class;

	if (class == TIMER_NONE)
		return;
	if (t->prev != NULL)
		t->prev->timer.next = t->next;
	else
		c->s->timers[class].head = t->next;
	if (t->next != NULL)
		t->next->timer.prev = t->prev;
	else
		c->s->timers[class].tail = t->prev;
	*t = (struct server_timer){.class = TIMER_NONE};
}

/* Within a class all wait equally long, so its list is in order of time. */
void server_conn_arm(struct server_conn *c, enum server_timer_class class)
{
	struct http_server *s = c->s;
	struct server_timer *t = &c->timer;

	timer_unlink(c);
	if (class == TIMER_NONE)
		return;
	t->class = class;
	t->due_ms = (int64_t)uv_now(&s->loop) + timeout_ms(c);
	t->prev = s->timers[class].tail;
	if (t->prev != NULL)
		t->prev->timer.next = c;
	else
		s->timers[class].head = c;
	s->timers[class].tail = c;
}

void server_conn_expired(struct server_conn *c)
{
	size_t left;

	switch (c->timer.class) {
	case TIMER_HEADER:
	case TIMER_BODY:
		server_refuse(
		    c, 408, "timeout", "the request did not arrive in time");
		return;
	case TIMER_WRITE:
		left = uv_stream_get_write_queue_size(&c->stream);
		if (left < c->write_left) {
			c->write_left = left;
			server_conn_arm(c, TIMER_WRITE);
			return;
		}
		break;
	case TIMER_KEEPALIVE:
		server_stream_keepalive(c);
		return;
	case TIMER_IDLE:
	case TIMER_HANDSHAKE:
	case TIMER_LINGER:
	case TIMER_NONE:
	case TIMER_CLASSES:
		break;
	}
	server_conn_close(c);
}

/* -- the end ----------------------------------------------------------- */

static void conn_unlink(struct server_conn *c)
{
	struct http_server *s = c->s;

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->nconns--;
	atomic_store_explicit(
	    &s->count.connections, s->nconns, memory_order_relaxed);
}

/* libuv has ended all writes before: nothing points into x or the stream. */
static void on_closed(uv_handle_t *h)
{
	struct server_conn *c = conn_of(h->data);
	struct http_server *s = c->s;
	struct http_exchange *x = c->x;

	if (x != NULL && c->with_handler) {
		x->conn = NULL;
	} else if (x != NULL) {
		if (x->stream != NULL)
			server_stream_detach(STEAL(x->stream));
		if (x->status != 0)
			server_exchange_finish(x);
		else
			server_exchange_free(x); /* never became a request */
	}
	conn_unlink(c);
	tls_session_free(c->tls);
	buf_fini(&c->held);
	c->magic = 0;
	mem_free(c);
	server_loop_check_drained(s);
}

void server_conn_close(struct server_conn *c)
{
	if (c->phase == PHASE_CLOSING)
		return;
	c->with_handler = c->phase == PHASE_BUSY;
	/* Elsewhere a missing end is what tells that something was cut. */
	if (c->tls != NULL && c->phase == PHASE_IDLE)
		server_tls_end(c);
	c->phase = PHASE_CLOSING;
	server_conn_arm(c, TIMER_NONE);
	uv_close(&c->handle, on_closed);
}

/* -- reading ----------------------------------------------------------- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct server_conn *c = conn_of(h->data);

	(void)suggested;
	*buf = uv_buf_init(c->s->read_buf, SERVER_READ_BYTES);
}

static void incomplete(struct server_conn *c)
{
	server_refuse(c, 400, "incomplete_request",
	    "the request ended before it was complete");
}

void server_conn_peer_done(struct server_conn *c)
{
	c->peer_done = true;
	switch (c->phase) {
	case PHASE_HEAD:
	case PHASE_BODY:
		incomplete(c);
		break;
	case PHASE_BUSY:
	case PHASE_REPLY:
		break; /* it may still read */
	case PHASE_STREAM:
		/* Without an end in sight, "no more to say" can only mean
		 * that it left; with one, the next write would tell. */
		if (c->x->stream->left < 0)
			server_conn_close(c);
		break;
	case PHASE_IDLE:
	case PHASE_SHAKE:
	case PHASE_LINGER:
	case PHASE_CLOSING:
		server_conn_close(c);
		break;
	}
}

/* Bytes behind a request that is being answered: kept, and no more read, so
 * that the peer's window fills up. */
static void hold(struct server_conn *c, const char *data, size_t len)
{
	if (c->phase == PHASE_LINGER || c->phase == PHASE_CLOSING || len == 0 ||
	    !c->x->keep_alive)
		return;
	if (buf_append(&c->held, data, len) != 0) {
		server_conn_close(c);
		return;
	}
	uv_read_stop(&c->stream);
	c->reading = false;
}

void server_conn_take(struct server_conn *c, const char *data, size_t len)
{
	size_t used = server_parse(c, data, len);

	hold(c, data + used, len - used);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct server_conn *c = conn_of(stream->data);

	if (n == 0 || c->phase == PHASE_CLOSING)
		return;
	if (n == UV_EOF) {
		c->reading = false;
		server_conn_peer_done(c);
	} else if (n < 0) {
		server_conn_close(c);
	} else if (c->tls != NULL) {
		server_tls_read(c, buf->base, (size_t)n);
	} else {
		server_conn_take(c, buf->base, (size_t)n);
	}
}

static void read_on(struct server_conn *c)
{
	if (c->reading || c->peer_done || c->phase == PHASE_CLOSING)
		return;
	c->reading = true;
	if (uv_read_start(&c->stream, on_alloc, on_read) != 0)
		server_conn_close(c);
}

void server_conn_next(struct server_conn *c)
{
	c->x = NULL;
	c->phase = PHASE_IDLE;
	if (c->s->draining) {
		server_conn_close(c);
		return;
	}
	server_conn_arm(c, TIMER_IDLE);
	if (c->held.len > 0)
		c->held_at += server_parse(
		    c, c->held.data + c->held_at, c->held.len - c->held_at);
	if (c->held_at < c->held.len && c->phase == PHASE_BUSY)
		return;
	buf_fini(&c->held);
	c->held_at = 0;
	read_on(c);
	if (!c->peer_done)
		return;
	if (c->phase == PHASE_IDLE)
		server_conn_close(c);
	else if (c->phase == PHASE_HEAD || c->phase == PHASE_BODY)
		incomplete(c);
}

void server_conn_linger(struct server_conn *c)
{
	uv_os_fd_t fd;

	if (c->tls != NULL)
		server_tls_end(c);
	if (c->peer_done || c->s->draining || uv_fileno(&c->handle, &fd) != 0) {
		server_conn_close(c);
		return;
	}
	/* All is with the kernel: no need for uv_shutdown's queue. */
	shutdown(fd, SHUT_WR);
	c->phase = PHASE_LINGER;
	buf_fini(&c->held);
	c->held_at = 0;
	server_conn_arm(c, TIMER_LINGER);
	read_on(c);
}

/* -- the beginning ----------------------------------------------------- */

static void name_peer(struct server_conn *c)
{
	struct sockaddr_storage a;
	char ip[INET6_ADDRSTRLEN] = "?";
	int len = sizeof(a), port = 0;

	if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &len) != 0)
		a.ss_family = AF_UNSPEC;
	if (a.ss_family == AF_INET) {
		const struct sockaddr_in *in = (struct sockaddr_in *)&a;

		uv_ip4_name(in, ip, sizeof(ip));
		port = ntohs(in->sin_port);
	} else if (a.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (struct sockaddr_in6 *)&a;

		uv_ip6_name(in, ip, sizeof(ip));
		port = ntohs(in->sin6_port);
	}
	snprintf(c->peer, sizeof(c->peer),
	    strchr(ip, ':') != NULL ? "[%s]:%d" : "%s:%d", ip, port);
}

/* A peer that vanished without a word takes nothing, either: also when so
 * little is sent that the kernel's buffers never fill. */
static void limit_silence(struct server_conn *c)
{
	unsigned ms = (unsigned)c->s->config.write_timeout_ms;
	uv_os_fd_t fd;

	if (uv_fileno(&c->handle, &fd) == 0)
		IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
		    sizeof(ms))); /* then the kernel's own patience */
}

static struct server_conn *conn_new(struct http_server *s, bool is_unix)
{
	struct server_conn *c = mem_zalloc(sizeof(*c));

	c->magic = CONN_MAGIC;
	c->s = s;
	buf_init(&c->held, HELD_BYTES_MAX);
	c->is_unix = is_unix;
	if (is_unix)
		uv_pipe_init(&s->loop, &c->pipe, 0);
	else
		uv_tcp_init(&s->loop, &c->tcp);
	c->handle.data = c;
	c->next = s->conns;
	if (c->next != NULL)
		c->next->prev = c;
	s->conns = c;
	s->nconns++;
	server_count(&s->count.connections_total);
	atomic_store_explicit(
	    &s->count.connections, s->nconns, memory_order_relaxed);
	return c;
}

/* It may make requests; unless it is one too many. */
void server_conn_begin(struct server_conn *c)
{
	c->phase = PHASE_IDLE;
	server_conn_arm(c, TIMER_IDLE);
	if (c->s->nconns > c->s->config.connections_max)
		server_refuse(c, 503, "too_many_connections",
		    "too many connections: try again later");
}

static void begin_tls(struct server_conn *c)
{
	c->tls = tls_keeper_session(c->s->config.tls);
	c->phase = PHASE_SHAKE;
	server_conn_arm(c, TIMER_HANDSHAKE);
}

void server_conn_accept(uv_stream_t *listener, int status)
{
	struct http_server *s = listener->data;
	struct server_conn *c;

	if (status != 0)
		return; /* out of descriptors: libuv tries again */
	c = conn_new(s, listener->type == UV_NAMED_PIPE);
	c->is_extra = listener == (uv_stream_t *)&s->extra;
	if (uv_accept(listener, &c->stream) != 0 ||
	    s->nconns > s->config.connections_max + SERVER_REFUSED_MAX) {
		server_conn_close(c);
		return;
	}
	if (c->is_unix) {
		snprintf(c->peer, sizeof(c->peer), "unix");
	} else {
		uv_tcp_nodelay(&c->tcp, 1);
		limit_silence(c);
		name_peer(c);
	}
	server_loop_tick_start(s);
	if (s->config.tls != NULL && !c->is_unix)
		begin_tls(c);
	else
		server_conn_begin(c);
	read_on(c);
}
