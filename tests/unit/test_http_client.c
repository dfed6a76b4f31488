/*
 * The HTTP client against a scripted peer: a thread that plays, connection
 * by connection, what a test tells it to read and to send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/http_client.h"

#define STEPS_MAX   24
#define GENEROUS_MS 60000

/* -- the peer ------------------------------------------------------------- */

enum what {
	OVER = 0, /* end of the script */
	ACCEPT,
	READ_HEAD,  /* up to the empty line */
	READ_UNTIL, /* up to a text */
	SEND,
	SEND_MANY, /* the text, number times */
	CLOSE,
	AWAIT_END, /* until the client closes */
	CANCEL,
};
struct step {
	enum what what;
	const char *text;
	int number;
};

struct peer {
	pthread_t thread;
	const struct step *steps;
	struct cancel cancel;
	int listener, fd;
	struct buf got; /* all bytes read; after the join, or `done` */
	struct mtx mtx;
	struct cond cond;
	int done; /* steps played; guarded by mtx */
	char base[128];
	char dir[64];
};

static void peer_read_until(struct peer *p, const char *mark)
{
	size_t from = p->got.len;
	char byte;

	while (strstr(buf_str(&p->got) + from, mark) == NULL) {
		if (recv(p->fd, &byte, 1, 0) != 1)
			return;
		buf_append_char(&p->got, byte);
	}
}

static void peer_send(struct peer *p, const char *text)
{
	/* A client that gives up early is part of some tests. */
	IGNORE(send(p->fd, text, strlen(text), MSG_NOSIGNAL) < 0);
}

static void peer_play(struct peer *p, const struct step *s)
{
	char bytes[4096];
	int i;

	switch (s->what) {
	case ACCEPT:
		p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
		break;
	case READ_HEAD:
		peer_read_until(p, "\r\n\r\n");
		break;
	case READ_UNTIL:
		peer_read_until(p, s->text);
		break;
	case SEND:
		peer_send(p, s->text);
		break;
	case SEND_MANY:
		for (i = 0; i < s->number; i++)
			peer_send(p, s->text);
		break;
	case CLOSE:
		close(p->fd);
		p->fd = -1;
		break;
	case AWAIT_END:
		while (recv(p->fd, bytes, sizeof(bytes), 0) > 0)
			continue;
		close(p->fd);
		p->fd = -1;
		break;
	case CANCEL:
		cancel_now(&p->cancel);
		break;
	case OVER:
		break;
	}
}

static void *peer_main(void *arg)
{
	struct peer *p = arg;
	int i;

	for (i = 0; p->steps[i].what != OVER; i++) {
		peer_play(p, &p->steps[i]);
		mtx_lock(&p->mtx);
		p->done = i + 1;
		cond_broadcast(&p->cond);
		mtx_unlock(&p->mtx);
	}
	return NULL;
}

static void peer_await(struct peer *p, int steps)
{
	mtx_lock(&p->mtx);
	while (p->done < steps)
		assert_true(cond_wait_until(
		    &p->cond, &p->mtx, clock_deadline_ms(GENEROUS_MS)));
	mtx_unlock(&p->mtx);
}

static void peer_listen_unix(struct peer *p)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(p->dir, "/tmp/http_client_XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", p->dir);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(p->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	snprintf(p->base, sizeof(p->base), "unix://%s", a.sun_path);
}

static void peer_listen_tcp(struct peer *p)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(p->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(p->listener, (struct sockaddr *)&a, &len);
	snprintf(p->base, sizeof(p->base), "http://127.0.0.1:%d/base/",
	    ntohs(a.sin_port));
}

static void peer_start(struct peer *p, const struct step *steps, bool tcp)
{
	struct err err = ERR_INIT;

	*p = (struct peer){.steps = steps, .fd = -1};
	mtx_init(&p->mtx, "peer");
	cond_init(&p->cond);
	buf_init(&p->got, 64 * 1024 * 1024);
	assert_int_equal(cancel_init(&p->cancel, &err), 0);
	if (tcp)
		peer_listen_tcp(p);
	else
		peer_listen_unix(p);
	assert_int_equal(listen(p->listener, 8), 0);
	assert_int_equal(
	    thread_start(&p->thread, "peer", peer_main, p, &err), 0);
}

static void peer_stop(struct peer *p)
{
	char path[128];

	thread_join(p->thread);
	fd_close(p->fd);
	close(p->listener);
	if (p->dir[0] != '\0') {
		snprintf(path, sizeof(path), "%s/s", p->dir);
		unlink(path);
		rmdir(p->dir);
	}
	buf_fini(&p->got);
	cancel_fini(&p->cancel);
	cond_fini(&p->cond);
	mtx_fini(&p->mtx);
}

/* -- a test's usual things ------------------------------------------------ */

struct scene {
	struct peer peer;
	struct http_client *client;
	struct ctx root, ctx;
	struct http_result result;
	struct err err;
	int r;
};

static void scene_begin(struct scene *s, const struct step *steps, bool tcp)
{
	*s = (struct scene){.result = HTTP_RESULT_INIT(1024 * 1024)};
	peer_start(&s->peer, steps, tcp);
	s->root = ctx_root();
	s->ctx = ctx_with_timeout(&s->root, GENEROUS_MS);
	s->r = http_client_new(&s->client, s->peer.base, &s->err);
	assert_int_equal(s->r, 0);
}

static void scene_end(struct scene *s)
{
	http_client_free(s->client);
	http_result_fini(&s->result);
	peer_stop(&s->peer);
}

static void call(struct scene *s, const char *method, const char *target)
{
	struct http_call c = {.method = method, .target = target};

	if (strcmp(method, "POST") == 0) {
		c.body = "hello";
		c.body_len = 5;
		c.content_type = "text/plain";
	}
	err_clear(&s->err);
	s->r = http_call(s->client, &s->ctx, &c, &s->result, &s->err);
}

static void assert_reply(struct scene *s, int status, const char *body)
{
	if (s->r != 0)
		fail_msg("%s", s->err.msg);
	assert_int_equal(s->result.status, status);
	assert_string_equal(buf_str(&s->result.body), body);
}

static void assert_failed(struct scene *s, enum err_kind kind, const char *code)
{
	assert_int_equal(s->r, -1);
	assert_string_equal(err_kind_name(s->err.kind), err_kind_name(kind));
	assert_string_equal(s->err.code, code);
}

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* -- addresses ------------------------------------------------------------ */

static void test_addresses(void **state)
{
	static const char *const good[] = {"/run/docker.sock",
	    "unix:///run/docker.sock", "tcp://localhost:2375",
	    "http://127.0.0.1", "http://[::1]:80/x"};
	static const char *const bad[] = {"", "unix://run", "tcp://host",
	    "tcp://:80", "http://", "http://h:0", "http://h:65536",
	    "http://h:80x", "http://[::1", "http://h:123456", "ftp://h",
	    "http://h/a b", "http://h\r\nX: y"};
	struct http_client *c;
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(http_client_new(&c, good[i], &err), 0);
		http_client_free(c);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(http_client_new(&c, bad[i], &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
	}
	assert_int_equal(http_client_new(&c, "https://h/x", &err), 0);
	http_client_free(c);
	assert_int_equal(http_client_new(&c, "/run/docker.sock", &err), 0);
	assert_string_equal(http_client_name(c), "unix:///run/docker.sock");
	http_client_free(c);
}

static void test_nobody_listens(void **state)
{
	struct http_client *c;
	struct err err = ERR_INIT;
	struct ctx root = ctx_root();
	struct http_call call = {.method = "POST", .target = "/"};
	struct http_result r = HTTP_RESULT_INIT(100);

	(void)state;
	assert_int_equal(
	    http_client_new(&c, "unix:///nonexistent/sock", &err), 0);
	assert_int_equal(http_call(c, &root, &call, &r, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_string_equal(err.code, "connect_failed");
	assert_non_null(strstr(err.msg, "/nonexistent/sock"));
	http_client_free(c);
	http_result_fini(&r);
}

/* -- replies -------------------------------------------------------------- */

static void test_request_and_reply(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_UNTIL, "hello"},
	    {SEND, "HTTP/1.1 201 Created\r\nX-One: 1\r\nEmpty:\r\n"
		   "Content-Type: a/b  \r\nContent-Length: 4\r\n\r\ndata"},
	    {READ_HEAD}, {SEND, OK_REPLY}, {OVER}};
	struct scene s;
	char v[16];

	(void)state;
	scene_begin(&s, steps, true);
	http_client_set_header(s.client, "Authorization", "Bearer x");
	call(&s, "POST", "/a?b=c");
	assert_reply(&s, 201, "data");
	assert_string_equal(s.result.content_type, "a/b");
	assert_string_equal(http_result_header(&s.result, "X-oNe", v, 16), "1");
	assert_string_equal(http_result_header(&s.result, "empty", v, 16), "");
	assert_string_equal(http_result_header(&s.result, "x", v, 16), "");
	assert_non_null(strstr(s.peer.got.data, "POST /base/a?b=c HTTP/1.1\r\n"
						"Host: 127.0.0.1:"));
	assert_non_null(strstr(s.peer.got.data, "Authorization: Bearer x\r\n"));
	assert_non_null(strstr(s.peer.got.data, "Content-Length: 5\r\n"));
	/* The same connection serves the next: the script accepts once. */
	call(&s, "GET", "/");
	assert_reply(&s, 200, "ok");
	scene_end(&s);
}

static void test_ways_to_delimit_a_body(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD},
	    {SEND,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n"},
	    {SEND, "abc\r\n4;x=y\r\nde"}, {SEND, "fg\r\n0\r\nT: 1\r\n\r\n"},
	    {READ_HEAD},
	    {SEND, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n"
		   "Link: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"},
	    {READ_HEAD}, {SEND, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"},
	    {READ_HEAD}, {SEND, "HTTP/1.1 200 OK\r\n\r\nup to "},
	    {SEND, "the end"}, {CLOSE}, {OVER}};
	struct scene s;
	char v[16];

	(void)state;
	scene_begin(&s, steps, false);
	call(&s, "GET", "/chunked");
	assert_reply(&s, 200, "abcdefg");
	call(&s, "GET", "/interim");
	assert_reply(&s, 204, "");
	assert_string_equal(http_result_header(&s.result, "link", v, 16), "");
	call(&s, "HEAD", "/head");
	assert_reply(&s, 200, "");
	call(&s, "GET", "/close");
	assert_reply(&s, 200, "up to the end");
	scene_end(&s);
}

static void test_too_large(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD},
	    {SEND, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
	    {SEND_MANY, "10\r\n0123456789abcdef\r\n", 20}, {AWAIT_END},
	    {ACCEPT}, {READ_HEAD}, {SEND, "HTTP/1.1 200 OK\r\n"},
	    {SEND_MANY, "X-Header: 0123456789abcdef\r\n", 4000}, {AWAIT_END},
	    {OVER}};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	s.result.body.max = 300;
	call(&s, "GET", "/body");
	assert_failed(&s, ERR_LIMIT, "reply_too_large");
	call(&s, "GET", "/headers");
	assert_failed(&s, ERR_LIMIT, "reply_headers_too_large");
	scene_end(&s);
}

static void test_not_http(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD},
	    {SEND, "SSH-2.0-hello\r\n"}, {AWAIT_END}, {ACCEPT},
	    {READ_UNTIL, "hello"}, {SEND, "HTTP/1.1 2x0 ?\r\n\r\n"},
	    {AWAIT_END}, {ACCEPT}, {READ_HEAD},
	    {SEND, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"}, {AWAIT_END},
	    {OVER}};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	call(&s, "GET", "/");
	assert_failed(&s, ERR_UNAVAILABLE, "bad_reply");
	call(&s, "POST", "/");
	assert_failed(&s, ERR_UNCERTAIN, "bad_reply");
	call(&s, "GET", "/");
	assert_failed(&s, ERR_UNAVAILABLE, "bad_reply");
	scene_end(&s);
}

/* -- lost connections ----------------------------------------------------- */

static void test_stale_kept_connection(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD},
	    {SEND, OK_REPLY}, {CLOSE}, {ACCEPT}, {READ_UNTIL, "hello"},
	    {SEND, OK_REPLY}, {CLOSE}, {OVER}};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	call(&s, "GET", "/");
	assert_reply(&s, 200, "ok");
	peer_await(&s.peer, 4);
	call(&s, "POST", "/"); /* seen to be closed before it was used */
	assert_reply(&s, 200, "ok");
	scene_end(&s);
}

static void test_kept_connection_dies_under_the_request(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD},
	    {SEND, OK_REPLY}, {READ_HEAD}, {CLOSE}, {ACCEPT}, {READ_HEAD},
	    {SEND, OK_REPLY}, {READ_UNTIL, "hello"}, {CLOSE}, {OVER}};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	call(&s, "GET", "/");
	assert_reply(&s, 200, "ok");
	call(&s, "GET", "/"); /* repeated on a new connection */
	assert_reply(&s, 200, "ok");
	call(&s, "POST", "/"); /* not repeated: it was sent whole */
	assert_failed(&s, ERR_UNCERTAIN, "connection_lost");
	scene_end(&s);
}

static void test_no_reply(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD}, {CLOSE},
	    {ACCEPT}, {READ_UNTIL, "hello"}, {CLOSE}, {ACCEPT}, {READ_HEAD},
	    {SEND, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}, {CLOSE},
	    {OVER}};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	call(&s, "GET", "/");
	assert_failed(&s, ERR_UNAVAILABLE, "connection_lost");
	call(&s, "POST", "/");
	assert_failed(&s, ERR_UNCERTAIN, "connection_lost");
	call(&s, "GET", "/half");
	assert_failed(&s, ERR_UNAVAILABLE, "connection_lost");
	scene_end(&s);
}

static void test_deadline(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD}, {AWAIT_END},
	    {ACCEPT}, {READ_UNTIL, "hello"}, {AWAIT_END}, {OVER}};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	s.ctx = ctx_with_timeout(&s.root, 50);
	call(&s, "GET", "/");
	assert_failed(&s, ERR_TIMEOUT, "timeout");
	s.ctx = ctx_with_timeout(&s.root, 50);
	call(&s, "POST", "/");
	assert_failed(&s, ERR_UNCERTAIN, "timeout");
	scene_end(&s);
}

static void test_cancel(void **state)
{
	static const struct step steps[] = {
	    {ACCEPT}, {READ_UNTIL, "hello"}, {CANCEL}, {AWAIT_END}, {OVER}};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	s.ctx = ctx_with_cancel(&s.root, &s.peer.cancel);
	call(&s, "POST", "/");
	assert_failed(&s, ERR_UNCERTAIN, "canceled");
	call(&s, "POST", "/"); /* cancelled before anything was sent */
	assert_failed(&s, ERR_CANCELED, "canceled");
	scene_end(&s);
}

/* -- streamed bodies ------------------------------------------------------ */

static int count_body(void *arg, const char *data, size_t len, struct err *err)
{
	struct buf *b = arg;

	buf_append(b, data, len);
	if (memchr(data, '!', len) != NULL)
		return err_set(err, ERR_INVALID, "enough", "enough");
	return 0;
}

static void test_body_sink(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD},
	    {SEND, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"},
	    {SEND, "abc"}, {SEND, "def"}, {READ_HEAD},
	    {SEND, "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone"},
	    {READ_HEAD}, {SEND, "HTTP/1.1 200 OK\r\n\r\nxyz!"}, {AWAIT_END},
	    {OVER}};
	struct buf sunk = {.max = 100};
	struct http_call c = {.method = "GET",
	    .target = "/",
	    .on_body = count_body,
	    .body_sink_arg = &sunk};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	s.r = http_call(s.client, &s.ctx, &c, &s.result, &s.err);
	assert_reply(&s, 200, "");
	assert_string_equal(sunk.data, "abcdef");
	s.r = http_call(s.client, &s.ctx, &c, &s.result, &s.err);
	assert_reply(&s, 404, "none"); /* an error is not what it waits for */
	assert_string_equal(sunk.data, "abcdef");
	s.r = http_call(s.client, &s.ctx, &c, &s.result, &s.err);
	assert_failed(&s, ERR_INVALID, "enough");
	buf_fini(&sunk);
	scene_end(&s);
}

static int three_pieces(void *arg, struct buf *out, struct err *err)
{
	int *n = arg;

	(void)err;
	if (++*n != 2) /* an empty piece is not the end */
		buf_printf(out, "piece %d.", *n);
	return *n < 3;
}

static int broken_source(void *arg, struct buf *out, struct err *err)
{
	(void)arg;
	(void)out;
	return err_set(err, ERR_INTERNAL, "disk", "cannot read the archive");
}

static void test_body_source(void **state)
{
	static const struct step steps[] = {{ACCEPT},
	    {READ_UNTIL, "\r\n0\r\n\r\n"}, {SEND, OK_REPLY}, {AWAIT_END},
	    {OVER}};
	int n = 0;
	struct http_call c = {.method = "PUT",
	    .target = "/",
	    .content_type = "application/x-tar",
	    .body_source = three_pieces,
	    .body_arg = &n};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	s.r = http_call(s.client, &s.ctx, &c, &s.result, &s.err);
	assert_reply(&s, 200, "ok");
	assert_non_null(strstr(s.peer.got.data,
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "8\r\npiece 1.\r\n8\r\npiece 3.\r\n0\r\n\r\n"));
	c.body_source = broken_source;
	s.r = http_call(s.client, &s.ctx, &c, &s.result, &s.err);
	assert_failed(&s, ERR_INTERNAL, "disk");
	scene_end(&s);
}

static void test_refused_in_the_middle_of_a_large_body(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD},
	    {SEND, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"},
	    {CLOSE}, {OVER}};
	size_t len = (size_t)8 * 1024 * 1024;
	char *body = mem_zalloc(len);
	struct http_call c = {
	    .method = "POST", .target = "/", .body = body, .body_len = len};
	struct scene s;

	(void)state;
	scene_begin(&s, steps, false);
	s.r = http_call(s.client, &s.ctx, &c, &s.result, &s.err);
	assert_reply(&s, 413, "big");
	mem_free(body);
	scene_end(&s);
}

/* -- hijack --------------------------------------------------------------- */

static void hijack_with(const char *reply)
{
	struct step steps[] = {{ACCEPT}, {READ_HEAD}, {SEND, reply},
	    {READ_UNTIL, "to you"}, {SEND, "later bytes"}, {CLOSE}, {OVER}};
	struct http_call c = {.method = "POST", .target = "/attach"};
	struct buf early = {.max = 1000};
	struct scene s;
	char in[64];
	ssize_t n;
	int fd = -1;

	scene_begin(&s, steps, false);
	s.r = http_hijack(s.client, &s.ctx, &c, &fd, &early, &s.err);
	if (s.r != 0)
		fail_msg("%s", s.err.msg);
	assert_int_equal(send(fd, "to you", 6, MSG_NOSIGNAL), 6);
	while (strstr(buf_str(&early), "later bytes") == NULL) {
		assert_int_equal(ctx_poll(&s.ctx, fd, 1, &s.err), 0);
		n = recv(fd, in, sizeof(in), 0);
		assert_true(n > 0);
		buf_append(&early, in, (size_t)n);
	}
	assert_string_equal(early.data, "early\r\n\r\nbyteslater bytes");
	assert_non_null(
	    strstr(s.peer.got.data, "Connection: Upgrade\r\nUpgrade: tcp\r\n"));
	close(fd);
	buf_fini(&early);
	scene_end(&s);
}

static void test_hijack(void **state)
{
	(void)state;
	hijack_with("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/"
		    "vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
		    "Upgrade: tcp\r\n\r\nearly\r\n\r\nbytes");
	hijack_with("HTTP/1.1 200 OK\r\nContent-Type: application/"
		    "vnd.docker.raw-stream\r\n\r\nearly\r\n\r\nbytes");
}

static void test_hijack_refused(void **state)
{
	static const struct step steps[] = {{ACCEPT}, {READ_HEAD},
	    {SEND, "HTTP/1.1 409 Conflict\r\nContent-Length: 11\r\n\r\n"
		   "not running"},
	    {OVER}};
	struct http_call c = {.method = "POST", .target = "/attach"};
	struct scene s;
	int fd = -1;

	(void)state;
	scene_begin(&s, steps, false);
	s.r = http_hijack(s.client, &s.ctx, &c, &fd, NULL, &s.err);
	assert_failed(&s, ERR_CONFLICT, "http_409");
	assert_non_null(strstr(s.err.msg, "not running"));
	assert_int_equal(fd, -1);
	scene_end(&s);
}

static void test_encode(void **state)
{
	struct buf b = {.max = 100};

	(void)state;
	http_encode(&b, "aZ09-._~ /?&=%\xc3\xa4\x01");
	assert_string_equal(b.data, "aZ09-._~%20%2F%3F%26%3D%25%C3%A4%01");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_nobody_listens),
	    cmocka_unit_test(test_request_and_reply),
	    cmocka_unit_test(test_ways_to_delimit_a_body),
	    cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_not_http),
	    cmocka_unit_test(test_stale_kept_connection),
	    cmocka_unit_test(test_kept_connection_dies_under_the_request),
	    cmocka_unit_test(test_no_reply),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_body_sink),
	    cmocka_unit_test(test_body_source),
	    cmocka_unit_test(test_refused_in_the_middle_of_a_large_body),
	    cmocka_unit_test(test_hijack),
	    cmocka_unit_test(test_hijack_refused),
	    cmocka_unit_test(test_encode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
