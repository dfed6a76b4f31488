/*
 * Blocking HTTP/1.1 client over TCP or a unix socket (llhttp): for the
 * Engine API and for our own command line. Connections are kept and reused;
 * every call takes a context with deadline and cancellation. A client is
 * safe for many threads; each call uses a connection of its own.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/err.h"

struct http_client;

struct tls_trust; /* net/tls.h */
/*
 * base: "unix:///run/docker.sock", "/run/docker.sock", "tcp://host:port",
 * "http://host[:port][/prefix]", "https://" likewise. For https the host must
 * show a certificate for its name of an authority that is trusted: the
 * system's, or as trust (may be NULL) says. Programs that are linked
 * statically know no https: ERR_INVALID "no_tls".
 */
int http_client_new(
    struct http_client **ret, const char *base, struct err *err) MUST_CHECK;
int http_client_new_trusting(struct http_client **ret, const char *base,
    const struct tls_trust *trust, struct err *err) MUST_CHECK;
void http_client_free(struct http_client *c);
DEFINE_CLEANUP(struct http_client *, http_client_free);
/* Sent with every request ("Authorization: Bearer ..."); once, at set-up. */
void http_client_set_header(
    struct http_client *c, const char *name, const char *value);
/* For messages: "unix:///run/docker.sock". */
const char *http_client_name(const struct http_client *c);

struct http_call {
	const char *method;
	const char *target;       /* path and query, already encoded */
	const char *content_type; /* NULL with no body */
	const void *body;
	size_t body_len;
	const char *const
	    *headers; /* "Name: value", NULL-terminated, or NULL */
	/* When set, the body is streamed chunked from here: bytes into out,
	 * 1 more to come, 0 the end, -1 fail with err. */
	int (*body_source)(void *arg, struct buf *out, struct err *err);
	void *body_arg;
	/* When set, body bytes of a 2xx reply go here as they arrive instead of
	 * into the reply; return -1 with err to stop. */
	int (*on_body)(
	    void *arg, const char *data, size_t len, struct err *err);
	/* With on_body: called when all that has arrived was handed over,
	 * before more is waited for; same argument. NULL: nobody asks. */
	int (*on_pause)(void *arg, struct err *err);
	void *body_sink_arg;
};

struct http_result {
	int status;
	struct buf body; /* bounded by body_max */
	char content_type[128];
	char *headers; /* raw, "name: value\n" lower-cased names; or NULL */
};
#define HTTP_RESULT_INIT(max_bytes)                                            \
	{                                                                      \
		.body = {.max = (max_bytes) }                                  \
	}
void http_result_fini(struct http_result *r);
static inline void http_result_fini_guard(struct http_result *r)
{
	http_result_fini(r);
}
/* Value of a reply header into out, "" when absent. */
const char *http_result_header(
    const struct http_result *r, const char *name, char *out, size_t out_size);

/*
 * One request, one reply (any status: the caller judges). Errors:
 * ERR_UNAVAILABLE: could not connect, or the connection ended before the
 * request could have been acted on; ERR_UNCERTAIN: a request that is not
 * GET/HEAD was sent whole and no reply came; ERR_TIMEOUT, ERR_CANCELED from
 * the context (after the request was sent and not GET/HEAD: UNCERTAIN with
 * code "timeout"/"canceled"); ERR_LIMIT: reply larger than the result's
 * maximum; ERR_INVALID "bad_certificate", "certificate_required",
 * "certificate_refused", "no_tls": whom or how to trust must be changed, the
 * message says where. A stale kept connection is retried once on a new one when
 * the request cannot have been processed or is GET/HEAD. Codes beside those of
 * the kinds: "connect_failed", "connection_lost", "bad_reply",
 * "reply_too_large", "reply_headers_too_large", "request_too_large".
 */
int http_call(struct http_client *c, const struct ctx *ctx,
    const struct http_call *call, struct http_result *ret,
    struct err *err) MUST_CHECK;

/*
 * Sends with "Connection: Upgrade, Upgrade: tcp" and hands over the raw
 * socket on 101 (or on 200 without upgrade, as engines do); bytes already
 * read go to early. Other statuses: -1 with the body's text, the kind that
 * fits and the code "http_404" and so on.
 */
int http_hijack(struct http_client *c, const struct ctx *ctx,
    const struct http_call *call, int *ret_fd, struct buf *early,
    struct err *err) MUST_CHECK;

/* Percent-encodes one path segment or query value. */
void http_encode(struct buf *out, const char *text);

#endif
