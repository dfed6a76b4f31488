/* Frames of a listener in pieces of any size, and what is no frame; the
 * job's name in a message. The frames of tests/standins/vectors were made by
 * another program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "worker/frames.h"
#include "worker/message.h"

static struct buf vector(const char *name)
{
	CLEANUP(mem_free)
	char *path = mem_printf("%s/%s", VECTORS_DIR, name);
	struct buf b = {.max = 1 << 20};
	struct err err = ERR_INIT;

	if (fs_read_file(path, &b, &err) != 0)
		fail_msg("%s", err.msg);
	return b;
}

/* Feeds data in pieces of at most `piece` bytes; the number of frames, the
 * last of them in *ret. */
static int feed(const void *data, size_t len, size_t piece, struct frame *ret,
    struct err *err)
{
	CLEANUP(frame_reader_fini) struct frame_reader r = {.have = 0};
	const uint8_t *p = data;
	int frames = 0, got;

	while (len > 0) {
		uint8_t *into;
		size_t n = frame_reader_space(&r, &into);

		assert_true(n > 0);
		n = n < piece ? n : piece;
		n = n < len ? n : len;
		memcpy(into, p, n);
		p += n;
		len -= n;
		if (frames > 0)
			frame_fini(ret);
		got = frame_reader_commit(&r, n, ret, err);
		if (got < 0)
			return -1;
		frames += got;
	}
	return frames;
}

static void frames_in_pieces(void **state)
{
	CLEANUP(buf_fini) struct buf b = vector("job-small.bin");
	struct err err = ERR_INIT;

	(void)state;
	for (size_t piece = 1; piece <= b.len; piece++) {
		CLEANUP(frame_fini) struct frame f = {.len = 0};

		assert_int_equal(feed(b.data, b.len, piece, &f, &err), 1);
		assert_int_equal(f.type, FRAME_JOB);
		assert_int_equal(f.len, b.len);
		assert_memory_equal(f.bytes, b.data, b.len);
	}
}

static void frames_without_body(void **state)
{
	static const enum frame_type types[] = {
	    FRAME_CANCEL, FRAME_SHUTDOWN, FRAME_OS_SHUTDOWN};
	static const char *const names[] = {
	    "cancel.bin", "shutdown.bin", "os-shutdown.bin"};
	uint8_t made[FRAME_HEADER];
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		CLEANUP(buf_fini) struct buf b = vector(names[i]);
		CLEANUP(frame_fini) struct frame f = {.len = 0};

		assert_int_equal(feed(b.data, b.len, 3, &f, &err), 1);
		assert_int_equal(f.type, types[i]);
		assert_int_equal(f.len, FRAME_HEADER);
		frame_header(types[i], made);
		assert_memory_equal(made, b.data, FRAME_HEADER);
	}
}

static void no_frames(void **state)
{
	static const struct {
		uint8_t bytes[FRAME_HEADER];
		const char *says;
	} cases[] = {
	    {{0, 0, 0, 0, 0, 0, 0, 0}, "type 0"},
	    {{5, 0, 0, 0, 0, 0, 0, 0}, "type 5"},
	    {{1, 0, 0, 1, 0, 0, 0, 0}, "type 16777217"},
	    {{1, 0, 0, 0, 3, 0, 0, 0}, "3 bytes"},
	    {{1, 0, 0, 0, 2, 0, 0x20, 3}, "52428802 bytes"},
	    {{1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff}, "4294967294 bytes"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(frame_fini) struct frame f = {.len = 0};
		struct err err = ERR_INIT;

		assert_int_equal(
		    feed(cases[i].bytes, FRAME_HEADER, 8, &f, &err), -1);
		assert_non_null(strstr(err.msg, cases[i].says));
	}
}

static void the_largest_frame(void **state)
{
	static const uint8_t header[FRAME_HEADER] = {1, 0, 0, 0, 0, 0, 0x20, 3};
	CLEANUP(frame_reader_fini) struct frame_reader r = {.have = 0};
	CLEANUP(frame_fini) struct frame f = {.len = 0};
	struct err err = ERR_INIT;
	uint8_t *into;

	(void)state;
	assert_int_equal(frame_reader_space(&r, &into), FRAME_HEADER);
	memcpy(into, header, FRAME_HEADER);
	assert_int_equal(frame_reader_commit(&r, FRAME_HEADER, &f, &err), 0);
	assert_int_equal(frame_reader_space(&r, &into), FRAME_BODY_MAX);
	memset(into, 7, FRAME_BODY_MAX);
	assert_int_equal(frame_reader_commit(&r, FRAME_BODY_MAX, &f, &err), 1);
	assert_int_equal(f.len, FRAME_HEADER + FRAME_BODY_MAX);
}

static void the_end_of_a_pipe_is_no_frame(void **state)
{
	CLEANUP(frame_reader_fini) struct frame_reader r = {.have = 0};
	struct frame f = {.len = 0};
	struct err err = ERR_INIT;
	bool eof = false;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "\1\0\0", 3), 3);
	close(fds[1]);
	assert_int_equal(frame_reader_read(&r, fds[0], &f, &eof, &err), 0);
	assert_false(eof);
	assert_int_equal(frame_reader_read(&r, fds[0], &f, &eof, &err), 0);
	assert_true(eof);
	close(fds[0]);
}

/* -- messages ---------------------------------------------------------- */

static void message_of(struct message *m, const char *name)
{
	CLEANUP(buf_fini) struct buf b = vector(name);

	message_read(
	    m, (const uint8_t *)b.data + FRAME_HEADER, b.len - FRAME_HEADER);
}

static void a_message_names_its_job(void **state)
{
	struct message m;

	(void)state;
	message_of(&m, "job-small.bin");
	assert_string_equal(m.repository, "octo/hello-world");
	assert_string_equal(m.run_id, "9876543210");
	assert_string_equal(m.attempt, "2");
	assert_string_equal(m.job_id, "6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
	assert_string_equal(m.job_name, "build (\xf0\x9f\xa6\x86 d\xc3\xbc"
					"ck, 18)");
	assert_string_equal(m.workflow, "CI");
	assert_string_equal(m.sha, "0123456789abcdef0123456789abcdef01234567");
	assert_string_equal(m.ref, "refs/heads/main");
	assert_string_equal(m.event_name, "push");
	assert_string_equal(m.actor, "mona");
}

/* Other cases of letters, typed strings, the value before its key, members
 * of the same name in other places. */
static void a_message_in_other_clothes(void **state)
{
	struct message m;

	(void)state;
	message_of(&m, "job-odd.bin");
	assert_string_equal(m.repository, "octo/odd");
	assert_string_equal(m.run_id, "77");
	assert_string_equal(m.attempt, "3");
	assert_string_equal(m.job_id, "odd-job");
	assert_string_equal(m.job_name, "half \xef\xbf\xbd pair, tab  end");
	assert_string_equal(m.actor, "");
}

static void a_message_that_is_none(void **state)
{
	static const char *const texts[] = {"", "x", "{\"", "[1,2", "null",
	    "{\"jobId\":", "{\"jobId\"\"x\"}", "{\"jobId\":\"\\u12",
	    "{\"a\":}"};
	struct message m;
	uint8_t wide[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		size_t n = strlen(texts[i]);

		for (size_t k = 0; k < n; k++) {
			wide[2 * k] = (uint8_t)texts[i][k];
			wide[2 * k + 1] = 0;
		}
		message_read(&m, wide, 2 * n);
		assert_string_equal(m.job_id, "");
		assert_string_equal(m.repository, "");
	}
}

static void a_message_of_brackets(void **state)
{
	size_t n = 1 << 20;
	uint8_t *wide = mem_zalloc(2 * n);
	struct message m;

	(void)state;
	for (size_t i = 0; i < n; i++)
		wide[2 * i] = '[';
	message_read(&m, wide, 2 * n);
	assert_string_equal(m.job_id, "");
	mem_free(wide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_in_pieces),
	    cmocka_unit_test(frames_without_body),
	    cmocka_unit_test(no_frames),
	    cmocka_unit_test(the_largest_frame),
	    cmocka_unit_test(the_end_of_a_pipe_is_no_frame),
	    cmocka_unit_test(a_message_names_its_job),
	    cmocka_unit_test(a_message_in_other_clothes),
	    cmocka_unit_test(a_message_that_is_none),
	    cmocka_unit_test(a_message_of_brackets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
