/*
 * The pieces of the blocking HTTP client, for its own files only:
 *   http_client.c      the public calls, the pool of kept connections
 *   client_conn.c      one socket: connect, send, receive under a context
 *   client_tls.c       the same through a TLS session
 *   client_exchange.c  one request written, one reply awaited, errors judged
 *   client_reply.c     the llhttp parser of the reply
 */
#ifndef NET_CLIENT_INTERNAL_H
#define NET_CLIENT_INTERNAL_H

#include <llhttp.h>

#include "base/thread.h"
#include "net/http_client.h"
#include "net/tls.h"

#define CLIENT_IDLE_MAX    16
#define CLIENT_IDLE_AGE_NS (30 * CLOCK_NS_PER_S)
#define CLIENT_HEADERS_MAX (64 * 1024)
#define CLIENT_READ_BYTES  (16 * 1024)

/* Where the peer listens. */
struct client_addr {
	bool is_unix;
	char path[108]; /* sun_path */
	char host[256];
	char port[8];
};

/* One connection. */
struct client_link {
	int fd;
	struct tls_session *tls; /* NULL: plain */
	char *in;                /* with it: CLIENT_READ_BYTES, sealed */
};

struct client_idle {
	struct client_link *link;
	int64_t since_ns; /* monotonic */
};

struct http_client {
	char *name; /* the base as given, for messages */
	char *host_header;
	char *prefix; /* of every target, "" or "/x" */
	struct client_addr addr;
	struct tls_client *tls; /* NULL: plain */
	struct buf common;      /* header lines of every request */
	struct mtx mtx;
	struct client_idle idle[CLIENT_IDLE_MAX]; /* guarded by mtx */
	unsigned nidle;                           /* guarded by mtx */
};

/* -- client_conn.c ----------------------------------------------------- */
/* NULL: not connected, or whoever answers is not to be trusted. */
struct client_link *client_connect(
    const struct http_client *c, const struct ctx *ctx, struct err *err);
void client_link_free(struct client_link *l);
DEFINE_CLEANUP(struct client_link *, client_link_free);
/* 0 sent whole; -1 from the context, or with *ret_lost and UNAVAILABLE. */
int client_send(struct client_link *l, const struct ctx *ctx, const void *data,
    size_t len, bool *ret_lost, struct err *err);
/* > 0 bytes, 0 the peer ended, -1 as client_send. */
long client_recv(struct client_link *l, const struct ctx *ctx, char *data,
    size_t size, bool *ret_lost, struct err *err);
/* The same of the socket below. */
int client_socket_send(int fd, const struct ctx *ctx, const void *data,
    size_t len, bool *ret_lost, struct err *err);
long client_socket_recv(int fd, const struct ctx *ctx, char *data, size_t size,
    bool *ret_lost, struct err *err);

/* -- client_tls.c: where l->tls is set --------------------------------- */
int client_tls_start(
    struct client_link *l, const struct ctx *ctx, struct err *err);
int client_tls_send(struct client_link *l, const struct ctx *ctx,
    const void *data, size_t len, bool *ret_lost, struct err *err);
long client_tls_recv(struct client_link *l, const struct ctx *ctx, char *data,
    size_t size, bool *ret_lost, struct err *err);

/* -- client_reply.c ---------------------------------------------------- */
/* What the parser collects; lives on the stack of one attempt. */
struct client_reply {
	llhttp_t parser;
	const struct http_call *call;
	struct http_result *ret;
	struct buf headers; /* "name: value\n" */
	struct err *err;    /* set when a callback refuses */
	const char *rest;   /* bytes after the end of the reply */
	size_t rest_len;
	bool head;        /* the request was HEAD: no body follows */
	bool hijack;      /* 101 or 200 hands the socket over */
	bool began;       /* at least one byte came */
	bool done;        /* the reply is complete */
	bool keep_alive;  /* and the connection may serve another */
	bool handed_over; /* hijack succeeded, the rest is raw */
};

void client_reply_init(struct client_reply *r, const struct http_call *call,
    struct http_result *ret, bool hijack);
void client_reply_fini(struct client_reply *r);
/* 0: go on or done; -1 with err (ERR_LIMIT, the sink's, code bad_reply). */
int client_reply_feed(
    struct client_reply *r, const char *data, size_t len, struct err *err);
/* The peer ended: completes a reply that is delimited by that. */
void client_reply_eof(struct client_reply *r);

/* -- client_exchange.c ------------------------------------------------- */
struct client_exchange {
	struct http_client *c;
	const struct ctx *ctx;
	const struct http_call *call;
	struct client_reply reply;
	struct client_link *link;
	bool safe;   /* GET or HEAD: may be repeated, never uncertain */
	bool acted;  /* sent far enough for the peer to act on it */
	bool pulled; /* the body source has been asked: no second try */
	bool lost;   /* the connection ended under us */
};

/* Writes the request, reads the reply; early receives bytes after a hijack.
 * On failure client_exchange_may_retry tells whether a fresh connection may
 * be tried. */
int client_exchange_run(
    struct client_exchange *x, struct buf *early, struct err *err);
bool client_exchange_may_retry(const struct client_exchange *x);

#endif
