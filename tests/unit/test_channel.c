/* The hub's end of the agent's channel against a scripted agent, over real
 * sockets, in one thread: nothing but channel_wait blocks. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "sandbox/channel.h"

enum { PATIENCE_MS = 30000, NONCE = 4711 };

/* -- the scripted agent --------------------------------------------------- */

struct fixture {
	char dir[32], path[64];
	struct channel *ch;
	int peer;
	struct buf got;   /* what the sink was given */
	uint64_t end_off; /* of its last record */
	unsigned calls, records;
	unsigned refuse; /* so many calls of the sink fail */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	strcpy(f->dir, "/tmp/rh-channel-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	f->peer = -1;
	buf_init(&f->got, 64 << 20);
	assert_int_equal(channel_listen(&f->ch, f->path, &err), 0);
	channel_set_offset(f->ch, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	channel_free(f->ch);
	if (f->peer >= 0)
		close(f->peer);
	buf_fini(&f->got);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int dial(struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void send_all(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void put_hello(
    struct buf *b, uint64_t nonce, uint64_t first, uint64_t next, uint32_t seq)
{
	size_t at = wire_frame_begin(b, WIRE_HELLO, 0, 0);

	wire_put_u32(b, WIRE_VERSION);
	wire_put_u64(b, nonce);
	wire_put_u64(b, first);
	wire_put_u64(b, next);
	wire_put_u32(b, seq);
	wire_put_u16(b, WIRE_STEP_NONE);
	wire_frame_end(b, at);
}

static void put_record(struct buf *b, enum wire_type type, const char *text)
{
	size_t at = wire_frame_begin(b, (uint8_t)type, 1, 0);

	wire_put_u64(b, 99);
	assert_int_equal(buf_append_str(b, text), 0);
	wire_frame_end(b, at);
}

static void send_hello(
    int fd, uint64_t nonce, uint64_t first, uint64_t next, uint32_t seq)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 1024);
	put_hello(&b, nonce, first, next, seq);
	send_all(fd, b.data, b.len);
}

static void send_record(int fd, enum wire_type type, const char *text)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 1 << 20);
	put_record(&b, type, text);
	send_all(fd, b.data, b.len);
}

/* -- the hub -------------------------------------------------------------- */

static int sink(
    void *arg, const struct channel_record *recs, size_t n, struct err *err)
{
	struct fixture *f = arg;

	assert_in_range(n, 1, CHANNEL_BATCH);
	f->calls++;
	if (f->refuse > 0) {
		f->refuse--;
		return err_set(err, ERR_UNAVAILABLE, "disk_full", "full");
	}
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(recs[i].time_ns, 99);
		assert_int_equal(
		    buf_append(&f->got, recs[i].data, recs[i].len), 0);
		f->end_off = recs[i].end_off;
		f->records++;
	}
	return 0;
}

static void pump(struct fixture *f)
{
	struct err err = ERR_INIT;

	if (channel_pump(f->ch, sink, f, &err) < 0)
		fail_msg("pump: %s", err.msg);
}

/* Pumps until the sink has so many records. */
static void pump_records(struct fixture *f, unsigned n)
{
	int64_t deadline = clock_deadline_ms(PATIENCE_MS);

	for (pump(f); f->records < n; pump(f))
		if (channel_wait(f->ch, -1, deadline) == CHANNEL_TIMEOUT)
			fail_msg("%u records of %u came", f->records, n);
}

/* Reads one frame that the hub sent; its payload into out. */
static struct wire_header read_frame(struct fixture *f, struct buf *out)
{
	uint8_t head[WIRE_HEADER_LEN];
	struct wire_header h;
	char *room;

	assert_int_equal(recv(f->peer, head, sizeof(head), MSG_WAITALL),
	    (ssize_t)sizeof(head));
	assert_int_equal(wire_header_get(head, &h), 0);
	buf_clear(out);
	room = buf_reserve(out, h.len);
	assert_int_equal(
	    recv(f->peer, room, h.len, MSG_WAITALL), (ssize_t)h.len);
	buf_commit(out, h.len);
	return h;
}

static void expect_offset(struct fixture *f, enum wire_type type, uint64_t want)
{
	CLEANUP(buf_fini) struct buf b = {0};
	struct wire_reader r;
	uint64_t off;

	buf_init(&b, WIRE_PAYLOAD_MAX);
	assert_int_equal(read_frame(f, &b).type, type);
	r = (struct wire_reader){(const uint8_t *)b.data, b.len};
	assert_int_equal(wire_get_u64(&r, &off), 0);
	assert_int_equal(off, want);
}

static void expect_command(
    struct fixture *f, enum wire_type type, uint32_t want_seq, const char *want)
{
	CLEANUP(buf_fini) struct buf b = {0};
	struct wire_reader r;
	uint32_t seq;

	buf_init(&b, WIRE_PAYLOAD_MAX);
	assert_int_equal(read_frame(f, &b).type, type);
	r = (struct wire_reader){(const uint8_t *)b.data, b.len};
	assert_int_equal(wire_get_u32(&r, &seq), 0);
	assert_int_equal(seq, want_seq);
	assert_int_equal(r.left, strlen(want));
	assert_memory_equal(r.p, want, r.left);
}

static void expect_silence(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 0), 0);
}

static void expect_closed(int fd)
{
	struct timeval limit = {.tv_sec = PATIENCE_MS / 1000};
	char byte;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = recv(fd, &byte, 1, 0);
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

/* Connected and greeted, WELCOME read. */
static void greet(struct fixture *f, uint64_t next, uint32_t seq)
{
	int64_t deadline = clock_deadline_ms(PATIENCE_MS);

	if (f->peer >= 0)
		close(f->peer);
	f->peer = dial(f);
	send_hello(f->peer, NONCE, 0, next, seq);
	do {
		assert_int_not_equal(
		    channel_wait(f->ch, -1, deadline), CHANNEL_TIMEOUT);
		pump(f);
	} while (!channel_is_ready(f->ch));
	expect_offset(f, WIRE_WELCOME, channel_offset(f->ch));
}

static void send_text(struct fixture *f, enum wire_type type, const char *text)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 1024);
	assert_int_equal(buf_append_str(&b, text), 0);
	channel_send(f->ch, type, 0, &b);
}

static void breaks_protocol(struct fixture *f, const char *code)
{
	struct err err = ERR_INIT;
	int64_t deadline = clock_deadline_ms(PATIENCE_MS);

	while (channel_pump(f->ch, sink, f, &err) == 0)
		if (channel_wait(f->ch, -1, deadline) == CHANNEL_TIMEOUT)
			fail_msg("accepted what should end in %s", code);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.code, code);
	assert_false(channel_is_ready(f->ch));
	expect_closed(f->peer);
}

/* -- greeting ------------------------------------------------------------- */

static void test_greeting(void **state)
{
	struct fixture *f = *state;

	assert_false(channel_is_ready(f->ch));
	assert_int_equal(channel_peer_pid(f->ch), 0);
	greet(f, 0, 0);
	assert_int_equal(channel_nonce(f->ch), NONCE);
	assert_int_equal(channel_peer_pid(f->ch), getpid());
	assert_int_equal(channel_last_seq(f->ch), 0);
	expect_silence(f->peer);
}

static void test_records_arrive_with_their_offsets(void **state)
{
	struct fixture *f = *state;

	greet(f, 0, 0);
	send_record(f->peer, WIRE_OUT, "hello ");
	send_record(f->peer, WIRE_OUT, "world");
	pump_records(f, 2);
	assert_string_equal(buf_str(&f->got), "hello world");
	assert_int_equal(f->end_off, 2 * (WIRE_HEADER_LEN + 8) + 11);
	assert_int_equal(channel_offset(f->ch), f->end_off);
	expect_silence(f->peer); /* few bytes: no acknowledgement yet */
	send_record(f->peer, WIRE_STEP_START, "");
	pump_records(f, 3);
	expect_offset(f, WIRE_ACK, f->end_off); /* a mark: at once */
}

static void test_acknowledges_now_and_then(void **state)
{
	struct fixture *f = *state;
	char *text = mem_calloc(1, 10001);
	const unsigned frame = 10000 + WIRE_HEADER_LEN + 8;

	memset(text, 'x', 10000);
	greet(f, 0, 0);
	for (unsigned i = 1; i <= 6; i++) {
		send_record(f->peer, WIRE_OUT, text);
		pump_records(f, i);
	}
	expect_silence(f->peer);
	send_record(f->peer, WIRE_OUT, text);
	pump_records(f, 7);
	/* An eighth of the agent's ring of 512 KiB has come. */
	expect_offset(f, WIRE_ACK, 7 * frame);
	mem_free(text);
}

static void test_a_record_in_pieces(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf b = {0};

	greet(f, 0, 0);
	buf_init(&b, 1024);
	put_record(&b, WIRE_OUT, "piecemeal");
	for (size_t i = 0; i < b.len; i++) {
		assert_int_equal(f->records, 0);
		send_all(f->peer, b.data + i, 1);
		pump(f);
	}
	pump_records(f, 1);
	assert_string_equal(buf_str(&f->got), "piecemeal");
}

static void test_many_records_come_in_batches(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf b = {0};
	enum { MANY = 3 * CHANNEL_BATCH + 5 };

	greet(f, 0, 0);
	buf_init(&b, 1 << 20);
	for (int i = 0; i < MANY; i++)
		put_record(&b, WIRE_OUT, "r");
	send_all(f->peer, b.data, b.len);
	pump_records(f, MANY);
	assert_int_equal(f->records, MANY);
	assert_in_range(f->calls, 4, 20);
	assert_int_equal(channel_offset(f->ch), b.len);
}

/* -- the sink refuses ----------------------------------------------------- */

static void test_what_the_sink_refuses_comes_again(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	greet(f, 0, 0);
	send_record(f->peer, WIRE_OUT, "one ");
	send_record(f->peer, WIRE_OUT, "two ");
	f->refuse = 3;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(channel_pump(f->ch, sink, f, &err), -1);
		assert_int_equal(err.kind, ERR_UNAVAILABLE);
		assert_int_equal(channel_offset(f->ch), 0);
		assert_true(channel_is_ready(f->ch)); /* still connected */
	}
	send_record(f->peer, WIRE_OUT, "three");
	pump_records(f, 3);
	assert_string_equal(buf_str(&f->got), "one two three");
	expect_silence(f->peer);
}

/* Meanwhile the agent is held back: the hub takes one buffer full and no
 * more. */
static void test_a_refusing_sink_holds_the_agent_back(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	CLEANUP(buf_fini) struct buf b = {0};
	size_t sent = 0;
	ssize_t n = 0;

	greet(f, 0, 0);
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 60000; i++)
		put_record(&b, WIRE_OUT, "x");
	f->refuse = 1000;
	/* Until the socket takes nothing over many pumps. */
	for (int idle = 0; idle < 50;) {
		n = send(f->peer, b.data + sent % b.len, b.len - sent % b.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		assert_int_equal(channel_pump(f->ch, sink, f, &err), -1);
		assert_true(sent < 16U << 20);
	}
	assert_int_equal(channel_offset(f->ch), 0);
}

/* -- breaking off and resuming -------------------------------------------- */

static void test_resumes_where_it_stopped(void **state)
{
	struct fixture *f = *state;
	uint64_t off;

	greet(f, 0, 0);
	send_record(f->peer, WIRE_OUT, "before ");
	pump_records(f, 1);
	off = channel_offset(f->ch);
	greet(f, off + 100, 0); /* WELCOME names the offset */
	assert_int_equal(channel_offset(f->ch), off);
	assert_int_equal(channel_next(f->ch), off + 100);
	send_record(f->peer, WIRE_OUT, "after");
	pump_records(f, 2);
	assert_string_equal(buf_str(&f->got), "before after");
}

/* Half a record that was there when the connection broke is forgotten. */
static void test_half_a_record_is_sent_again(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf b = {0};

	greet(f, 0, 0);
	buf_init(&b, 1024);
	put_record(&b, WIRE_OUT, "whole");
	send_all(f->peer, b.data, b.len - 2);
	pump(f);
	greet(f, 0, 0);
	send_all(f->peer, b.data, b.len);
	pump_records(f, 1);
	assert_string_equal(buf_str(&f->got), "whole");
}

static void test_a_second_connection_replaces_the_first(void **state)
{
	struct fixture *f = *state;
	int first;

	greet(f, 0, 0);
	first = f->peer;
	f->peer = -1;
	greet(f, 0, 0);
	expect_closed(first);
	close(first);
	send_record(f->peer, WIRE_OUT, "second");
	pump_records(f, 1);
	assert_string_equal(buf_str(&f->got), "second");
}

/* -- commands ------------------------------------------------------------- */

static void test_commands_are_numbered(void **state)
{
	struct fixture *f = *state;

	greet(f, 0, 0);
	send_text(f, WIRE_JOB, "job");
	send_text(f, WIRE_RUN, "step");
	expect_command(f, WIRE_JOB, 1, "job");
	expect_command(f, WIRE_RUN, 2, "step");
}

static void test_commands_wait_for_the_agent(void **state)
{
	struct fixture *f = *state;

	send_text(f, WIRE_JOB, "job");
	greet(f, 0, 0);
	expect_command(f, WIRE_JOB, 1, "job");
}

static void test_unknown_commands_are_sent_again(void **state)
{
	struct fixture *f = *state;

	greet(f, 0, 0);
	send_text(f, WIRE_JOB, "job");
	send_text(f, WIRE_RUN, "step");
	send_text(f, WIRE_CANCEL, "cancel");
	expect_command(f, WIRE_JOB, 1, "job");
	greet(f, 0, 1); /* it knows the first */
	assert_int_equal(channel_last_seq(f->ch), 1);
	expect_command(f, WIRE_RUN, 2, "step");
	expect_command(f, WIRE_CANCEL, 3, "cancel");
	channel_confirm(f->ch, 2);
	greet(f, 0, 1); /* what was confirmed is gone */
	expect_command(f, WIRE_CANCEL, 3, "cancel");
	channel_confirm(f->ch, 3);
	greet(f, 0, 1);
	send_text(f, WIRE_EXIT, "");
	expect_command(f, WIRE_EXIT, 4, "");
}

static void test_a_new_hub_goes_on_counting(void **state)
{
	struct fixture *f = *state;

	channel_expect(f->ch, getpid(), NONCE);
	channel_set_offset(f->ch, 1000);
	f->peer = dial(f);
	send_hello(f->peer, NONCE, 500, 2000, 7);
	while (!channel_is_ready(f->ch))
		pump(f);
	expect_offset(f, WIRE_WELCOME, 1000);
	assert_int_equal(channel_next(f->ch), 2000);
	channel_set_seq(f->ch, channel_last_seq(f->ch));
	send_text(f, WIRE_RUN, "next");
	expect_command(f, WIRE_RUN, 8, "next");
}

/* The hub writes as the socket takes: read and pump by turns. */
static void expect_large(struct fixture *f, size_t payload)
{
	size_t left = WIRE_HEADER_LEN + 4 + payload;
	int64_t deadline = clock_deadline_ms(PATIENCE_MS);
	char chunk[65536];
	ssize_t n;

	while (left > 0 && clock_mono_ns() < deadline) {
		pump(f);
		n = recv(f->peer, chunk,
		    left < sizeof(chunk) ? left : sizeof(chunk), MSG_DONTWAIT);
		if (n > 0)
			left -= (size_t)n;
	}
	assert_int_equal(left, 0);
}

/* An agent that reads nothing cannot make the hub hold all it asks for. */
static void test_an_agent_that_only_greets(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf b = {0};
	struct err err = ERR_INIT;
	char *large = mem_calloc(1, 900 * 1024 + 1);
	bool ended = false;

	memset(large, 'x', 900 * 1024);
	buf_init(&b, 1 << 20);
	assert_int_equal(buf_append_str(&b, large), 0);
	greet(f, 0, 0);
	channel_send(f->ch, WIRE_JOB, 0, &b);
	for (int i = 0; i < 200 && !ended; i++) {
		buf_clear(&b);
		put_hello(&b, NONCE, 0, 0, 0);
		ended = send(f->peer, b.data, b.len, MSG_NOSIGNAL) < 0;
		assert_int_equal(channel_pump(f->ch, sink, f, &err), 0);
	}
	assert_true(ended);
	/* It may come back and be served in full. */
	greet(f, 0, 0);
	expect_large(f, 900 * 1024);
	mem_free(large);
}

/* -- who breaks the protocol ---------------------------------------------- */

static void test_another_process_is_turned_away(void **state)
{
	struct fixture *f = *state;

	channel_expect(f->ch, getpid() + 1, 0);
	f->peer = dial(f);
	pump(f);
	expect_closed(f->peer);
	assert_false(channel_is_ready(f->ch));
}

static void test_another_nonce_is_refused(void **state)
{
	struct fixture *f = *state;

	channel_expect(f->ch, 0, NONCE + 1);
	f->peer = dial(f);
	send_hello(f->peer, NONCE, 0, 0, 0);
	breaks_protocol(f, "agent_impostor");
}

static void test_a_gap_is_refused(void **state)
{
	struct fixture *f = *state;

	channel_set_offset(f->ch, 100);
	f->peer = dial(f);
	send_hello(f->peer, NONCE, 101, 200, 0);
	breaks_protocol(f, "agent_gap");
}

static void test_an_offset_from_the_future_is_refused(void **state)
{
	struct fixture *f = *state;

	channel_set_offset(f->ch, 100);
	f->peer = dial(f);
	send_hello(f->peer, NONCE, 0, 99, 0);
	breaks_protocol(f, "agent_gap");
}

static void test_another_version_is_refused(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 1024);
	put_hello(&b, NONCE, 0, 0, 0);
	b.data[WIRE_HEADER_LEN] = WIRE_VERSION + 1;
	f->peer = dial(f);
	send_all(f->peer, b.data, b.len);
	breaks_protocol(f, "agent_version");
}

static void test_an_older_agent_is_welcome(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf b = {0};

	assert_int_equal(channel_version(f->ch), 0);
	buf_init(&b, 1024);
	put_hello(&b, NONCE, 0, 0, 0);
	b.data[WIRE_HEADER_LEN] = 1;
	f->peer = dial(f);
	send_all(f->peer, b.data, b.len);
	while (!channel_is_ready(f->ch))
		pump(f);
	assert_int_equal(channel_version(f->ch), 1);
	expect_offset(f, WIRE_WELCOME, 0);
	greet(f, 0, 0);
	assert_int_equal(channel_version(f->ch), WIRE_VERSION);
}

static void test_a_record_before_the_greeting(void **state)
{
	struct fixture *f = *state;

	f->peer = dial(f);
	send_record(f->peer, WIRE_OUT, "early");
	breaks_protocol(f, "agent_protocol");
	assert_int_equal(f->records, 0);
}

static void test_a_frame_that_is_too_long(void **state)
{
	struct fixture *f = *state;
	uint8_t head[WIRE_HEADER_LEN];

	greet(f, 0, 0);
	wire_header_put(head, (struct wire_header){.len = WIRE_PAYLOAD_MAX + 1,
				  .type = WIRE_OUT});
	send_all(f->peer, head, sizeof(head));
	breaks_protocol(f, "agent_protocol");
}

static void test_a_record_without_its_time(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[WIRE_HEADER_LEN + 7] = {0};

	greet(f, 0, 0);
	wire_header_put(
	    frame, (struct wire_header){.len = 7, .type = WIRE_OUT});
	send_all(f->peer, frame, sizeof(frame));
	breaks_protocol(f, "agent_protocol");
}

static void test_a_short_greeting(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[WIRE_HEADER_LEN + 4] = {0};

	f->peer = dial(f);
	wire_header_put(
	    frame, (struct wire_header){.len = 4, .type = WIRE_HELLO});
	send_all(f->peer, frame, sizeof(frame));
	breaks_protocol(f, "agent_protocol");
}

static void test_unknown_plain_frames_are_passed_over(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[WIRE_HEADER_LEN + 5] = {0};

	greet(f, 0, 0);
	wire_header_put(frame, (struct wire_header){.len = 5, .type = 9});
	send_all(f->peer, frame, sizeof(frame));
	send_record(f->peer, WIRE_OUT, "x");
	pump_records(f, 1);
	/* Only records count in the stream. */
	assert_int_equal(channel_offset(f->ch), WIRE_HEADER_LEN + 9);
}

/* -- waiting -------------------------------------------------------------- */

static void test_waits_for_what_comes_first(void **state)
{
	struct fixture *f = *state;
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t one = 1;
	int64_t far = clock_deadline_ms(PATIENCE_MS);

	assert_int_equal(
	    channel_wait(f->ch, wake, clock_mono_ns()), CHANNEL_TIMEOUT);
	assert_int_equal(write(wake, &one, 8), 8);
	assert_int_equal(channel_wait(f->ch, wake, far), CHANNEL_WOKEN);
	assert_int_equal(/* drained */
	    channel_wait(f->ch, wake, clock_mono_ns()), CHANNEL_TIMEOUT);
	f->peer = dial(f);
	assert_int_equal(channel_wait(f->ch, wake, far), CHANNEL_IO);
	assert_int_equal(write(wake, &one, 8), 8);
	assert_int_equal(
	    channel_wait(f->ch, wake, far), CHANNEL_IO | CHANNEL_WOKEN);
	close(wake);
}

/* -- over an engine's attach ---------------------------------------------- */

struct attach {
	int pair[2];
	unsigned dials;
};

static int attach_dial(
    void *arg, int *ret_fd, struct buf *early, struct err *err)
{
	struct attach *a = arg;

	(void)early;
	a->dials++;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a->pair) < 0)
		return err_sys(err, errno, "socketpair");
	*ret_fd = a->pair[1];
	return 0;
}

/* The engine's framing: stream, three zeros, length big endian. */
static void send_framed(int fd, char stream, const struct buf *b)
{
	const char head[8] = {stream, 0, 0, 0, (char)(b->len >> 24),
	    (char)(b->len >> 16), (char)(b->len >> 8), (char)b->len};

	send_all(fd, head, sizeof(head));
	send_all(fd, b->data, b->len);
}

static void test_over_attach(void **state)
{
	struct fixture *f = *state;
	struct attach a = {{-1, -1}, 0};
	struct err err = ERR_INIT;
	CLEANUP(buf_fini) struct buf b = {0};

	channel_free(f->ch);
	assert_int_equal(channel_dial(&f->ch, attach_dial, &a, true, &err), 0);
	pump(f);
	assert_int_equal(a.dials, 1);
	f->peer = a.pair[0];
	buf_init(&b, 1 << 20);
	put_hello(&b, NONCE, 0, 0, 0);
	send_framed(f->peer, 1, &b);
	while (!channel_is_ready(f->ch))
		pump(f);
	expect_offset(f, WIRE_WELCOME, 0);
	buf_clear(&b);
	assert_int_equal(buf_append_str(&b, "the engine's noise"), 0);
	send_framed(f->peer, 2, &b);
	buf_clear(&b);
	put_record(&b, WIRE_OUT, "framed");
	send_framed(f->peer, 1, &b);
	pump_records(f, 1);
	assert_string_equal(buf_str(&f->got), "framed");
	/* It breaks: dialled again, not at once, without being told. */
	close(f->peer);
	f->peer = -1;
	while (a.dials < 2) {
		channel_wait(f->ch, -1, clock_deadline_ms(PATIENCE_MS));
		pump(f);
	}
	f->peer = a.pair[0];
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_greeting),
	    TEST(test_records_arrive_with_their_offsets),
	    TEST(test_acknowledges_now_and_then),
	    TEST(test_a_record_in_pieces),
	    TEST(test_many_records_come_in_batches),
	    TEST(test_what_the_sink_refuses_comes_again),
	    TEST(test_a_refusing_sink_holds_the_agent_back),
	    TEST(test_resumes_where_it_stopped),
	    TEST(test_half_a_record_is_sent_again),
	    TEST(test_a_second_connection_replaces_the_first),
	    TEST(test_commands_are_numbered),
	    TEST(test_commands_wait_for_the_agent),
	    TEST(test_unknown_commands_are_sent_again),
	    TEST(test_a_new_hub_goes_on_counting),
	    TEST(test_an_agent_that_only_greets),
	    TEST(test_another_process_is_turned_away),
	    TEST(test_another_nonce_is_refused),
	    TEST(test_a_gap_is_refused),
	    TEST(test_an_offset_from_the_future_is_refused),
	    TEST(test_another_version_is_refused),
	    TEST(test_an_older_agent_is_welcome),
	    TEST(test_a_record_before_the_greeting),
	    TEST(test_a_frame_that_is_too_long),
	    TEST(test_a_record_without_its_time),
	    TEST(test_a_short_greeting),
	    TEST(test_unknown_plain_frames_are_passed_over),
	    TEST(test_waits_for_what_comes_first),
	    TEST(test_over_attach),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
