/*
 * HTTP/1.1 server: one libuv loop thread accepts, parses (llhttp), writes
 * and times out; a fixed pool of worker threads runs handlers and stream
 * producers. Nothing outside net/ sees libuv or llhttp.
 *
 * A request is parsed strictly (RFC 9112): what llhttp lets through and must
 * not (obs-fold, missing or second Host, Transfer-Encoding in HTTP/1.0, NUL
 * or control bytes) is refused here with one 400 and the connection closes.
 */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct forwarded;  /* net/forwarded.h */
struct tls_keeper; /* net/tls.h */
struct http_server;
struct http_exchange; /* one request and its one reply */
struct http_stream;   /* a reply whose body is produced over time */

/* What the access log wants to know, given once per request when the reply
 * has been handed to the kernel or the connection ended. Loop thread. */
struct http_done {
	const char *request_id;
	const char *peer;   /* as http_peer */
	const char *method; /* "-" when the request line was not understood */
	const char *route;  /* set by http_set_route, else "" */
	const char *path;   /* raw target as received, bounded; may be "" */
	const char *trace;  /* set by http_set_trace, else "" */
	int status;
	uint64_t request_bytes; /* body */
	uint64_t reply_bytes;   /* body */
	int64_t ns;             /* first byte of the request to last of reply */
	void *user; /* http_set_user's, the last chance to free it */
};

struct http_server_config {
	const char *host;       /* "127.0.0.1", "::1", "0.0.0.0" */
	int port;               /* 0: any free one, see http_server_port */
	const char *extra_host; /* a second address, told apart by
				   http_is_extra; NULL: none */
	int extra_port;         /* of it; 0: any free one */
	const char *socket;     /* path of a unix socket to listen on as
				   well; NULL: none */
	struct tls_keeper *tls; /* of both addresses, outlives the server;
				   NULL: plain HTTP */
	/* Proxies whose word of the client counts; outlive the server; NULL:
	 * none. */
	const struct forwarded *proxies;
	unsigned workers;          /* handler threads, 0: 8 */
	size_t header_bytes_max;   /* 0: 16 KiB; over it 431 */
	size_t body_bytes_max;     /* 0: 10 MiB; over it 413 */
	unsigned connections_max;  /* 0: 10000; over it 503 and close */
	int64_t header_timeout_ms; /* first byte to end of headers, and the
				      longest TLS handshake, 0: 10 s */
	int64_t body_timeout_ms;   /* without a byte, 0: 30 s */
	int64_t idle_timeout_ms;   /* keep-alive, 0: 75 s */
	int64_t write_timeout_ms;  /* a peer that takes nothing, 0: 60 s */
	size_t queue_max; /* requests waiting for a worker, 0: 4096; 503 */
	/* Worker thread. Must end in exactly one http_reply or
	 * http_reply_stream, now or later from any thread. */
	void (*handler)(struct http_exchange *x, void *arg);
	/* Errors that never reach a handler (400, 413, 431, 408, 503): fills
	 * out with the body (JSON); the server adds status and headers. */
	void (*error_body)(int status, const char *code, const char *text,
	    struct buf *out, void *arg);
	void (*on_done)(const struct http_done *done, void *arg);
	void *arg;
};

/*
 * Binds, listens and starts the threads. *ret is set before the first
 * handler runs, and NULL after a failure. The unix socket takes the place of
 * one that nobody listens on, its mode is 0666, and it goes with the server;
 * ERR_INVALID "bad_socket": its path is too long or something else is there.
 */
int http_server_start(struct http_server **ret,
    const struct http_server_config *config, struct err *err) MUST_CHECK;
int http_server_port(const struct http_server *s);
int http_server_extra_port(const struct http_server *s); /* 0: none */
/* Stops accepting, waits up to drain_ms for running requests (streams are
 * ended at once), closes everything, joins the threads, frees. */
void http_server_stop(struct http_server *s, int64_t drain_ms);

struct http_server_stats {
	uint64_t requests, refused, connections_total;
	unsigned connections, streams, queue;
};
void http_server_stats(struct http_server *s, struct http_server_stats *ret);

/* -- the request; valid until the reply -------------------------------- */
const char *http_method(const struct http_exchange *x); /* "GET" */
/* Path without query, percent-decoded once, always starting with '/'.
 * Targets with %00, "..", or invalid UTF-8 after decoding were refused. */
const char *http_path(const struct http_exchange *x);
/* Path and query as they were sent: "/a%20b?". */
const char *http_target(const struct http_exchange *x);
/* First value of a query parameter, decoded; NULL when absent. */
const char *http_query(struct http_exchange *x, const char *name);
/* i-th query parameter in order; false past the end. */
bool http_query_at(struct http_exchange *x, size_t i, const char **ret_name,
    const char **ret_value);
/* Value of a header, name in any case; several are joined with ", ". */
const char *http_header(struct http_exchange *x, const char *name);
const char *http_body(const struct http_exchange *x, size_t *ret_len);
/* "127.0.0.1:4711", "[::1]:4711", "unix"; of a client behind a trusted proxy
 * the address alone: "192.0.2.1", "[2001:db8::1]". */
const char *http_peer(const struct http_exchange *x);
/* Did it come over the unix socket? */
bool http_is_unix(const struct http_exchange *x);
/* Or to the second address? */
bool http_is_extra(const struct http_exchange *x);
/* Over TLS, to us or to a trusted proxy? */
bool http_is_secure(const struct http_exchange *x);
/* With a client's certificate that we trust? */
bool http_is_certified(const struct http_exchange *x);
/* Made per request (UUIDv7 text) or taken from a well-formed X-Request-Id of
 * the client ([A-Za-z0-9._-]{1,64}); always sent back. */
const char *http_request_id(const struct http_exchange *x);
/* For the access log and metrics: the pattern, "/api/jobs/:id". */
void http_set_route(struct http_exchange *x, const char *static_pattern);
/* For the access log: the id of the trace that it belongs to, 32 digits. */
void http_set_trace(struct http_exchange *x, const char *id);
/* One pointer for the layer above. */
void http_set_user(struct http_exchange *x, void *user);
void *http_user(const struct http_exchange *x);

/* -- the reply; any thread --------------------------------------------- */
/* Adds a header; before the reply. Values with CR, LF or NUL: a bug. */
void http_reply_header(
    struct http_exchange *x, const char *name, const char *value);
/* Sends and frees x. Takes body's memory (body is left empty; may be NULL).
 * HEAD: Content-Length without the body. 204/304: no body. */
void http_reply(struct http_exchange *x, int status, const char *content_type,
    struct buf *body);

/*
 * Streams pull: the server calls produce() on a worker thread whenever the
 * stream was woken and the peer has taken what was written before (at most
 * 256 KiB wait in memory). Calls for one stream never overlap.
 */
enum http_produce {
	HTTP_MORE,  /* out has bytes, call again when they are taken */
	HTTP_WAIT,  /* nothing (more) now: call again after http_stream_wake */
	HTTP_END,   /* the body ends after what is in out */
	HTTP_ABORT, /* close the connection without a proper end */
};
struct http_stream_ops {
	enum http_produce (*produce)(void *arg, struct buf *out);
	/* The last call for this stream (peer gone, ended, server stops);
	 * afterwards the handle is dead. Unregister from whatever wakes it
	 * under the lock that the waker holds. Any server thread, never
	 * while produce runs. */
	void (*closed)(void *arg);
	/* 0: never. Else after this long without output the server sends
	 * `keepalive` (SSE comment) by itself, or, when that is NULL, calls
	 * produce as if it had been woken. */
	int64_t keepalive_ms;
	const char *keepalive;
};
/*
 * Starts a streamed reply and frees x. content_length >= 0: exactly that
 * many bytes will be produced; -1: chunked (HTTP/1.0: until close). produce
 * is called once at once. A peer that half-closes is answered, but ends a
 * stream of unknown length: it cannot be told from one that left. `bind` (may
 * be NULL) is called with the handle before the first produce, so that the
 * caller can register it.
 */
void http_reply_stream(struct http_exchange *x, int status,
    const char *content_type, int64_t content_length,
    const struct http_stream_ops *ops, void *arg,
    void (*bind)(void *arg, struct http_stream *stream));
/* Any thread, cheap, coalesced. Not after closed(). */
void http_stream_wake(struct http_stream *stream);

#endif
