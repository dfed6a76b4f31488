/*
 * Bytes to the kernel: at once where it takes them, else queued in libuv
 * under the write timer. Loop thread.
 */
#include "net/server_internal.h"

#include <string.h>

#include "base/mem.h"

struct pending {
	uv_write_t req;
	struct server_conn *c;
	enum server_write_then then;
	char copy[]; /* WRITE_THEN_NOTHING: the bytes */
};

void server_write_after(struct server_conn *c, enum server_write_then then)
{
	switch (then) {
	case WRITE_THEN_REPLIED:
		server_replied(c);
		break;
	case WRITE_THEN_STREAM:
		server_stream_written(c);
		break;
	case WRITE_THEN_NOTHING:
		if (c->phase == PHASE_STREAM && c->timer.class == TIMER_WRITE &&
		    uv_stream_get_write_queue_size(&c->stream) == 0)
			server_conn_arm(c, TIMER_KEEPALIVE);
		break;
	}
}

static void on_written(uv_write_t *req, int status)
{
	struct pending *p = req->data;
	struct server_conn *c = p->c;
	enum server_write_then then = p->then;

	mem_free(p);
	if (c->phase == PHASE_CLOSING)
		return;
	if (status != 0)
		server_conn_close(c);
	else
		server_write_after(c, then);
}

unsigned server_write_advance(uv_buf_t *bufs, unsigned n, size_t taken)
{
	unsigned i;

	for (i = 0; i < n && taken >= bufs[i].len; i++)
		taken -= bufs[i].len;
	if (i < n) {
		bufs[i].base += taken;
		bufs[i].len -= taken;
	}
	return i;
}

static struct pending *pending_new(struct server_conn *c, uv_buf_t *bufs,
    unsigned *n, size_t left, enum server_write_then then)
{
	size_t copy = then == WRITE_THEN_NOTHING ? left : 0, at = 0;
	struct pending *p = mem_alloc(sizeof(*p) + copy);
	unsigned i;

	p->req.data = p;
	p->c = c;
	p->then = then;
	if (copy == 0)
		return p;
	for (i = 0; i < *n; i++) {
		memcpy(p->copy + at, bufs[i].base, bufs[i].len);
		at += bufs[i].len;
	}
	bufs[0] = uv_buf_init(p->copy, (unsigned)left);
	*n = 1;
	return p;
}

void server_write_waits(struct server_conn *c)
{
	if (c->phase != PHASE_REPLY && c->phase != PHASE_STREAM)
		return;
	c->write_left = uv_stream_get_write_queue_size(&c->stream);
	server_conn_arm(c, TIMER_WRITE);
}

static void write_later(struct server_conn *c, uv_buf_t *bufs, unsigned n,
    size_t left, enum server_write_then then)
{
	struct pending *p = pending_new(c, bufs, &n, left, then);

	if (uv_write(&p->req, &c->stream, bufs, n, on_written) != 0) {
		mem_free(p);
		server_conn_close(c);
		return;
	}
	server_write_waits(c);
}

bool server_write(struct server_conn *c, uv_buf_t *bufs, unsigned n,
    enum server_write_then then)
{
	size_t total = 0;
	unsigned i;
	int taken;

	ASSERT(n > 0 && n <= SERVER_WRITE_BUFS_MAX);
	if (c->tls != NULL)
		return server_tls_write(c, bufs, n, then);
	for (i = 0; i < n; i++)
		total += bufs[i].len;
	taken = uv_try_write(&c->stream, bufs, n);
	if (taken == UV_EAGAIN)
		taken = 0;
	if (taken < 0) {
		server_conn_close(c);
		return false;
	}
	if ((size_t)taken == total)
		return true;
	i = server_write_advance(bufs, n, (size_t)taken);
	write_later(c, bufs + i, n - i, total - (size_t)taken, then);
	return false;
}
