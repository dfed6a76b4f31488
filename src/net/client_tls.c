/*
 * A connection of the HTTP client through its TLS session: what is sealed goes
 * to the socket, what comes from there is unsealed. Called by client_conn.c on
 * the thread of the caller, bounded by his context.
 */
#include "net/client_internal.h"

/* Sealed at once. */
#define PIECE_BYTES ((size_t)128 * 1024)

/* What the session wants to send. */
static int flush(struct client_link *l, const struct ctx *ctx, bool *ret_lost,
    struct err *err)
{
	struct buf *out = tls_session_out(l->tls);
	int r = 0;

	if (out->len > 0)
		r = client_socket_send(
		    l->fd, ctx, out->data, out->len, ret_lost, err);
	buf_clear(out);
	return r;
}

/* What the peer sends next. An end without a word of it may be somebody who
 * cuts the connection: never taken for the end of a reply. */
static int fetch(struct client_link *l, const struct ctx *ctx, bool *ret_lost,
    struct err *err)
{
	long n = client_socket_recv(
	    l->fd, ctx, l->in, CLIENT_READ_BYTES, ret_lost, err);

	if (n < 0)
		return -1;
	if (n == 0) {
		*ret_lost = true;
		return err_set(err, ERR_UNAVAILABLE, "connection_lost",
		    "the TLS connection was cut off");
	}
	tls_session_give(l->tls, l->in, (size_t)n);
	return 0;
}

int client_tls_start(
    struct client_link *l, const struct ctx *ctx, struct err *err)
{
	struct err unsent = ERR_INIT;
	enum tls_progress p;
	bool lost = false;

	for (;;) {
		p = tls_session_handshake(l->tls, err);
		if (p == TLS_FAILED) {
			/* it shall know why, if it still listens */
			IGNORE(flush(l, ctx, &lost, &unsent));
			return -1;
		}
		TRY(flush(l, ctx, &lost, err));
		if (p == TLS_DONE)
			return 0;
		TRY(fetch(l, ctx, &lost, err));
	}
}

int client_tls_send(struct client_link *l, const struct ctx *ctx,
    const void *data, size_t len, bool *ret_lost, struct err *err)
{
	const char *p = data;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = len < PIECE_BYTES ? len : PIECE_BYTES;
		TRY(tls_session_write(l->tls, p, n, err));
		TRY(flush(l, ctx, ret_lost, err));
	}
	return 0;
}

long client_tls_recv(struct client_link *l, const struct ctx *ctx, char *data,
    size_t size, bool *ret_lost, struct err *err)
{
	size_t n;

	for (;;) {
		TRY(ctx_check(ctx, err));
		switch (tls_session_read(l->tls, data, size, &n, err)) {
		case TLS_DONE:
			return (long)n;
		case TLS_CLOSED:
			return 0;
		case TLS_FAILED:
			return -1;
		case TLS_WANT:
			break;
		}
		TRY(flush(l, ctx, ret_lost, err)); /* answers below HTTP */
		TRY(fetch(l, ctx, ret_lost, err));
	}
}
