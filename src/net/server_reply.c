/*
 * Replies: the head is made on the thread that answers, the loop only writes
 * it. http_reply and friends run on any thread, server_reply_* on the loop.
 */
#include "net/server_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Up to here a body rides in one piece with its head. */
#define JOIN_BODY_MAX  (16 * 1024)
#define REPLY_HEAD_MAX (128 * 1024)
#define DATE_LEN       32

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"},
	    {204, "No Content"}, {206, "Partial Content"},
	    {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
	    {304, "Not Modified"}, {307, "Temporary Redirect"},
	    {308, "Permanent Redirect"}, {400, "Bad Request"},
	    {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
	    {405, "Method Not Allowed"}, {406, "Not Acceptable"},
	    {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"},
	    {411, "Length Required"}, {412, "Precondition Failed"},
	    {413, "Content Too Large"}, {414, "URI Too Long"},
	    {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"},
	    {417, "Expectation Failed"}, {422, "Unprocessable Content"},
	    {426, "Upgrade Required"}, {428, "Precondition Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"}, {501, "Not Implemented"},
	    {502, "Bad Gateway"}, {503, "Service Unavailable"},
	    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
	    {507, "Insufficient Storage"}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return "Unknown";
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", made once a second on each thread. */
static const char *date_text(void)
{
	static _Thread_local int64_t made_s = -1;
	static _Thread_local char text[DATE_LEN];
	time_t now_s = (time_t)(clock_wall_ns() / CLOCK_NS_PER_S);
	struct tm tm;

	if (now_s != made_s && gmtime_r(&now_s, &tm) != NULL) {
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		made_s = now_s;
	}
	return text;
}

static void append_number(struct buf *b, uint64_t v)
{
	char text[24], *p = text + sizeof(text);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	buf_append(b, p, (size_t)(text + sizeof(text) - p));
}

static void append_line(struct buf *b, const char *name, const char *value)
{
	buf_append_str(b, name);
	buf_append_str(b, value);
	buf_append(b, "\r\n", 2);
}

static bool bodyless(int status)
{
	return status == 204 || status == 304;
}

/* length -1: unknown, chunked or until the end. */
void server_reply_head(
    struct http_exchange *x, const char *content_type, int64_t length)
{
	struct buf *b = &x->out;

	buf_init(b, REPLY_HEAD_MAX);
	IGNORE(buf_reserve(b, 500) == NULL); /* one allocation, mostly */
	buf_append_str(b, "HTTP/1.1 ");
	append_number(b, (uint64_t)x->status);
	buf_append_char(b, ' ');
	append_line(b, reason_of(x->status), "");
	append_line(b, "Date: ", date_text());
	append_line(b, "X-Request-Id: ", x->request_id);
	if (content_type != NULL)
		append_line(b, "Content-Type: ", content_type);
	if (length >= 0 && x->status != 204) {
		buf_append_str(b, "Content-Length: ");
		append_number(b, (uint64_t)length);
		buf_append(b, "\r\n", 2);
	} else if (length < 0 && !bodyless(x->status) && x->minor >= 1) {
		append_line(b, "Transfer-Encoding: chunked", "");
	}
	if (!x->keep_alive)
		append_line(b, "Connection: close", "");
	else if (x->minor == 0)
		append_line(b, "Connection: keep-alive", "");
	buf_append(b, buf_str(&x->extra), x->extra.len);
	buf_append(b, "\r\n", 2);
	ASSERT(!b->overflow); /* extra is bounded below */
}

void http_reply_header(
    struct http_exchange *x, const char *name, const char *value)
{
	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	ASSERT(strpbrk(name, "\r\n:") == NULL);
	ASSERT(strpbrk(value, "\r\n") == NULL);
	if (buf_printf(&x->extra, "%s: %s\r\n", name, value) != 0)
		WRONG("too many reply headers");
}

void http_reply(struct http_exchange *x, int status, const char *content_type,
    struct buf *body)
{
	struct buf mine = {NULL};
	bool send;

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	ASSERT(status >= 200 && status <= 599);
	if (body != NULL) {
		mine = *body;
		*body = (struct buf){.max = mine.max};
	}
	x->status = status;
	server_reply_head(x, content_type, (int64_t)mine.len);
	send = !x->is_head && !bodyless(status) && mine.len > 0;
	x->reply_bytes = send ? mine.len : 0;
	if (send && mine.len > JOIN_BODY_MAX) {
		x->out_body = mine;
	} else {
		if (send)
			buf_append(&x->out, mine.data, mine.len);
		buf_fini(&mine);
	}
	server_post(x->s, &x->item);
}

void server_replied(struct server_conn *c)
{
	struct http_exchange *x = STEAL(c->x);
	bool keep = x->keep_alive;

	server_exchange_finish(x);
	if (keep)
		server_conn_next(c);
	else
		server_conn_linger(c);
}

/* The peer went away while the handler worked. */
static void answer_nobody(struct http_exchange *x)
{
	struct http_stream *st = STEAL(x->stream);

	if (st != NULL) {
		st->arrived = true;
		server_stream_detach(st);
	}
	server_exchange_finish(x);
}

static void start_stream(struct server_conn *c, uv_buf_t *head)
{
	struct http_stream *st = c->x->stream;

	st->arrived = true;
	if (c->x->is_head || bodyless(c->x->status)) {
		server_stream_detach(STEAL(c->x->stream));
		if (server_write(c, head, 1, WRITE_THEN_REPLIED))
			server_replied(c);
		return;
	}
	st->conn = c;
	c->phase = PHASE_STREAM;
	if (c->peer_done && st->left < 0)
		server_conn_close(c); /* as on_peer_done */
	else if (server_write(c, head, 1, WRITE_THEN_STREAM))
		server_stream_written(c);
}

void server_reply_arrived(struct http_exchange *x)
{
	struct server_conn *c = x->conn;
	uv_buf_t bufs[2];
	unsigned n = 1;

	if (c != NULL && c->phase == PHASE_CLOSING) {
		c->x = NULL;
		c = NULL;
	}
	if (c == NULL) {
		answer_nobody(x);
		return;
	}
	c->phase = PHASE_REPLY;
	server_conn_arm(c, TIMER_NONE);
	bufs[0] = uv_buf_init(x->out.data, (unsigned)x->out.len);
	if (x->stream != NULL) {
		start_stream(c, bufs);
		return;
	}
	if (x->out_body.len > 0)
		bufs[n++] =
		    uv_buf_init(x->out_body.data, (unsigned)x->out_body.len);
	if (server_write(c, bufs, n, WRITE_THEN_REPLIED))
		server_replied(c);
}
