/*
 * Requests to other sites: HTTPS by libcurl, which is loaded with the first.
 * Blocking calls with the context's deadline and cancellation; any thread.
 * Certificates are verified; plain http goes to this machine only. Bodies are
 * bounded. A context's trace is told to the peer (traceparent). Redirects are
 * not followed: whoever wants that asks web_redirect where one leads. A bearer
 * goes to the host of the request's own URL and into no message. Proxies are
 * those of the environment (HTTPS_PROXY).
 *
 * Codes of errors begin with the peer's (web_peer.code): <code>_down
 * (UNAVAILABLE), <code>_bad_reply (LIMIT: more than the caller takes),
 * <code>_untrusted (FORBIDDEN: the certificate), <code>_refused (FORBIDDEN: the
 * guard), <code>_clear_text (INVALID),
 * <code>_no_library (INTERNAL).
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/err.h"
#include "base/secret.h"

/* Whom we talk to, for errors: "github", "GitHub", "https://api.github.com" */
struct web_peer {
	const char *code, *name, *url;
};

/* A header of the reply that the caller wants, into one of two places, which
 * stay as they are where it is absent, too long or no number. */
struct web_header {
	const char *name; /* with its colon: "etag:" */
	int64_t *number;  /* not negative */
	char *text;
	size_t size; /* of text */
};
/*
 * Addresses that somebody else chose: asked for each address before it is
 * connected to, of the name as it was resolved for this very connection, so
 * that a name which leads elsewhere a moment later gains nothing. False: why
 * says it, and nothing is sent. Plain http is the guard's business then, and
 * proxies are not used: they would resolve the name themselves.
 */
struct sockaddr;
struct web_guard {
	bool (*may)(
	    void *arg, const struct sockaddr *to, char *why, size_t size);
	void *arg;
	char why[160]; /* of the last refusal; "" none */
};

struct web_request {
	const char *method;         /* "GET" */
	const char *url;            /* whole */
	const char *const *headers; /* lines, end with NULL; NULL: none */
	const char *body;           /* NULL: none; borrowed till the end */
	size_t body_len;
	const struct secret *bearer; /* NULL: none */
	const struct web_header *wanted;
	size_t wanted_n;
	const char *ca_file;     /* authorities, PEM; NULL: the machine's */
	struct web_guard *guard; /* NULL: the address is the operator's */
	bool no_body;            /* whatever is answered, it is thrown away */
	/* The connection stays for the next such request for a while; one that
	 * was kept may be used. Not with a guard, which judges each. */
	bool keeps_connection;
};

/* The whole reply of any status within timeout_ms; its body is appended to
 * body, whose maximum bounds it. */
int web_exchange(const struct web_peer *peer, const struct ctx *ctx,
    const struct web_request *request, int64_t timeout_ms, int *ret_status,
    struct buf *body, struct err *err) MUST_CHECK;

/*
 * A reply as a stream: nothing is kept but 1 MiB, a reader that is slow slows
 * the peer. Of one thread; ctx and peer outlive it. A transfer that stands
 * still for 30 s is an error. The body of a reply that is not 200 is read at
 * once, into words.
 */
struct web_stream;
int web_stream_open(const struct web_peer *peer, const struct ctx *ctx,
    const struct web_request *request, int *ret_status, struct buf *words,
    struct web_stream **ret, struct err *err) MUST_CHECK;
void web_stream_close(struct web_stream *s);
DEFINE_CLEANUP(struct web_stream *, web_stream_close);
/* Bytes in all, as announced; -1: not said. */
int64_t web_stream_size(const struct web_stream *s);
/* At most max bytes, waiting for the first; 0: the end. */
int64_t web_stream_read(
    struct web_stream *s, void *into, size_t max, struct err *err) MUST_CHECK;

/* -- addresses: pure functions, url.c ----------------------------------- */
/* "localhost", "127.*", "[::1]": the only hosts for plain http. */
bool web_is_loopback(const char *host, size_t n);
/* The authority "host:port" at the beginning of text, without user or
 * password, and its host: lengths; 0: none. */
size_t web_authority(const char *text, size_t *ret_host);
/* http://host.example, not of this machine? */
bool web_is_clear_text(const char *url);
/*
 * Where a reply's Location leads from url: *ret whole (mem_free), and whether
 * it is foreign: not of the host of home, to which credentials may go. Plain
 * http only on this machine, and only from it. -1: no address to follow.
 * Absolute addresses and absolute paths only.
 */
int web_redirect(const char *home, const char *url, const char *location,
    char **ret, bool *ret_foreign) MUST_CHECK;
/* Appends text percent-encoded but for letters, digits and "-._~". */
int web_encode(struct buf *out, const char *text);

/* -- errors -------------------------------------------------------------- */
/* As err_set, the code being <peer.code>_<code>. */
int web_error(const struct web_peer *peer, struct err *err, enum err_kind kind,
    const char *code, const char *fmt, ...) PRINTF(5, 6);

#endif
