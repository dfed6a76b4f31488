/*
 * Bytes to requests: http_gate finds the end of a head and refuses what is
 * not clean, llhttp understands it whole, then the body follows. One request
 * at a time per connection. Loop thread; called by server_conn.c.
 */
#include "net/server_internal.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

/* Framing may cost this many bytes per byte of body (chunks of one byte cost
 * five), beside one allowance of header_bytes_max. */
#define FRAMING_FACTOR 8

/* Requests handed to the workers at once, at most; else at the end of a turn
 * of the loop. */
#define BATCH_MAX 16

static struct http_exchange *exchange_of(llhttp_t *p)
{
	struct server_conn *c = p->data;

	return c->x;
}

static int refusal(
    struct http_exchange *x, int status, const char *code, const char *why)
{
	x->refuse_status = status;
	x->refuse_code = code;
	x->refuse_why = why;
	return -1;
}

/*
 * The head is compacted where it stands: texts move only towards the front,
 * where llhttp has been already. llhttp sees a head in one piece, so every
 * text comes in one piece.
 */
static void keep_text(struct http_exchange *x, const char *at, size_t len)
{
	ASSERT(at + len <= x->head.data + x->head.len);
	memmove(x->head.data + x->head_write, at, len);
	x->head_write += len;
	x->head.data[x->head_write++] = '\0';
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
	struct http_exchange *x = exchange_of(p);

	keep_text(x, at, len);
	x->pairs_at = x->head_write;
	return 0;
}

static int on_header_field(llhttp_t *p, const char *at, size_t len)
{
	struct http_exchange *x = exchange_of(p);
	size_t from = x->head_write;

	if (x->head_done)
		return 0; /* trailers are read over */
	keep_text(x, at, len);
	for (; from < x->head_write; from++)
		x->head.data[from] =
		    (char)tolower((unsigned char)x->head.data[from]);
	x->value_open = true;
	return 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t len)
{
	struct http_exchange *x = exchange_of(p);

	if (x->head_done)
		return 0;
	if (!x->value_open)
		return refusal(x, 400, "bad_request", "a folded header value");
	x->value_open = false;
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	keep_text(x, at, len);
	return 0;
}

/* An empty value may come without a piece of text. */
static int on_header_value_complete(llhttp_t *p)
{
	struct http_exchange *x = exchange_of(p);

	if (x->value_open)
		x->head.data[x->head_write++] = '\0';
	x->value_open = false;
	return 0;
}

static size_t bodies_bytes(struct http_server *s)
{
	return atomic_load_explicit(&s->bodies_bytes, memory_order_relaxed);
}

static int check_length(
    struct http_exchange *x, const llhttp_t *p, bool has_length)
{
	struct http_server *s = x->s;

	if (!has_length)
		return 0;
	if (p->content_length > s->config.body_bytes_max)
		return refusal(x, 413, "body_too_large",
		    "the request body is larger than the limit");
	if (bodies_bytes(s) + p->content_length > SERVER_BODIES_BYTES_MAX)
		return refusal(x, 503, "busy",
		    "too many request bodies at once: try again later");
	return 0;
}

static int on_headers_complete(llhttp_t *p)
{
	struct http_exchange *x = exchange_of(p);
	struct http_gate_facts facts;
	const char *why;
	int status;

	x->head_done = true;
	x->pairs_end = x->head_write;
	x->minor = p->http_minor;
	if (p->http_major != 1 || p->http_minor > 1)
		return refusal(x, 505, "http_version",
		    "HTTP/1.1 and HTTP/1.0 are spoken here");
	x->method = llhttp_method_name((enum llhttp_method)p->method);
	x->is_head = p->method == HTTP_HEAD;
	if (http_gate_headers(x->head.data + x->pairs_at,
		x->pairs_end - x->pairs_at, x->minor, &facts, &status,
		&why) != 0)
		return refusal(x, status, "bad_request", why);
	server_exchange_set_client(x);
	if (p->method == HTTP_CONNECT)
		return refusal(
		    x, 405, "method_not_allowed", "this is not a proxy");
	if (server_exchange_set_target(x, &why) != 0)
		return refusal(x, 400, "bad_target", why);
	if (facts.request_id != NULL)
		snprintf(x->request_id, sizeof(x->request_id), "%s",
		    facts.request_id);
	x->expects_continue = facts.expects_continue && x->minor >= 1 &&
			      (facts.chunked || p->content_length > 0);
	p->upgrade = 0; /* an offer that we do not take */
	return check_length(x, p, facts.has_length);
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	struct http_exchange *x = exchange_of(p);
	struct http_server *s = x->s;

	if (bodies_bytes(s) + len > SERVER_BODIES_BYTES_MAX)
		return refusal(x, 503, "busy",
		    "too many request bodies at once: try again later");
	if (buf_append(&x->body, at, len) != 0)
		return refusal(x, 413, "body_too_large",
		    "the request body is larger than the limit");
	atomic_fetch_add_explicit(&s->bodies_bytes, len, memory_order_relaxed);
	return 0;
}

static int on_message_complete(llhttp_t *p)
{
	struct http_exchange *x = exchange_of(p);

	x->complete = true;
	x->keep_alive = llhttp_should_keep_alive(p) != 0;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* -- refusals ---------------------------------------------------------- */

void server_refuse(
    struct server_conn *c, int status, const char *code, const char *why)
{
	struct http_server *s = c->s;
	struct http_exchange *x;
	struct buf body = {.max = SERVER_READ_BYTES};

	if (c->x == NULL)
		c->x = server_exchange_new(c);
	x = c->x;
	server_count(&s->count.refused);
	server_exchange_ensure_id(x);
	x->keep_alive = false;
	x->status = status;
	if (s->config.error_body != NULL)
		s->config.error_body(status, code, why, &body, s->config.arg);
	x->reply_bytes = x->is_head ? 0 : body.len;
	server_reply_head(x, "application/json", (int64_t)body.len);
	if (!x->is_head)
		buf_append(&x->out, buf_str(&body), body.len);
	buf_fini(&body);
	server_reply_arrived(x);
}

static void refuse_by_parser(struct server_conn *c, enum llhttp_errno code)
{
	struct http_exchange *x = c->x;

	if (x->refuse_status != 0)
		server_refuse(
		    c, x->refuse_status, x->refuse_code, x->refuse_why);
	else
		server_refuse(c, 400, "bad_request", llhttp_errno_name(code));
}

/* -- feeding ----------------------------------------------------------- */

static void dispatch(struct server_conn *c)
{
	struct http_server *s = c->s;
	unsigned waiting =
	    atomic_load_explicit(&s->queue.requests, memory_order_relaxed);

	server_count(&s->count.requests);
	if (waiting + s->batch.len >= s->config.queue_max) {
		server_refuse(c, 503, "busy",
		    "too many requests are waiting: try again later");
		return;
	}
	c->phase = PHASE_BUSY;
	server_conn_arm(c, TIMER_NONE);
	server_list_push(&s->batch, &c->x->item);
	if (s->batch.len >= BATCH_MAX)
		server_queue_push_batch(s, &s->batch);
}

static void await_body(struct server_conn *c)
{
	static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	uv_buf_t b = uv_buf_init(go_on, sizeof(go_on) - 1);

	c->phase = PHASE_BODY;
	server_conn_arm(c, TIMER_BODY);
	if (c->x->expects_continue)
		server_write(c, &b, 1, WRITE_THEN_NOTHING);
}

/* The head is whole in x->head. */
static void parse_head(struct server_conn *c)
{
	struct http_exchange *x = c->x;
	enum llhttp_errno code;

	llhttp_init(&c->parser, HTTP_REQUEST, &settings);
	c->parser.data = c;
	code = llhttp_execute(&c->parser, x->head.data, x->head.len);
	if (code == HPE_OK && x->head_done)
		await_body(c);
	else if (x->complete)
		dispatch(c);
	else
		refuse_by_parser(c, code);
}

static size_t feed_head(struct server_conn *c, const char *data, size_t len)
{
	struct http_exchange *x = c->x;
	enum http_gate_verdict verdict;
	const char *why = NULL;
	size_t used = len;

	verdict = http_gate_scan(&c->gate, data, len, &used, &why);
	if (verdict == HTTP_GATE_BAD) {
		server_refuse(c, 400, "bad_request", why);
		return len;
	}
	if (buf_append(&x->head, data, used) != 0) {
		server_refuse(c, 431, "headers_too_large",
		    "the request head is larger than the limit");
		return len;
	}
	if (verdict == HTTP_GATE_HEAD)
		parse_head(c);
	return used;
}

static size_t feed_body(struct server_conn *c, const char *data, size_t len)
{
	struct http_exchange *x = c->x;
	enum llhttp_errno code;
	size_t used = len;

	server_conn_arm(c, TIMER_BODY);
	code = llhttp_execute(&c->parser, data, len);
	if (x->complete)
		used = (size_t)(llhttp_get_error_pos(&c->parser) - data);
	x->body_wire += used;
	if (x->complete)
		dispatch(c);
	else if (code != HPE_OK)
		refuse_by_parser(c, code);
	else if (x->body_wire >
		 c->s->config.header_bytes_max + FRAMING_FACTOR * x->body.len)
		server_refuse(
		    c, 400, "bad_request", "the body is mostly chunk framing");
	return used;
}

size_t server_parse(struct server_conn *c, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		switch (c->phase) {
		case PHASE_IDLE:
			c->x = server_exchange_new(c);
			c->gate = (struct http_gate){0};
			c->phase = PHASE_HEAD;
			server_conn_arm(c, TIMER_HEADER);
			break;
		case PHASE_HEAD:
			at += feed_head(c, data + at, len - at);
			break;
		case PHASE_BODY:
			at += feed_body(c, data + at, len - at);
			break;
		case PHASE_SHAKE:
		case PHASE_BUSY:
		case PHASE_REPLY:
		case PHASE_STREAM:
		case PHASE_LINGER:
		case PHASE_CLOSING:
			return at;
		}
	}
	return at;
}
