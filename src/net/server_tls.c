/*
 * A connection's bytes through its TLS session, in both directions. Loop
 * thread. What is sealed and cannot be written at once goes to libuv; nothing
 * more is sealed before that has been taken, so a slow peer holds no more
 * memory than one piece beside what it asked for.
 *
 * Handshakes are computed here, too: with a P-256 certificate about a quarter
 * of a millisecond each.
 */
#include <ctype.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/server_internal.h"

/* Sealed at once; also what may wait in libuv for a peer that does not take
 * it. */
#define PIECE_BYTES ((size_t)128 * 1024)
/* What a peer makes us answer without taking it (key updates). */
#define ANSWERS_BYTES_MAX (4 * PIECE_BYTES)
/* The first byte of a handshake (RFC 8446 §5.1). */
#define RECORD_HANDSHAKE 0x16

/* -- sealed bytes to the kernel -------------------------------------------- */

struct sealed {
	uv_write_t req;
	struct server_conn *c;
	enum server_write_then then;
	uv_buf_t bufs[SERVER_WRITE_BUFS_MAX]; /* what is not sealed yet */
	unsigned n;
	struct buf bytes; /* what is */
};

static void on_written(uv_write_t *req, int status)
{
	struct sealed *w = req->data;
	struct server_conn *c = w->c;

	if (c->phase != PHASE_CLOSING && status != 0)
		server_conn_close(c);
	else if (c->phase != PHASE_CLOSING &&
		 (w->n == 0 || server_tls_write(c, w->bufs, w->n, w->then)))
		server_write_after(c, w->then);
	buf_fini(&w->bytes);
	mem_free(w);
}

/* What the session wants to send. False: it was not taken at once, and when
 * it is, the rest is sealed and `then` follows; or the connection closes. */
static bool flush(struct server_conn *c, uv_buf_t *rest, unsigned n,
    enum server_write_then then)
{
	struct buf *out = tls_session_out(c->tls);
	uv_buf_t b = uv_buf_init(out->data, (unsigned)out->len);
	struct sealed *w;
	int taken;

	if (out->len == 0)
		return true;
	taken = uv_try_write(&c->stream, &b, 1);
	if (taken == UV_EAGAIN)
		taken = 0;
	if (taken == (int)out->len) {
		buf_fini(out); /* an idle connection holds nothing */
		return true;
	}
	if (taken < 0) {
		server_conn_close(c);
		return false;
	}
	w = mem_zalloc(sizeof(*w));
	*w = (struct sealed){.c = c, .then = then, .n = n, .bytes = *out};
	w->req.data = w;
	for (unsigned i = 0; i < n; i++)
		w->bufs[i] = rest[i];
	*out = (struct buf){.max = out->max};
	b = uv_buf_init(w->bytes.data + taken, (unsigned)w->bytes.len - taken);
	if (uv_write(&w->req, &c->stream, &b, 1, on_written) == 0)
		return false;
	buf_fini(&w->bytes);
	mem_free(w);
	server_conn_close(c);
	return false;
}

/* -- writing ----------------------------------------------------------- */

/* Up to a record's worth of the buffers, in one piece: small ones do not get
 * records of their own. */
static size_t gather(struct http_server *s, uv_buf_t *bufs, unsigned n)
{
	size_t at = 0, len;

	for (unsigned i = 0; i < n && at < SERVER_RECORD_BYTES; i++) {
		len = bufs[i].len;
		if (len > SERVER_RECORD_BYTES - at)
			len = SERVER_RECORD_BYTES - at;
		memcpy(s->plain_out + at, bufs[i].base, len);
		at += len;
	}
	return at;
}

/* The next piece of the buffers, sealed; they begin behind it then. */
static int seal(struct server_conn *c, uv_buf_t **bufs, unsigned *n)
{
	struct err err = ERR_INIT;
	size_t sealed = 0, len;
	unsigned gone;

	while (*n > 0 && sealed < PIECE_BYTES) {
		len = gather(c->s, *bufs, *n);
		if (tls_session_write(c->tls, c->s->plain_out, len, &err) < 0)
			return -1;
		sealed += len;
		gone = server_write_advance(*bufs, *n, len);
		*bufs += gone;
		*n -= gone;
	}
	return 0;
}

bool server_tls_write(struct server_conn *c, uv_buf_t *bufs, unsigned n,
    enum server_write_then then)
{
	while (n > 0) {
		if (seal(c, &bufs, &n) < 0) {
			server_conn_close(c);
			return false;
		}
		/* Their memory is not ours to keep; they are short. */
		ASSERT(then != WRITE_THEN_NOTHING || n == 0);
		if (!flush(c, bufs, n, then)) {
			if (c->phase != PHASE_CLOSING)
				server_write_waits(c);
			return false;
		}
	}
	return true;
}

void server_tls_end(struct server_conn *c)
{
	struct buf *out = tls_session_out(c->tls);
	uv_buf_t b;

	tls_session_end(c->tls);
	if (out->len == 0)
		return;
	b = uv_buf_init(out->data, (unsigned)out->len);
	IGNORE(uv_try_write(&c->stream, &b, 1) < 0); /* it may be gone */
	buf_fini(out);
}

/* -- reading ----------------------------------------------------------- */

/* OpenSSL has put a word of why into what is to be sent. */
static void fail(struct server_conn *c, const struct err *err)
{
	struct ctx ctx = ctx_root();

	log_debug(&ctx, "a TLS connection failed", LOG_STR("peer", c->peer),
	    LOG_STR("error", err->msg));
	server_count(&c->s->count.refused);
	if (!flush(c, NULL, 0, WRITE_THEN_NOTHING) || c->phase != PHASE_SHAKE) {
		server_conn_close(c);
		return;
	}
	server_conn_linger(c); /* else the word may get lost */
}

/* A request in plain HTTP is told where it is, in plain HTTP. */
static bool is_plain_http(const char *data)
{
	return data[0] != RECORD_HANDSHAKE &&
	       (isupper((unsigned char)data[0]) || data[0] == '\r');
}

static void refuse_plain(struct server_conn *c)
{
	tls_session_free(STEAL(c->tls));
	c->phase = PHASE_IDLE;
	server_refuse(c, 400, "https_port",
	    "this is an HTTPS port: ask again with https://");
}

/* The end of a TLS 1.3 handshake is the client's, and we have nothing to
 * answer. A client that holds small pieces back until the last is acknowledged
 * (Nagle) would wait for the kernel's delayed acknowledgement, 40 ms, with its
 * first request. */
static void acknowledge(struct server_conn *c)
{
	static const int one = 1;
	uv_os_fd_t fd;

	if (uv_fileno(&c->handle, &fd) == 0)
		IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one,
		    sizeof(one))); /* then it waits */
}

/* True when it is complete, and there may be more to read. */
static bool shake(struct server_conn *c)
{
	struct err err = ERR_INIT;

	switch (tls_session_handshake(c->tls, &err)) {
	case TLS_DONE:
		break;
	case TLS_WANT:
		flush(c, NULL, 0, WRITE_THEN_NOTHING);
		return false;
	case TLS_CLOSED: /* not before it is open */
	case TLS_FAILED:
		fail(c, &err);
		return false;
	}
	acknowledge(c);
	c->is_certified = tls_session_is_certified(c->tls);
	flush(c, NULL, 0, WRITE_THEN_NOTHING);
	if (c->phase == PHASE_SHAKE)
		server_conn_begin(c);
	return c->phase == PHASE_IDLE;
}

/* Peers may make us answer below HTTP; not without taking the answers. */
static bool is_patient(struct server_conn *c)
{
	flush(c, NULL, 0, WRITE_THEN_NOTHING);
	if (uv_stream_get_write_queue_size(&c->stream) > ANSWERS_BYTES_MAX)
		server_conn_close(c);
	return c->phase != PHASE_LINGER && c->phase != PHASE_CLOSING;
}

static void read_plain(struct server_conn *c)
{
	struct err err = ERR_INIT;
	enum tls_progress p;
	size_t n;

	do {
		p = tls_session_read(
		    c->tls, c->s->plain_in, SERVER_RECORD_BYTES, &n, &err);
		if (p == TLS_FAILED)
			fail(c, &err);
		if (p == TLS_DONE)
			server_conn_take(c, c->s->plain_in, n);
		if (p == TLS_CLOSED)
			server_conn_peer_done(c);
	} while (is_patient(c) && p == TLS_DONE);
}

void server_tls_read(struct server_conn *c, const char *data, size_t len)
{
	if (c->phase == PHASE_LINGER)
		return; /* of no interest */
	if (c->phase == PHASE_SHAKE && !c->shaking && is_plain_http(data)) {
		refuse_plain(c);
		return;
	}
	c->shaking = true;
	tls_session_give(c->tls, data, len);
	if (c->phase != PHASE_SHAKE || shake(c))
		read_plain(c);
}
