/*
 * What stands before and behind llhttp: pure functions over request bytes,
 * no state but their arguments, any thread. llhttp (measured, 8.1) takes
 * folded headers, a missing or second Host and Transfer-Encoding in
 * HTTP/1.0; here these and everything that two readers could understand
 * differently are refused (RFC 9112 §2.2, §3.2, §5, §6; request smuggling).
 * Fuzzed by tests/fuzz/fuzz_http_gate.c.
 */
#ifndef NET_HTTP_GATE_H
#define NET_HTTP_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- the head, byte by byte -------------------------------------------- */
enum http_gate_verdict {
	HTTP_GATE_MORE, /* all bytes taken, the head goes on */
	HTTP_GATE_HEAD, /* the head ends within the bytes taken */
	HTTP_GATE_BAD,  /* refuse; *ret_why says why */
};

/* Zero-initialise for each request. */
struct http_gate {
	uint8_t state;
};

/*
 * Accepts only: at most one empty line, a request line of printable ASCII,
 * header lines "token:" value, each ended by CR LF, and the empty line.
 * The result does not depend on how the bytes are cut into calls.
 */
enum http_gate_verdict http_gate_scan(struct http_gate *g, const char *data,
    size_t len, size_t *ret_used, const char **ret_why);

/* -- the header fields ------------------------------------------------- */
struct http_gate_facts {
	bool chunked;    /* Transfer-Encoding: chunked */
	bool has_length; /* one Content-Length */
	bool expects_continue;
	const char *request_id; /* well-formed X-Request-Id, or NULL */
};

/*
 * pairs: "name\0value\0" repeated, names in lower case, len bytes; minor:
 * the HTTP/1.x version. 0, or -1 with *ret_status and *ret_why.
 */
int http_gate_headers(const char *pairs, size_t len, int minor,
    struct http_gate_facts *ret, int *ret_status, const char **ret_why);

/* [A-Za-z0-9._-]{1,64} */
bool http_gate_request_id_ok(const char *id);

/* -- the target -------------------------------------------------------- */
struct http_gate_target {
	const char *path; /* still encoded, begins with '/' */
	size_t path_len;
	const char *query; /* after '?', NULL when there is none */
	size_t query_len;
};
/* origin-form or absolute-form (http, https). 0 or -1 with *ret_why. */
int http_gate_target_split(const char *raw, size_t len,
    struct http_gate_target *ret, const char **ret_why);

/*
 * Percent-decodes once into out (len + 1 bytes, NUL-terminated); returns the
 * length or -1. Refuses broken escapes, control bytes (%00, %0a) and what
 * is not UTF-8 afterwards. form: '+' is a blank, and tab and line breaks may
 * stand in values.
 */
long http_gate_unescape(
    const char *raw, size_t len, bool form, char *out, const char **ret_why);

/* A decoded path has no ".." segment. */
bool http_gate_path_ok(const char *path);

#endif
