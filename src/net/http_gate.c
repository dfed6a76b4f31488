/*
 * The strict checks around llhttp: see http_gate.h. Called by the server's
 * parser glue on the loop thread, and by the fuzz target.
 */
#include "net/http_gate.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"

enum {
	S_START = 0, /* an empty line may stand before the request */
	S_START_LF,
	S_METHOD,
	S_TARGET_FIRST,
	S_TARGET,
	S_VERSION,
	S_REQUEST_LF,
	S_LINE, /* first byte of a header line */
	S_NAME,
	S_VALUE,
	S_VALUE_LF,
	S_END_LF,
	S_FIRST, /* first byte of the request line after an empty line */
};

static bool is_token(unsigned char c)
{
	static const bool token[256] = {['!'] = 1,
	    ['#'] = 1,
	    ['$'] = 1,
	    ['%'] = 1,
	    ['&'] = 1,
	    ['\''] = 1,
	    ['*'] = 1,
	    ['+'] = 1,
	    ['-'] = 1,
	    ['.'] = 1,
	    ['^'] = 1,
	    ['_'] = 1,
	    ['`'] = 1,
	    ['|'] = 1,
	    ['~'] = 1,
	    ['0' ... '9'] = 1,
	    ['A' ... 'Z'] = 1,
	    ['a' ... 'z'] = 1};

	return token[c];
}

static bool is_value(unsigned char c)
{
	return (c >= ' ' && c != 0x7f) || c == '\t';
}

/* The request line: method SP target SP version, one blank each. */
static int step_request(int state, unsigned char c, const char **ret_why)
{
	switch (state) {
	case S_METHOD:
		*ret_why = "the request line is not: method, target, version";
		if (c == ' ')
			return S_TARGET_FIRST;
		return is_token(c) ? S_METHOD : -1;
	case S_TARGET_FIRST:
	case S_TARGET:
		*ret_why = "the request target has a byte that is not "
			   "printable ASCII, or none: percent-encode it";
		if (c == ' ' && state == S_TARGET)
			return S_VERSION;
		return c > ' ' && c < 0x7f ? S_TARGET : -1;
	default: /* S_VERSION */
		*ret_why = "the request line does not end with HTTP/1.1";
		if (c == '\r')
			return S_REQUEST_LF;
		return c > ' ' && c < 0x7f ? S_VERSION : -1;
	}
}

/* One byte; the next state, or -1 with a reason. */
static int step(int state, unsigned char c, const char **ret_why)
{
	switch (state) {
	case S_START:
		if (c == '\r')
			return S_START_LF;
		/* fallthrough */
	case S_FIRST:
		*ret_why = "the request does not begin with a method";
		return is_token(c) ? S_METHOD : -1;
	case S_METHOD:
	case S_TARGET_FIRST:
	case S_TARGET:
	case S_VERSION:
		return step_request(state, c, ret_why);
	case S_LINE:
		if (c == '\r')
			return S_END_LF;
		*ret_why = "a header line begins with a blank or has no name";
		return is_token(c) ? S_NAME : -1;
	case S_NAME:
		if (c == ':')
			return S_VALUE;
		*ret_why = "a header name has a byte that is not allowed";
		return is_token(c) ? S_NAME : -1;
	case S_VALUE:
		if (c == '\r')
			return S_VALUE_LF;
		*ret_why = "a header value has a control byte";
		return is_value(c) ? S_VALUE : -1;
	default:
		break;
	}
	*ret_why = "a line does not end with CR LF";
	if (c != '\n')
		return -1;
	return state == S_START_LF ? S_FIRST : S_LINE;
}

enum http_gate_verdict http_gate_scan(struct http_gate *g, const char *data,
    size_t len, size_t *ret_used, const char **ret_why)
{
	int state = g->state;
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		/* The two states that see nearly all bytes. */
		if (state == S_VALUE && is_value(c))
			continue;
		if (state == S_NAME && is_token(c))
			continue;
		if (state == S_END_LF && c == '\n') {
			*ret_used = i + 1;
			return HTTP_GATE_HEAD;
		}
		state = step(state, c, ret_why);
		if (state < 0)
			return HTTP_GATE_BAD;
	}
	g->state = (uint8_t)state;
	*ret_used = len;
	return HTTP_GATE_MORE;
}

/* -- header fields ----------------------------------------------------- */

bool http_gate_request_id_ok(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n >= 1 && n <= 64 && id[n] == '\0';
}

/* uri-host [":" port], RFC 3986 §3.2.2, as a set of bytes. */
static bool host_ok(const char *host)
{
	size_t n = strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"abcdefghijklmnopqrstuvwxyz0123456789"
				"-._~%!$&'()*+;=:[]");

	return n > 0 && host[n] == '\0';
}

static bool digits_only(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && text[n] == '\0';
}

struct tally {
	unsigned hosts, lengths, codings;
};

static const char *take_header(const char *name, const char *value,
    struct tally *t, struct http_gate_facts *ret)
{
	if (strcmp(name, "host") == 0) {
		if (t->hosts++ > 0)
			return "more than one Host header";
		return host_ok(value) ? NULL : "the Host header is not a host";
	}
	if (strcmp(name, "content-length") == 0) {
		if (t->lengths++ > 0)
			return "more than one Content-Length header";
		ret->has_length = true;
		return digits_only(value)
			   ? NULL
			   : "Content-Length is not a decimal number";
	}
	if (strcmp(name, "transfer-encoding") == 0) {
		if (t->codings++ > 0)
			return "more than one Transfer-Encoding header";
		ret->chunked = true;
		return strcasecmp(value, "chunked") == 0
			   ? NULL
			   : "the only Transfer-Encoding understood is chunked";
	}
	if (strcmp(name, "x-request-id") == 0 && http_gate_request_id_ok(value))
		ret->request_id = value;
	return NULL;
}

static bool take_expect(
    const char *name, const char *value, struct http_gate_facts *ret)
{
	if (strcmp(name, "expect") != 0)
		return true;
	ret->expects_continue = strcasecmp(value, "100-continue") == 0;
	return ret->expects_continue;
}

int http_gate_headers(const char *pairs, size_t len, int minor,
    struct http_gate_facts *ret, int *ret_status, const char **ret_why)
{
	struct tally t = {0};
	const char *name = pairs, *value, *end = pairs + len;

	*ret = (struct http_gate_facts){0};
	*ret_status = 400;
	for (; name < end; name = value + strlen(value) + 1) {
		value = name + strlen(name) + 1;
		*ret_why = take_header(name, value, &t, ret);
		if (*ret_why != NULL)
			return -1;
		if (!take_expect(name, value, ret)) {
			*ret_why = "the only Expect understood is 100-continue";
			*ret_status = 417;
			return -1;
		}
	}
	if (t.hosts == 0 && minor >= 1)
		*ret_why = "the Host header is missing";
	else if (t.codings > 0 && minor == 0)
		*ret_why = "Transfer-Encoding does not exist in HTTP/1.0";
	else if (t.codings > 0 && t.lengths > 0)
		*ret_why = "Content-Length and Transfer-Encoding exclude "
			   "each other";
	else
		return 0;
	return -1;
}

/* -- the target -------------------------------------------------------- */

static size_t scheme_len(const char *raw, size_t len)
{
	if (len >= 7 && strncasecmp(raw, "http://", 7) == 0)
		return 7;
	if (len >= 8 && strncasecmp(raw, "https://", 8) == 0)
		return 8;
	return 0;
}

int http_gate_target_split(const char *raw, size_t len,
    struct http_gate_target *ret, const char **ret_why)
{
	size_t skip = scheme_len(raw, len);
	const char *p = raw + skip, *end = raw + len, *mark;

	if (skip > 0) {
		while (p < end && *p != '/' && *p != '?')
			p++;
		if (p == raw + skip) {
			*ret_why = "the request target has no host";
			return -1;
		}
	}
	if (memchr(raw, '#', len) != NULL) {
		*ret_why = "the request target has a fragment";
		return -1;
	}
	mark = memchr(p, '?', (size_t)(end - p));
	*ret = (struct http_gate_target){.path = p,
	    .path_len = (size_t)((mark != NULL ? mark : end) - p),
	    .query = mark != NULL ? mark + 1 : NULL,
	    .query_len = mark != NULL ? (size_t)(end - mark - 1) : 0};
	if (skip > 0 && ret->path_len == 0) {
		ret->path = "/";
		ret->path_len = 1;
	}
	if (ret->path_len > 0 && ret->path[0] == '/')
		return 0;
	*ret_why = "the request target does not begin with '/'";
	return -1;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool decoded_ok(unsigned char c, bool form)
{
	if (form && (c == '\t' || c == '\n' || c == '\r'))
		return true;
	return c >= ' ' && c != 0x7f;
}

long http_gate_unescape(
    const char *raw, size_t len, bool form, char *out, const char **ret_why)
{
	size_t i, n = 0;
	int high, low;
	char c;

	for (i = 0; i < len; i++) {
		c = raw[i];
		if (c == '+' && form) {
			c = ' ';
		} else if (c == '%') {
			high = len - i > 2 ? hex_value(raw[i + 1]) : -1;
			low = len - i > 2 ? hex_value(raw[i + 2]) : -1;
			if (high < 0 || low < 0) {
				*ret_why = "'%' without two hex digits";
				return -1;
			}
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (!decoded_ok((unsigned char)c, form)) {
			*ret_why = "an encoded control byte in the target";
			return -1;
		}
		out[n++] = c;
	}
	out[n] = '\0';
	if (utf8_valid(out, n))
		return (long)n;
	*ret_why = "the target is not UTF-8";
	return -1;
}

bool http_gate_path_ok(const char *path)
{
	const char *p = path;

	while ((p = strstr(p, "/..")) != NULL) {
		if (p[3] == '\0' || p[3] == '/')
			return false;
		p += 3;
	}
	return true;
}
