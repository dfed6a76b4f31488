/*
 * A small server on net/http_server.h for tests/integration/
 * test_http_server.py and for measuring: prints its port, serves until its
 * standard input ends, then stops in order. Arguments "name=value" set the
 * limits (see `knobs`), cert=FILE and key=FILE make it speak TLS. Paths:
 *   /hello            48 bytes of JSON
 *   /echo             the body, under its own content type
 *   /info             what the handler sees of the request, line by line
 *   /later            answered by a thread that is not a worker
 *   /block            blocks its worker until a line came on standard input
 *   /big?bytes=N      N bytes at once
 *   /flow?bytes=N     a stream of N bytes; length=1: with Content-Length;
 *                     short=1: ends one byte early; abort=1: aborts there
 *   /follow, /wake    an endless stream; each /wake gives it one line
 *   /storm?n=N        N wakes from a thread of its own
 *   /state, /done     counters; the lines of on_done
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/thread.h"
#include "net/http_server.h"
#include "net/tls.h"

#define TEXT_MAX (64 * 1024 * 1024)

static struct {
	struct mtx mtx;
	struct cond cond;
	struct http_server *server;
	struct follower *followers;        /* guarded by mtx */
	long wakes;                        /* guarded by mtx */
	long opened, closed, closed_twice; /* guarded by mtx */
	long blocked;                      /* guarded by mtx */
	bool release;                      /* guarded by mtx */
	struct buf done;                   /* guarded by mtx */
	bool quiet;
	struct tls_files tls_files;
} g;

static int64_t query_int(struct http_exchange *x, const char *name)
{
	const char *text = http_query(x, name);
	int64_t v = 0;

	if (text != NULL && parse_int(text, 0, TEXT_MAX, &v) != 0)
		return 0;
	return v;
}

static void reply_text(struct http_exchange *x, int status, const char *text)
{
	struct buf b = {.max = TEXT_MAX};

	buf_append_str(&b, text);
	http_reply(x, status, "text/plain", &b);
}

/* -- plain replies -------------------------------------------------------- */

static void do_hello(struct http_exchange *x)
{
	static const char text[] =
	    "{\"message\":\"hello\",\"number\":42,\"list\":[1,2,3,4]}";
	struct buf b = {.max = 128};

	buf_append_str(&b, text);
	http_reply(x, 200, "application/json", &b);
}

static void do_echo(struct http_exchange *x)
{
	struct buf b = {.max = TEXT_MAX};
	const char *type = http_header(x, "Content-Type"), *body;
	size_t len;

	body = http_body(x, &len);
	buf_append(&b, body, len);
	http_reply(x, 200, type != NULL ? type : "text/plain", &b);
}

static void do_info(struct http_exchange *x)
{
	static const char *const headers[] = {
	    "host", "x-foo", "x-multi", "x-empty", "expect"};
	struct buf b = {.max = TEXT_MAX};
	const char *name, *value;
	size_t i, len;

	http_body(x, &len);
	http_set_route(x, "/info");
	buf_printf(&b, "method=%s\npath=%s\nbody=%zu\n", http_method(x),
	    http_path(x), len);
	if (http_is_extra(x))
		buf_printf(&b, "extra target=%s\n", http_target(x));
	for (i = 0; http_query_at(x, i, &name, &value); i++)
		buf_printf(&b, "query %s=%s\n", name, value);
	for (i = 0; i < ARRAY_LEN(headers); i++) {
		value = http_header(x, headers[i]);
		if (value != NULL)
			buf_printf(&b, "header %s=[%s]\n", headers[i], value);
	}
	http_reply_header(x, "X-Extra", "yes");
	http_reply(x, 200, "text/plain", &b);
}

static void *later_main(void *arg)
{
	reply_text(arg, 200, "later\n");
	return NULL;
}

static void do_later(struct http_exchange *x)
{
	struct err err = ERR_INIT;
	pthread_t t;

	if (thread_start(&t, "later", later_main, x, &err) != 0) {
		reply_text(x, 500, err.msg);
		return;
	}
	pthread_detach(t);
}

static void do_block(struct http_exchange *x)
{
	mtx_lock(&g.mtx);
	g.blocked++;
	while (!g.release)
		cond_wait(&g.cond, &g.mtx);
	g.blocked--;
	mtx_unlock(&g.mtx);
	reply_text(x, 200, "released\n");
}

static void do_big(struct http_exchange *x)
{
	struct buf b = {.max = TEXT_MAX};
	size_t n = (size_t)query_int(x, "bytes");

	if (n > 0) {
		memset(buf_reserve(&b, n), 'b', n);
		buf_commit(&b, n);
	}
	http_reply(x, 200, "text/plain", &b);
}

static void do_state(struct http_exchange *x)
{
	struct http_server_stats st;
	struct buf b = {.max = 4096};

	http_server_stats(g.server, &st);
	mtx_lock(&g.mtx);
	buf_printf(&b,
	    "{\"opened\":%ld,\"closed\":%ld,\"closed_twice\":%ld,"
	    "\"blocked\":%ld,\"requests\":%lu,\"refused\":%lu,"
	    "\"connections\":%u,\"streams\":%u,\"queue\":%u}",
	    g.opened, g.closed, g.closed_twice, g.blocked,
	    (unsigned long)st.requests, (unsigned long)st.refused,
	    st.connections, st.streams, st.queue);
	mtx_unlock(&g.mtx);
	http_reply(x, 200, "application/json", &b);
}

static void do_done(struct http_exchange *x)
{
	struct buf b = {.max = TEXT_MAX};

	mtx_lock(&g.mtx);
	buf_append(&b, buf_str(&g.done), g.done.len);
	mtx_unlock(&g.mtx);
	http_reply(x, 200, "text/plain", &b);
}

/* -- streams -------------------------------------------------------------- */

struct follower {
	struct follower *next, *prev;
	struct http_stream *stream;
	long seen; /* wakes told; of the producing thread */
	int64_t left;
	bool is_short, aborts;
	bool closed; /* guarded by g.mtx */
};

static void follower_bind(void *arg, struct http_stream *stream)
{
	struct follower *f = arg;

	mtx_lock(&g.mtx);
	f->stream = stream;
	f->seen = g.wakes;
	f->next = g.followers;
	if (f->next != NULL)
		f->next->prev = f;
	g.followers = f;
	g.opened++;
	mtx_unlock(&g.mtx);
}

static void follower_closed(void *arg)
{
	struct follower *f = arg;

	mtx_lock(&g.mtx);
	g.closed_twice += f->closed;
	f->closed = true;
	g.closed++;
	if (f->prev != NULL)
		f->prev->next = f->next;
	else
		g.followers = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	mtx_unlock(&g.mtx);
	mem_free(f);
}

static enum http_produce follow_produce(void *arg, struct buf *out)
{
	struct follower *f = arg;
	long wakes;

	mtx_lock(&g.mtx);
	wakes = g.wakes;
	mtx_unlock(&g.mtx);
	while (f->seen < wakes) {
		if (buf_printf(out, "wake %ld\n", f->seen + 1) != 0) {
			out->overflow = false; /* the rest next time */
			return HTTP_MORE;
		}
		f->seen++;
	}
	return HTTP_WAIT;
}

static enum http_produce flow_produce(void *arg, struct buf *out)
{
	struct follower *f = arg;
	size_t n = f->left > 65536 ? 65536 : (size_t)f->left;

	memset(buf_reserve(out, n + 1), 'f', n);
	buf_commit(out, n);
	f->left -= (int64_t)n;
	if (f->left > 0)
		return HTTP_MORE;
	return f->aborts ? HTTP_ABORT : HTTP_END;
}

static void do_follow(struct http_exchange *x)
{
	static const struct http_stream_ops ops = {.produce = follow_produce,
	    .closed = follower_closed,
	    .keepalive_ms = 200,
	    .keepalive = ": still here\n\n"};
	static const struct http_stream_ops silent = {
	    .produce = follow_produce, .closed = follower_closed};

	http_set_route(x, "/follow");
	http_reply_stream(x, 200, "text/event-stream", -1,
	    query_int(x, "keepalive") ? &ops : &silent,
	    mem_zalloc(sizeof(struct follower)), follower_bind);
}

static void do_flow(struct http_exchange *x)
{
	static const struct http_stream_ops ops = {
	    .produce = flow_produce, .closed = follower_closed};
	struct follower *f = mem_zalloc(sizeof(*f));
	int64_t bytes = query_int(x, "bytes");

	f->left = bytes - query_int(x, "short");
	f->aborts = query_int(x, "abort") != 0;
	http_reply_stream(x, 200, "application/octet-stream",
	    query_int(x, "length") ? bytes : -1, &ops, f, follower_bind);
}

static void wake_all(void)
{
	struct follower *f;

	mtx_lock(&g.mtx);
	g.wakes++;
	for (f = g.followers; f != NULL; f = f->next)
		http_stream_wake(f->stream);
	mtx_unlock(&g.mtx);
}

static void do_wake(struct http_exchange *x)
{
	wake_all();
	reply_text(x, 200, "woken\n");
}

struct storm {
	struct http_exchange *x;
	int64_t n;
};

static void *storm_main(void *arg)
{
	struct storm *storm = arg;
	int64_t i;

	for (i = 0; i < storm->n; i++)
		wake_all();
	reply_text(storm->x, 200, "over\n");
	mem_free(storm);
	return NULL;
}

static void do_storm(struct http_exchange *x)
{
	struct storm *storm = mem_zalloc(sizeof(*storm));
	struct err err = ERR_INIT;
	pthread_t t;

	storm->x = x;
	storm->n = query_int(x, "n");
	if (thread_start(&t, "storm", storm_main, storm, &err) != 0) {
		mem_free(storm);
		reply_text(x, 500, err.msg);
		return;
	}
	pthread_detach(t);
}

/* -- the server ----------------------------------------------------------- */

static const struct {
	const char *path;
	void (*run)(struct http_exchange *x);
} routes[] = {{"/hello", do_hello}, {"/echo", do_echo}, {"/info", do_info},
    {"/later", do_later}, {"/block", do_block}, {"/big", do_big},
    {"/flow", do_flow}, {"/follow", do_follow}, {"/wake", do_wake},
    {"/storm", do_storm}, {"/state", do_state}, {"/done", do_done}};

static void handler(struct http_exchange *x, void *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_LEN(routes); i++) {
		if (strcmp(routes[i].path, http_path(x)) == 0) {
			routes[i].run(x);
			return;
		}
	}
	do_info(x);
}

static void error_body(
    int status, const char *code, const char *text, struct buf *out, void *arg)
{
	struct json j;

	(void)arg;
	json_init(&j, out);
	json_obj(&j);
	json_kint(&j, "status", status);
	json_kstr(&j, "code", code);
	json_kstr(&j, "message", text);
	json_end(&j);
}

static void on_done(const struct http_done *done, void *arg)
{
	(void)arg;
	if (g.quiet)
		return;
	mtx_lock(&g.mtx);
	buf_printf(&g.done, "%s|%s|%s|%s|%s|%d|%lu|%lu\n", done->request_id,
	    done->peer, done->method, done->route, done->path, done->status,
	    (unsigned long)done->request_bytes,
	    (unsigned long)done->reply_bytes);
	mtx_unlock(&g.mtx);
}

static int set_knob(struct http_server_config *c, const char *arg)
{
	const char *eq = strchr(arg, '=');
	int64_t v;

	if (strncmp(arg, "cert=", 5) == 0) {
		g.tls_files.certificate = arg + 5;
		return 0;
	}
	if (strncmp(arg, "key=", 4) == 0) {
		g.tls_files.key = arg + 4;
		return 0;
	}
	if (strncmp(arg, "socket=", 7) == 0) {
		c->socket = arg + 7;
		return 0;
	}
	if (strcmp(arg, "extra") == 0) {
		c->extra_host = "localhost";
		return 0;
	}
	if (eq == NULL || parse_int(eq + 1, 0, INT32_MAX, &v) != 0)
		return -1;
	if (strncmp(arg, "port=", 5) == 0)
		c->port = (int)v;
	else if (strncmp(arg, "workers=", 8) == 0)
		c->workers = (unsigned)v;
	else if (strncmp(arg, "header_bytes=", 13) == 0)
		c->header_bytes_max = (size_t)v;
	else if (strncmp(arg, "body_bytes=", 11) == 0)
		c->body_bytes_max = (size_t)v;
	else if (strncmp(arg, "connections=", 12) == 0)
		c->connections_max = (unsigned)v;
	else if (strncmp(arg, "queue=", 6) == 0)
		c->queue_max = (size_t)v;
	else if (strncmp(arg, "header_ms=", 10) == 0)
		c->header_timeout_ms = v;
	else if (strncmp(arg, "body_ms=", 8) == 0)
		c->body_timeout_ms = v;
	else if (strncmp(arg, "idle_ms=", 8) == 0)
		c->idle_timeout_ms = v;
	else if (strncmp(arg, "write_ms=", 9) == 0)
		c->write_timeout_ms = v;
	else if (strncmp(arg, "quiet=", 6) == 0)
		g.quiet = v != 0;
	else
		return -1;
	return 0;
}

static void release(void)
{
	mtx_lock(&g.mtx);
	g.release = true;
	cond_broadcast(&g.cond);
	mtx_unlock(&g.mtx);
}

/* A line on standard input releases what /block holds. */
static void wait_for_end_of_input(void)
{
	char bytes[64];

	while (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
		release();
}

int main(int argc, char **argv)
{
	struct http_server_config c = {.host = "127.0.0.1",
	    .handler = handler,
	    .error_body = error_body,
	    .on_done = on_done};
	struct err err = ERR_INIT;
	int i;

	for (i = 1; i < argc; i++) {
		if (set_knob(&c, argv[i]) != 0) {
			fprintf(stderr, "not understood: %s\n", argv[i]);
			return 2;
		}
	}
	mtx_init(&g.mtx, "echo");
	cond_init(&g.cond);
	buf_init(&g.done, TEXT_MAX);
	if ((g.tls_files.key != NULL &&
		tls_keeper_open(&c.tls, &g.tls_files, &err) != 0) ||
	    http_server_start(&g.server, &c, &err) != 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	printf("%d\n", http_server_port(g.server));
	if (c.extra_host != NULL)
		printf("%d\n", http_server_extra_port(g.server));
	fflush(stdout);
	wait_for_end_of_input();
	http_server_stop(g.server, 2000);
	tls_keeper_close(c.tls);
	buf_fini(&g.done);
	cond_fini(&g.cond);
	mtx_fini(&g.mtx);
	return g.closed == g.opened && g.closed_twice == 0 ? 0 : 3;
}
