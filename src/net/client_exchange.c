/*
 * One attempt of a request on one connection: write it, read the reply, and
 * judge what a failure means ("nothing happened" or "may have happened").
 * Called by http_client.c on the thread of its caller; the connection stays
 * the caller's.
 */
#include "net/client_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"

/* A small body rides in the same send as the head. */
#define JOIN_BODY_MAX    (32 * 1024)
#define HEAD_BYTES_MAX   (256 * 1024)
#define SOURCE_PIECE_MAX (1024 * 1024)

static int head_build(
    const struct client_exchange *x, struct buf *head, struct err *err)
{
	const struct http_call *call = x->call;
	const char *const *h;

	buf_printf(head, "%s %s%s HTTP/1.1\r\nHost: %s\r\n", call->method,
	    x->c->prefix, call->target, x->c->host_header);
	buf_append(head, buf_str(&x->c->common), x->c->common.len);
	for (h = call->headers; h != NULL && *h != NULL; h++)
		buf_printf(head, "%s\r\n", *h);
	if (call->content_type != NULL)
		buf_printf(head, "Content-Type: %s\r\n", call->content_type);
	if (x->reply.hijack)
		buf_append_str(head, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	if (call->body_source != NULL)
		buf_append_str(head, "Transfer-Encoding: chunked\r\n");
	else if (call->body_len > 0 || !x->safe)
		buf_printf(head, "Content-Length: %zu\r\n", call->body_len);
	buf_append_str(head, "\r\n");
	if (head->overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "the request head is larger than %d bytes", HEAD_BYTES_MAX);
	return 0;
}

static int send_bytes(
    struct client_exchange *x, const void *data, size_t len, struct err *err)
{
	return client_send(x->link, x->ctx, data, len, &x->lost, err);
}

static int send_chunks(struct client_exchange *x, struct err *err)
{
	CLEANUP(buf_fini) struct buf piece = {.max = SOURCE_PIECE_MAX};
	char size[24];
	int more = 1;

	x->pulled = true;
	while (more > 0) {
		buf_clear(&piece);
		more = x->call->body_source(x->call->body_arg, &piece, err);
		if (more < 0)
			return -1;
		if (piece.overflow)
			return err_set(err, ERR_INTERNAL, NULL,
			    "a body source gave more than %d bytes at once",
			    SOURCE_PIECE_MAX);
		if (piece.len == 0)
			continue;
		snprintf(size, sizeof(size), "%zx\r\n", piece.len);
		TRY(send_bytes(x, size, strlen(size), err));
		x->acted = true; /* the peer may use what it has */
		TRY(send_bytes(x, piece.data, piece.len, err));
		TRY(send_bytes(x, "\r\n", 2, err));
	}
	return send_bytes(x, "0\r\n\r\n", 5, err);
}

/* It holds the caller's token, and often a body full of secrets. */
static void head_fini(struct buf *head)
{
	secret_wipe(head->data, head->cap);
	buf_fini(head);
}

static void head_fini_guard(struct buf *head)
{
	head_fini(head);
}

static int send_request(struct client_exchange *x, struct err *err)
{
	CLEANUP(head_fini)
	struct buf head = {.max = HEAD_BYTES_MAX};
	const struct http_call *call = x->call;
	bool joined =
	    call->body_source == NULL && call->body_len <= JOIN_BODY_MAX;

	TRY(head_build(x, &head, err));
	if (joined && buf_append(&head, call->body, call->body_len) != 0)
		joined = false;
	TRY(send_bytes(x, head.data, head.len, err));
	if (call->body_source != NULL)
		TRY(send_chunks(x, err));
	else if (!joined)
		TRY(send_bytes(x, call->body, call->body_len, err));
	x->acted = true;
	return 0;
}

static int read_reply(
    struct client_exchange *x, struct buf *early, struct err *err)
{
	struct client_reply *r = &x->reply;
	char in[CLIENT_READ_BYTES];
	long n;

	while (!r->done) {
		n = client_recv(x->link, x->ctx, in, sizeof(in), &x->lost, err);
		if (n < 0)
			return -1;
		if (n > 0) {
			TRY(client_reply_feed(r, in, (size_t)n, err));
			continue;
		}
		client_reply_eof(r);
		if (r->done)
			break;
		x->lost = true;
		return err_set(err, ERR_UNAVAILABLE, "connection_lost",
		    r->began ? "the connection ended in the middle of the reply"
			     : "the connection ended without a reply");
	}
	if (r->rest_len > 0)
		r->keep_alive = false;
	if (r->handed_over && early != NULL && r->rest_len > 0 &&
	    buf_append(early, r->rest, r->rest_len) != 0)
		return err_set(err, ERR_LIMIT, "reply_too_large",
		    "%zu bytes came with the reply, more than its buffer takes",
		    r->rest_len);
	return 0;
}

bool client_exchange_may_retry(const struct client_exchange *x)
{
	return x->lost && !x->reply.began && !x->pulled &&
	       (x->safe || !x->acted);
}

/* A lost reply of something that changes the world: it may have happened. */
static int judge(struct client_exchange *x, struct err *err)
{
	IGNORE(err_wrap(
	    err, "%s %s on %s", x->call->method, x->call->target, x->c->name));
	if (x->safe || !x->acted)
		return -1;
	if (err->kind != ERR_TIMEOUT && err->kind != ERR_CANCELED &&
	    err->kind != ERR_UNAVAILABLE)
		return -1;
	err->kind = ERR_UNCERTAIN; /* the code still says why */
	return err_wrap(err, "may have happened");
}

int client_exchange_run(
    struct client_exchange *x, struct buf *early, struct err *err)
{
	struct err ignored = ERR_INIT;

	if (send_request(x, err) != 0) {
		/* A peer that refuses may answer and close without reading
		 * the body: its words are better than "broken pipe". */
		if (!x->lost || read_reply(x, early, &ignored) != 0)
			return judge(x, err);
		x->reply.keep_alive = false;
		return 0;
	}
	if (read_reply(x, early, err) != 0)
		return judge(x, err);
	return 0;
}
