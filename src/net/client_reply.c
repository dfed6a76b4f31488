/*
 * The reply side of the HTTP client: llhttp in response mode, collecting
 * status, headers and body (or passing the body to the caller's sink).
 * Called by client_exchange.c; owns only the header buffer.
 */
#include "net/client_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static struct client_reply *reply_of(llhttp_t *p)
{
	return p->data;
}

static int headers_add(struct client_reply *r, const char *data, size_t len)
{
	if (buf_append(&r->headers, data, len) == 0)
		return 0;
	return err_set(r->err, ERR_LIMIT, "reply_headers_too_large",
	    "the headers of the reply are larger than %d bytes",
	    CLIENT_HEADERS_MAX);
}

static int on_message_begin(llhttp_t *p)
{
	buf_clear(&reply_of(p)->headers);
	return 0;
}

static int on_header_field(llhttp_t *p, const char *at, size_t len)
{
	struct client_reply *r = reply_of(p);
	size_t from = r->headers.len, i;

	TRY(headers_add(r, at, len));
	for (i = from; i < r->headers.len; i++)
		r->headers.data[i] =
		    (char)tolower((unsigned char)r->headers.data[i]);
	return 0;
}

static int on_header_field_complete(llhttp_t *p)
{
	return headers_add(reply_of(p), ": ", 2);
}

/* Our text form is line based: a folded value becomes one line. */
static int on_header_value(llhttp_t *p, const char *at, size_t len)
{
	struct client_reply *r = reply_of(p);
	size_t from = r->headers.len, i;

	TRY(headers_add(r, at, len));
	for (i = from; i < r->headers.len; i++) {
		if ((unsigned char)r->headers.data[i] < ' ')
			r->headers.data[i] = ' ';
	}
	return 0;
}

static int on_header_value_complete(llhttp_t *p)
{
	struct buf *b = &reply_of(p)->headers;

	while (b->len > 2 && b->data[b->len - 1] == ' ' &&
	       b->data[b->len - 2] != ':')
		b->len--;
	return headers_add(reply_of(p), "\n", 1);
}

/* Returns llhttp's verdict: 0 body as announced, 1 no body, 2 the rest is
 * not HTTP. */
static int on_headers_complete(llhttp_t *p)
{
	struct client_reply *r = reply_of(p);
	int status = p->status_code;

	if (status < 200 && status != 101)
		return 0;
	r->ret->status = status;
	if (r->hijack && (status == 101 || status == 200)) {
		r->handed_over = true;
		return 2;
	}
	if (status == 101)
		return err_set(r->err, ERR_UNAVAILABLE, "bad_reply",
		    "the reply switches protocols without being asked to");
	return r->head ? 1 : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	struct client_reply *r = reply_of(p);
	int status = r->ret->status;

	if (r->call->on_body != NULL && status >= 200 && status < 300)
		return r->call->on_body(
			   r->call->body_sink_arg, at, len, r->err) == 0
			   ? 0
			   : -1;
	if (buf_append(&r->ret->body, at, len) == 0)
		return 0;
	return err_set(r->err, ERR_LIMIT, "reply_too_large",
	    "the reply (status %d) is larger than %zu bytes", status,
	    r->ret->body.max);
}

static int on_message_complete(llhttp_t *p)
{
	struct client_reply *r = reply_of(p);

	if (p->status_code < 200 && p->status_code != 101)
		return 0; /* 100, 103: the real one follows */
	r->done = true;
	r->keep_alive = llhttp_should_keep_alive(p) != 0;
	return HPE_PAUSED;
}

/* llhttp keeps a pointer to it and never writes. */
static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void client_reply_init(struct client_reply *r, const struct http_call *call,
    struct http_result *ret, bool hijack)
{
	*r = (struct client_reply){.call = call,
	    .ret = ret,
	    .hijack = hijack,
	    .head = strcmp(call->method, "HEAD") == 0};
	buf_init(&r->headers, CLIENT_HEADERS_MAX);
	llhttp_init(&r->parser, HTTP_RESPONSE, &settings);
	r->parser.data = r;
}

void client_reply_fini(struct client_reply *r)
{
	buf_fini(&r->headers);
}

static void deliver(struct client_reply *r)
{
	struct http_result *ret = r->ret;

	mem_free(ret->headers);
	ret->headers = r->headers.len > 0 ? buf_steal(&r->headers, NULL) : NULL;
	http_result_header(
	    ret, "content-type", ret->content_type, sizeof(ret->content_type));
}

static int pause_body(struct client_reply *r, struct err *err)
{
	int status = r->ret->status;

	if (r->call->on_pause == NULL || status < 200 || status >= 300)
		return 0;
	return r->call->on_pause(r->call->body_sink_arg, err);
}

int client_reply_feed(
    struct client_reply *r, const char *data, size_t len, struct err *err)
{
	enum llhttp_errno code;

	r->began = true;
	r->err = err;
	err_clear(err);
	code = llhttp_execute(&r->parser, data, len);
	r->err = NULL;
	if (code == HPE_OK)
		return pause_body(r, err);
	if (r->done || code == HPE_PAUSED_UPGRADE) {
		r->rest = llhttp_get_error_pos(&r->parser);
		r->rest_len = (size_t)(data + len - r->rest);
		r->done = true;
		deliver(r);
		return 0;
	}
	if (err->kind != ERR_NONE)
		return -1;
	return err_set(err, ERR_UNAVAILABLE, "bad_reply",
	    "the reply is not well-formed HTTP (%s)", llhttp_errno_name(code));
}

void client_reply_eof(struct client_reply *r)
{
	struct err ignored = ERR_INIT;

	if (r->done)
		return;
	r->err = &ignored;
	IGNORE(llhttp_finish(&r->parser)); /* `done` tells */
	r->err = NULL;
	r->keep_alive = false;
	if (r->done)
		deliver(r);
}

const char *http_result_header(
    const struct http_result *r, const char *name, char *out, size_t out_size)
{
	const char *line = r->headers, *end;
	size_t n = strlen(name);

	ASSERT(out_size > 0);
	out[0] = '\0';
	for (; line != NULL && *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		if (end == NULL)
			break;
		if (strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		snprintf(out, out_size, "%.*s", (int)(end - line - (long)n - 2),
		    line + n + 2);
		break;
	}
	return out;
}

void http_result_fini(struct http_result *r)
{
	buf_fini(&r->body);
	mem_free(r->headers);
	r->headers = NULL;
}
