/* Tunnels at the hub's end of the channel: a scripted agent on one side, a
 * server that the test plays on the other, in one thread. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sandbox/channel.h"

enum { PATIENCE_MS = 30000, NONCE = 4711 };

struct fixture {
	char dir[32], path[64], server_path[64];
	struct channel *ch;
	int agent, server;
	struct buf in;    /* what the agent has not looked at */
	struct buf frame; /* the payload of its last frame */
};

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

static int no_records(
    void *arg, const struct channel_record *recs, size_t n, struct err *err)
{
	(void)arg;
	(void)recs;
	(void)err;
	fail_msg("%zu records where none were sent", n);
	return 0;
}

static void pump(struct fixture *f)
{
	struct err err = ERR_INIT;

	if (channel_pump(f->ch, no_records, f, &err) < 0)
		fail_msg("pump: %s", err.msg);
}

static void wait_and_pump(struct fixture *f)
{
	if (channel_wait(f->ch, -1, clock_deadline_ms(PATIENCE_MS)) ==
	    CHANNEL_TIMEOUT)
		fail_msg("nothing happens");
	pump(f);
}

static void say(struct fixture *f, enum wire_type type, uint32_t id,
    const void *data, size_t len)
{
	CLEANUP(buf_fini) struct buf b = {0};
	size_t at;

	buf_init(&b, WIRE_PAYLOAD_MAX);
	at = wire_frame_begin(&b, (uint8_t)type, 0, 0);
	wire_put_u32(&b, id);
	assert_int_equal(buf_append(&b, data, len), 0);
	wire_frame_end(&b, at);
	assert_int_equal(
	    send(f->agent, b.data, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
}

static void say_ack(struct fixture *f, uint32_t id, uint32_t bytes)
{
	uint8_t raw[4];

	for (int i = 0; i < 4; i++)
		raw[i] = (uint8_t)(bytes >> (8 * i));
	say(f, WIRE_TUN_ACK, id, raw, sizeof(raw));
}

/* 1: a whole frame of the hub, 0: none yet. */
static int next_frame(struct fixture *f, struct wire_header *ret)
{
	char chunk[4096];
	ssize_t n;

	while ((n = recv(f->agent, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
		assert_int_equal(buf_append(&f->in, chunk, (size_t)n), 0);
	if (f->in.len < WIRE_HEADER_LEN)
		return 0;
	assert_int_equal(wire_header_get((const uint8_t *)f->in.data, ret), 0);
	if (f->in.len < WIRE_HEADER_LEN + ret->len)
		return 0;
	buf_clear(&f->frame);
	assert_int_equal(
	    buf_append(&f->frame, f->in.data + WIRE_HEADER_LEN, ret->len), 0);
	buf_consume(&f->in, WIRE_HEADER_LEN + ret->len);
	return 1;
}

/* The next frame, of this type, about this tunnel: what is behind the id. */
static struct wire_reader expect(
    struct fixture *f, enum wire_type type, uint32_t want)
{
	struct wire_header h;
	struct wire_reader r;
	uint32_t id;

	pump(f);
	while (next_frame(f, &h) == 0)
		wait_and_pump(f);
	assert_int_equal(h.type, type);
	r = (struct wire_reader){(const uint8_t *)f->frame.data, f->frame.len};
	if (type == WIRE_WELCOME)
		return r;
	assert_int_equal(wire_get_u32(&r, &id), 0);
	assert_int_equal(id, want);
	return r;
}

static void expect_silence(struct fixture *f)
{
	struct wire_header h;

	pump(f);
	assert_int_equal(next_frame(f, &h), 0);
}

static void connect_agent(struct fixture *f)
{
	struct sockaddr_un addr = address(f->path);
	CLEANUP(buf_fini) struct buf b = {0};
	size_t at;

	if (f->agent >= 0)
		close(f->agent);
	buf_clear(&f->in);
	f->agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    connect(f->agent, (struct sockaddr *)&addr, sizeof(addr)), 0);
	buf_init(&b, 128);
	at = wire_frame_begin(&b, WIRE_HELLO, 0, 0);
	wire_put_u32(&b, WIRE_VERSION);
	wire_put_u64(&b, NONCE);
	wire_put_u64(&b, 0);
	wire_put_u64(&b, 0);
	wire_put_u32(&b, 0);
	wire_put_u16(&b, WIRE_STEP_NONE);
	wire_frame_end(&b, at);
	assert_int_equal(send(f->agent, b.data, b.len, 0), (ssize_t)b.len);
	expect(f, WIRE_WELCOME, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;
	struct sockaddr_un addr;

	strcpy(f->dir, "/tmp/rh-tunnel-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	snprintf(f->server_path, sizeof(f->server_path), "%s/api", f->dir);
	f->agent = -1;
	buf_init(&f->in, 4 << 20);
	buf_init(&f->frame, WIRE_PAYLOAD_MAX);
	addr = address(f->server_path);
	f->server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(f->server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(f->server, 64), 0);
	assert_int_equal(channel_listen(&f->ch, f->path, &err), 0);
	channel_tunnel_to(f->ch, f->server_path);
	connect_agent(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	channel_free(f->ch);
	close(f->agent);
	close(f->server);
	buf_fini(&f->in);
	buf_fini(&f->frame);
	unlink(f->path);
	unlink(f->server_path);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Opens tunnel `id`; returns the server's end. */
static int open_tunnel(struct fixture *f, uint32_t id)
{
	struct pollfd p = {.fd = f->server, .events = POLLIN};

	say(f, WIRE_TUN_OPEN, id, "", 0);
	while (poll(&p, 1, 0) == 0)
		wait_and_pump(f);
	return accept4(f->server, NULL, NULL, SOCK_CLOEXEC);
}

/* The server reads so many bytes, all of them `byte`. */
static void serve_bytes(struct fixture *f, int fd, size_t want, char byte)
{
	char chunk[4096];
	ssize_t n;

	while (want > 0) {
		pump(f);
		n = recv(fd, chunk, want < sizeof(chunk) ? want : sizeof(chunk),
		    MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(chunk[i], byte);
		want -= (size_t)n;
	}
}

static void expect_end(struct fixture *f, int fd)
{
	char byte;
	ssize_t n;

	while ((n = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		wait_and_pump(f);
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
}

static void expect_bytes(struct wire_reader r, const char *want)
{
	assert_int_equal(r.left, strlen(want));
	assert_memory_equal(r.p, want, r.left);
}

/* -- what shall work ------------------------------------------------------ */

static void a_question_and_its_answer(void **state)
{
	struct fixture *f = *state;
	char got[16] = "";
	int fd = open_tunnel(f, 1);

	say(f, WIRE_TUN_DATA, 1, "question", 8);
	pump(f);
	assert_int_equal(recv(fd, got, sizeof(got), 0), 8);
	assert_string_equal(got, "question");
	assert_int_equal(send(fd, "answer", 6, 0), 6);
	close(fd);
	expect_bytes(expect(f, WIRE_TUN_DATA_DOWN, 1), "answer");
	expect(f, WIRE_TUN_CLOSE_DOWN, 1);
	/* What was on its way meanwhile is passed over. */
	say(f, WIRE_TUN_DATA, 1, "more", 4);
	say_ack(f, 1, 6);
	say(f, WIRE_TUN_CLOSE, 1, "", 0);
	expect_silence(f);
}

static void a_process_that_does_not_wait_for_its_answer(void **state)
{
	struct fixture *f = *state;
	char got[16] = "";
	int fd = open_tunnel(f, 7);

	say(f, WIRE_TUN_DATA, 7, "farewell", 8);
	say(f, WIRE_TUN_CLOSE, 7, "", 0);
	pump(f);
	assert_int_equal(recv(fd, got, sizeof(got), 0), 8);
	assert_string_equal(got, "farewell");
	expect_end(f, fd);
	expect_silence(f);
}

static void many_at_once_do_not_mix(void **state)
{
	struct fixture *f = *state;
	int fds[WIRE_TUNNELS_MAX];

	for (uint32_t i = 0; i < WIRE_TUNNELS_MAX; i++)
		fds[i] = open_tunnel(f, i + 1);
	for (uint32_t i = 0; i < WIRE_TUNNELS_MAX; i++) {
		char byte = (char)('a' + i);

		say(f, WIRE_TUN_DATA, i + 1, &byte, 1);
	}
	for (uint32_t i = 0; i < WIRE_TUNNELS_MAX; i++) {
		serve_bytes(f, fds[i], 1, (char)('a' + i));
		close(fds[i]);
	}
	for (uint32_t i = 0; i < WIRE_TUNNELS_MAX; i++)
		expect(f, WIRE_TUN_CLOSE_DOWN, i + 1);
	/* All places are free again. */
	close(open_tunnel(f, 100));
	expect(f, WIRE_TUN_CLOSE_DOWN, 100);
}

static void without_a_server_it_is_closed_at_once(void **state)
{
	struct fixture *f = *state;

	channel_tunnel_to(f->ch, NULL);
	say(f, WIRE_TUN_OPEN, 1, "", 0);
	expect(f, WIRE_TUN_CLOSE_DOWN, 1);
	channel_tunnel_to(f->ch, "/nonexistent/socket");
	say(f, WIRE_TUN_OPEN, 2, "", 0);
	expect(f, WIRE_TUN_CLOSE_DOWN, 2);
}

/* Windows, until the server's socket takes no more: then the hub holds one of
 * them and acknowledges nothing. Returns how much went. */
static size_t fill_up(struct fixture *f, uint32_t id)
{
	char *window = mem_alloc(WIRE_TUNNEL_WINDOW);
	size_t sent = 0;
	uint32_t left = WIRE_TUNNEL_WINDOW, acked;
	struct wire_header h;
	struct wire_reader r;

	memset(window, 'x', WIRE_TUNNEL_WINDOW);
	while (left > 0) {
		say(f, WIRE_TUN_DATA, id, window, left);
		sent += left;
		left = 0;
		pump(f);
		while (next_frame(f, &h) > 0) {
			assert_int_equal(h.type, WIRE_TUN_ACK_DOWN);
			r = (struct wire_reader){
			    (const uint8_t *)f->frame.data + 4, 4};
			assert_int_equal(wire_get_u32(&r, &acked), 0);
			left += acked;
		}
	}
	mem_free(window);
	assert_true(sent > WIRE_TUNNEL_WINDOW);
	return sent;
}

static void a_slow_server_holds_its_process_back(void **state)
{
	struct fixture *f = *state;
	int fd = open_tunnel(f, 1);
	size_t sent = fill_up(f, 1), done = 0;
	struct wire_reader r;
	uint32_t acked;

	expect_silence(f);
	serve_bytes(f, fd, sent, 'x');
	do {
		r = expect(f, WIRE_TUN_ACK_DOWN, 1);
		assert_int_equal(wire_get_u32(&r, &acked), 0);
		done += acked;
	} while (done < WIRE_TUNNEL_WINDOW - WIRE_TUNNEL_WINDOW / 4);
	close(fd);
}

static void a_slow_process_holds_the_server_back(void **state)
{
	struct fixture *f = *state;
	char chunk[8192];
	int fd = open_tunnel(f, 1);
	size_t got = 0, sent = 0;
	ssize_t n;

	memset(chunk, 'y', sizeof(chunk));
	do {
		n = send(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	assert_true(sent > WIRE_TUNNEL_WINDOW);
	while (got < WIRE_TUNNEL_WINDOW)
		got += expect(f, WIRE_TUN_DATA_DOWN, 1).left;
	assert_int_equal(got, WIRE_TUNNEL_WINDOW);
	expect_silence(f);
	say_ack(f, 1, 1000);
	assert_int_equal(expect(f, WIRE_TUN_DATA_DOWN, 1).left, 1000);
	expect_silence(f);
	close(fd);
}

static void another_connection_ends_them_all(void **state)
{
	struct fixture *f = *state;
	int first = open_tunnel(f, 1), second = open_tunnel(f, 2);

	connect_agent(f);
	expect_end(f, first);
	expect_end(f, second);
	/* Its numbers are its own: also the same ones. */
	close(open_tunnel(f, 1));
	expect(f, WIRE_TUN_CLOSE_DOWN, 1);
}

/* -- what a hostile one may try ------------------------------------------- */

static void breaks_off(struct fixture *f, int fd)
{
	struct err err = ERR_INIT;
	int64_t deadline = clock_deadline_ms(PATIENCE_MS);

	while (channel_pump(f->ch, no_records, f, &err) == 0)
		if (channel_wait(f->ch, -1, deadline) == CHANNEL_TIMEOUT)
			fail_msg("accepted what breaks the rules");
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.code, "agent_protocol");
	if (fd >= 0)
		expect_end(f, fd);
}

static void a_number_that_was_not_opened(void **state)
{
	struct fixture *f = *state;

	say(f, WIRE_TUN_DATA, 5, "x", 1);
	breaks_off(f, -1);
}

static void a_number_that_comes_again(void **state)
{
	struct fixture *f = *state;
	int fd = open_tunnel(f, 5);

	say(f, WIRE_TUN_OPEN, 5, "", 0);
	breaks_off(f, fd);
}

static void one_too_many(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 1; i <= WIRE_TUNNELS_MAX; i++)
		close(open_tunnel(f, i));
	channel_tunnel_to(f->ch, NULL);
	for (uint32_t i = 101; i <= 101 + 2 * WIRE_TUNNELS_MAX; i++)
		say(f, WIRE_TUN_OPEN, i, "", 0);
	breaks_off(f, -1);
}

static void more_than_its_window(void **state)
{
	struct fixture *f = *state;
	char *much = mem_calloc(1, WIRE_TUNNEL_WINDOW + 1);
	int fd = open_tunnel(f, 1);

	say(f, WIRE_TUN_DATA, 1, much, WIRE_TUNNEL_WINDOW + 1);
	mem_free(much);
	breaks_off(f, -1);
	close(fd);
}

static void more_acknowledged_than_was_sent(void **state)
{
	struct fixture *f = *state;
	int fd = open_tunnel(f, 1);

	say_ack(f, 1, 1);
	breaks_off(f, fd);
}

static void a_frame_without_a_number(void **state)
{
	struct fixture *f = *state;
	const uint8_t raw[] = {0, 0, 0, 0, WIRE_TUN_OPEN, 0, 0, 0};

	assert_int_equal(send(f->agent, raw, sizeof(raw), 0), sizeof(raw));
	breaks_off(f, -1);
}

/* Their places are needed again, though the server reads none of it. */
static void processes_that_leave_their_bytes_behind(void **state)
{
	struct fixture *f = *state;
	enum { MANY = WIRE_TUNNELS_MAX + 8 };
	int fds[MANY];

	for (uint32_t i = 0; i < MANY; i++) {
		fds[i] = open_tunnel(f, i + 1);
		fill_up(f, i + 1);
		say(f, WIRE_TUN_CLOSE, i + 1, "", 0);
	}
	close(open_tunnel(f, 1000));
	expect(f, WIRE_TUN_CLOSE_DOWN, 1000);
	for (size_t i = 0; i < MANY; i++)
		close(fds[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_question_and_its_answer),
	    TEST(a_process_that_does_not_wait_for_its_answer),
	    TEST(many_at_once_do_not_mix),
	    TEST(without_a_server_it_is_closed_at_once),
	    TEST(a_slow_server_holds_its_process_back),
	    TEST(a_slow_process_holds_the_server_back),
	    TEST(another_connection_ends_them_all),
	    TEST(a_number_that_was_not_opened),
	    TEST(a_number_that_comes_again),
	    TEST(one_too_many),
	    TEST(more_than_its_window),
	    TEST(more_acknowledged_than_was_sent),
	    TEST(a_frame_without_a_number),
	    TEST(processes_that_leave_their_bytes_behind),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
