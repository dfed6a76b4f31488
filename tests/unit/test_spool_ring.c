/*
 * spool/: a log that is a ring keeps its newest bytes within its bound,
 * whatever moment its hub dies in; offsets stay what they were, and readers
 * are told what is gone.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/thread.h"
#include "spool/spool_internal.h"
#include "spool/step_bytes.h"
#include "spool_fixture.h"

#define MAX_BYTES (64 * 1024)
#define LINE      100 /* "       7 xxx...x\n" */
#define LINES     5000
#define STEP      1

static int setup(void **state)
{
	struct fixture *f;

	if (fixture_setup(state) < 0)
		return -1;
	f = *state;
	spool_close(f->spool);
	f->config.log_bytes_max = MAX_BYTES;
	fixture_open(f);
	return 0;
}

static void line_of(uint64_t number, char out[LINE + 1])
{
	memset(out, 'x', LINE);
	snprintf(out, LINE, "%8u", (unsigned)number);
	out[8] = ' ';
	out[LINE - 1] = '\n';
	out[LINE] = '\0';
}

static struct spool_record line_record(uint64_t number, char text[LINE + 1])
{
	struct spool_record rec;

	line_of(number, text);
	rec = out_record(text, T0 + (int64_t)number, 0);
	rec.step = STEP;
	return rec;
}

static void append_lines(struct spool_log *log, uint64_t from, uint64_t to)
{
	char text[LINE + 1];

	for (uint64_t i = from; i < to; i++) {
		struct spool_record rec = line_record(i, text);

		OK(spool_append(log, &rec, 1, &test_err));
	}
}

static struct spool_log *ring_open(struct fixture *f)
{
	struct spool_log *log = log_open(f, ID_A, NULL);

	spool_log_ring(log);
	return log;
}

/* Every byte kept is the one that was written at its offset. */
static void check_kept(struct fixture *f, uint64_t lines)
{
	struct spool_stat st = stat_of(f, ID_A);
	char want[LINE + 1];
	struct buf b;

	assert_int_equal(st.text_bytes, lines * LINE);
	assert_int_equal(st.text_begin % LINE, 0);
	assert_true(st.text_bytes - st.text_begin <= MAX_BYTES);
	buf_init(&b, 2 * (size_t)MAX_BYTES);
	OK(spool_read(
	    f->spool, ID_A, st.text_begin, 2 * MAX_BYTES, &b, &test_err));
	assert_int_equal(b.len, st.text_bytes - st.text_begin);
	for (size_t at = 0; at < b.len; at += LINE) {
		line_of((st.text_begin + at) / LINE, want);
		assert_memory_equal(b.data + at, want, LINE);
	}
	buf_fini(&b);
}

static uint64_t disk_bytes(const struct fixture *f, const char *suffix)
{
	char path[256];
	struct stat st;

	assert_int_equal(stat(file_path(f, ID_A, suffix, path), &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void the_newest_bytes_stay_and_the_disk_gets_the_rest(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	struct spool_totals t;
	struct spool_stat st;

	for (uint64_t i = 0; i < LINES; i += 50) {
		append_lines(log, i, i + 50);
		check_kept(f, i + 50);
		assert_true(disk_bytes(f, ".log") <= MAX_BYTES + 8192);
		assert_true(disk_bytes(f, ".idx") <= MAX_BYTES + 8192);
	}
	st = stat_of(f, ID_A);
	assert_true(st.text_bytes - st.text_begin > MAX_BYTES * 3 / 4);
	assert_int_equal(st.entries, LINES);
	spool_totals(f->spool, &t);
	assert_true(t.stored_bytes < 2 * MAX_BYTES);
	spool_log_finish(log, T0);
	fixture_reopen(f);
	check_kept(f, LINES);
	assert_int_equal(spool_retain(f->spool, T0, &test_err), 0);
	spool_totals(f->spool, &t);
	assert_true(t.stored_bytes < 2 * MAX_BYTES && t.stored_bytes > 0);
}

static void a_log_that_is_no_ring_is_cut_as_ever(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	char *text;

	append_lines(log, 0, 2000);
	assert_int_equal(stat_of(f, ID_A).text_begin, 0);
	text = read_text(f, ID_A);
	assert_non_null(strstr(text, "       0 x"));
	assert_non_null(strstr(text, "the log reached its limit"));
	assert_null(strstr(text, "    1999 x"));
	mem_free(text);
	spool_log_close(log);
}

static void a_log_that_was_cut_goes_on_as_a_ring(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	char *text;

	append_lines(log, 0, 2000);
	spool_log_close(log);
	log = ring_open(f);
	append_text(log, "goes on\n");
	text = read_cursor(f, ID_A, 0, SPOOL_PLAIN, 4096, NULL);
	assert_non_null(strstr(text, "\ngoes on\n"));
	mem_free(text);
	spool_log_close(log);
}

static void an_append_larger_than_all_is_kept_whole(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	char *big = mem_alloc(3 * MAX_BYTES + 1);

	memset(big, 'b', 3 * MAX_BYTES);
	big[3 * MAX_BYTES] = '\0';
	append_lines(log, 0, 10);
	append_text(log, big);
	append_text(log, "after\n");
	assert_int_equal(
	    stat_of(f, ID_A).text_bytes, 10 * LINE + 3 * MAX_BYTES + 6);
	append_text(log, "then\n");
	assert_int_equal(
	    stat_of(f, ID_A).text_begin, 10 * LINE + 3 * MAX_BYTES);
	assert_cursor(
	    f, ID_A, 10 * LINE + 3 * MAX_BYTES, SPOOL_PLAIN, "after\nthen\n");
	mem_free(big);
	spool_log_close(log);
}

/* -- readers ----------------------------------------------------------- */

static void the_last_lines_are_those_that_are_left(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	uint64_t off;

	append_lines(log, 0, LINES);
	OK(spool_tail_offset(f->spool, ID_A, 2, &off, &test_err));
	assert_int_equal(off, (LINES - 2) * LINE);
	OK(spool_tail_offset(f->spool, ID_A, UINT64_MAX, &off, &test_err));
	assert_int_equal(off, stat_of(f, ID_A).text_begin);
	spool_log_close(log);
}

static void a_lost_offset_is_an_error_to_who_asks_for_it(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	struct err err = ERR_INIT;
	struct buf b;

	append_lines(log, 0, LINES);
	buf_init(&b, 4096);
	assert_int_equal(spool_read(f->spool, ID_A, 0, 100, &b, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.code, "log_forgotten");
	assert_int_equal(b.len, 0);
	buf_fini(&b);
	spool_log_close(log);
}

/* In each shape: what is gone is told, then the oldest byte kept follows. */
static void a_cursor_tells_what_is_gone(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	uint64_t begin;
	char want[200], *text;
	bool end;

	append_lines(log, 0, LINES);
	begin = stat_of(f, ID_A).text_begin;
	text = read_cursor(f, ID_A, 300, SPOOL_PLAIN, 4096, NULL);
	snprintf(want, sizeof(want),
	    "[runnerhub] %u bytes of this log were older and are not kept any "
	    "more\n%8u x",
	    (unsigned)(begin - 300), (unsigned)(begin / LINE));
	assert_memory_equal(text, want, strlen(want));
	mem_free(text);
	text = read_cursor(f, ID_A, 300, SPOOL_TIMESTAMPED, 4096, NULL);
	assert_memory_equal(text + CLOCK_ISO_LEN, want, 20);
	mem_free(text);
	spool_log_finish(log, T0);
	text = read_cursor(f, ID_A, 300, SPOOL_JSONL, 4096, &end);
	assert_true(end);
	snprintf(want, sizeof(want),
	    "\"kind\":\"forgotten\",\"bytes\":%u,\"offset\":%u}\n{",
	    (unsigned)(begin - 300), (unsigned)begin);
	assert_non_null(strstr(text, want));
	mem_free(text);
}

static void nobody_is_told_of_what_he_has(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	uint64_t begin;
	char want[LINE + 1];

	append_lines(log, 0, LINES);
	begin = stat_of(f, ID_A).text_begin;
	assert_true(begin < (LINES - 1) * LINE);
	line_of(LINES - 1, want);
	assert_cursor(f, ID_A, (LINES - 1) * LINE, SPOOL_PLAIN, want);
	spool_log_close(log);
}

/* A follower that is slower than the log, in each shape: lines it got are
 * whole but for the one it was in, and the count of the rest is right. */
static void a_slow_follower_is_told_in_between(void **state)
{
	struct fixture *f = *state;
	static const enum spool_format shapes[] = {
	    SPOOL_PLAIN, SPOOL_TIMESTAMPED, SPOOL_JSONL};
	struct spool_log *log = ring_open(f);
	struct spool_cursor *c[ARRAY_LEN(shapes)];
	struct buf b;
	bool end;

	append_lines(log, 0, 100);
	buf_init(&b, 4 * 1024 * 1024);
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		OK(spool_cursor_open(
		    f->spool, ID_A, 0, shapes[i], &c[i], &test_err));
		OK(spool_cursor_read(c[i], 150, &b, &end, &test_err));
	}
	append_lines(log, 100, 3000);
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		uint64_t was = spool_cursor_offset(c[i]);
		size_t before;

		buf_clear(&b);
		do {
			before = b.len;
			OK(spool_cursor_read(c[i], 4096, &b, &end, &test_err));
		} while (b.len > before);
		assert_int_equal(spool_cursor_forgotten(c[i]),
		    stat_of(f, ID_A).text_begin - was);
		assert_int_equal(spool_cursor_offset(c[i]), 3000 * LINE);
		assert_non_null(strstr(buf_str(&b), shapes[i] == SPOOL_JSONL
							? "\"forgotten\""
							: "[runnerhub] "));
		assert_non_null(strstr(buf_str(&b), "    2999 x"));
		if (shapes[i] == SPOOL_PLAIN)
			assert_int_equal(b.data[0], '\n');
		spool_cursor_close(c[i]);
	}
	buf_fini(&b);
	spool_log_close(log);
}

struct follower {
	struct fixture *f;
	pthread_t thread;
	enum spool_format format;
	uint64_t lines, gone;
};

static void *follow(void *arg)
{
	struct follower *me = arg;
	struct spool_cursor *c = NULL;
	struct err err = ERR_INIT;
	bool end = false;
	struct buf b;

	buf_init(&b, 1024 * 1024);
	if (spool_cursor_open(me->f->spool, ID_A, 0, me->format, &c, &err) < 0)
		return NULL;
	while (!end) {
		buf_clear(&b);
		if (spool_cursor_read(c, 1000, &b, &end, &err) < 0)
			break;
		for (size_t i = 0; i < b.len; i++)
			me->lines += b.data[i] == 'x' &&
				     (i == 0 || b.data[i - 1] != 'x');
		if (b.len == 0)
			sched_yield();
	}
	me->gone = spool_cursor_forgotten(c);
	me->lines = end ? me->lines : 0;
	spool_cursor_close(c);
	buf_fini(&b);
	return NULL;
}

/* What was forgotten and what was given is all there was. */
static void followers_and_a_ring_go_on_at_once(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	struct follower all[4] = {{.format = SPOOL_JSONL},
	    {.format = SPOOL_TIMESTAMPED}, {.format = SPOOL_JSONL},
	    {.format = SPOOL_TIMESTAMPED}};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		all[i].f = f;
		OK(thread_start(
		    &all[i].thread, "follow", follow, &all[i], &test_err));
	}
	append_lines(log, 0, 40000);
	spool_log_finish(log, T0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		thread_join(all[i].thread);
		assert_true(all[i].lines > 0);
		assert_true(all[i].lines * LINE + all[i].gone >= 40000 * LINE);
	}
	check_kept(f, 40000);
}

/* -- what comes after a crash ------------------------------------------ */

static void what_was_read_of_a_stream_is_known_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	struct spool_stream_end ends[2];

	append_lines(log, 0, LINES);
	spool_log_close(log);
	fixture_reopen(f);
	OK(spool_step_end(f->spool, ID_A, STEP, ends, &test_err));
	assert_int_equal(ends[0].time_ns, T0 + LINES - 1);
	assert_int_equal(ends[0].bytes, LINE);
	log = ring_open(f);
	append_lines(log, LINES, LINES + 1000);
	check_kept(f, LINES + 1000);
	spool_log_close(log);
}

/* In the child of a fork: a spool of its own in the fixture's directory. */
static NORETURN void append_until_death(struct fixture *f)
{
	struct err err = ERR_INIT;
	struct spool_log *log;
	char text[LINE + 1];
	uint64_t off, number;
	struct spool_stat st;

	if (spool_open(&f->spool, &f->config, &err) < 0 ||
	    spool_stat(f->spool, ID_A, &st, &err) < 0 ||
	    spool_log_open(f->spool, ID_A, &log, &off, &err) < 0)
		_exit(2);
	spool_log_ring(log);
	for (number = st.text_bytes / LINE;; number++) {
		struct spool_record rec = line_record(number, text);

		if (spool_append(log, &rec, 1, &err) < 0)
			_exit(3);
	}
}

static void a_death_between_the_steps_loses_nothing_more(void **state)
{
	struct fixture *f = *state;
	static const char *const points[] = {"spool_ring_begin:1",
	    "spool_ring_header:1", "spool_ring_hole:1", "spool_ring_hole:2",
	    "spool_ring_hole:3", "spool_ring_begin:7", "spool_ring_header:9",
	    "spool_ring_hole:20", "spool_text_written:3000"};
	uint64_t before = 0;

	spool_close(f->spool); /* no thread of ours across fork */
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			setenv("RUNNERHUB_FAULT", points[i], 1);
			fault_setup();
			append_until_death(f);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		fixture_open(f);
		check_kept(f, stat_of(f, ID_A).text_bytes / LINE);
		assert_true(stat_of(f, ID_A).text_bytes >= before);
		before = stat_of(f, ID_A).text_bytes;
		spool_log_close(ring_open(f)); /* makes the missing holes */
		check_kept(f, before / LINE);
		assert_true(disk_bytes(f, ".log") <= MAX_BYTES + 8192);
		spool_close(f->spool);
	}
	fixture_open(f);
}

/* The header is rewritten in place: either the old one or the new one is
 * there. With the old one and nothing punched all is as before; cut at any
 * byte behind its begin, the log has the records before that. */
static void a_ring_cut_anywhere_has_what_is_whole(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	struct spool_stat st;
	char path[256];

	append_lines(log, 0, 1000);
	spool_log_close(log);
	fixture_reopen(f);
	st = stat_of(f, ID_A);
	for (uint64_t cut = 1000 * LINE; cut > st.text_begin; cut -= 997) {
		OK(truncate(file_path(f, ID_A, ".log", path), (off_t)cut));
		fixture_reopen(f);
		spool_log_close(ring_open(f));
		check_kept(f, cut / LINE);
		assert_int_equal(stat_of(f, ID_A).text_begin, st.text_begin);
		if (cut < st.text_begin + 997)
			break;
	}
	OK(truncate(file_path(f, ID_A, ".idx", path), LAYOUT_HEADER_LEN));
	fixture_reopen(f);
	log = ring_open(f);
	check_kept(f, st.text_begin / LINE); /* nothing is left, but where */
	append_lines(log, st.text_begin / LINE, 3000);
	check_kept(f, 3000);
	spool_log_close(log);
}

/* A begin that cannot be believed: better no log than one of holes. */
static void a_ring_with_a_damaged_header_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = ring_open(f);
	struct err err = ERR_INIT;
	uint64_t off, blocks;
	char path[256];
	FILE *file;

	append_lines(log, 0, 1000);
	spool_log_close(log);
	fixture_reopen(f);
	blocks = disk_bytes(f, ".log");
	file = fopen(file_path(f, ID_A, ".idx", path), "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 33, SEEK_SET), 0);
	assert_int_equal(fputc(0x5a, file), 0x5a);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(spool_log_open(f->spool, ID_A, &log, &off, &err), -1);
	assert_string_equal(err.code, "log_damaged");
	assert_int_equal(disk_bytes(f, ".log"), blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		the_newest_bytes_stay_and_the_disk_gets_the_rest, setup,
		fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		a_log_that_is_no_ring_is_cut_as_ever, setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		a_log_that_was_cut_goes_on_as_a_ring, setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		an_append_larger_than_all_is_kept_whole, setup,
		fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		the_last_lines_are_those_that_are_left, setup,
		fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		a_lost_offset_is_an_error_to_who_asks_for_it, setup,
		fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		a_cursor_tells_what_is_gone, setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		nobody_is_told_of_what_he_has, setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		a_slow_follower_is_told_in_between, setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		followers_and_a_ring_go_on_at_once, setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		what_was_read_of_a_stream_is_known_after_a_restart, setup,
		fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		a_death_between_the_steps_loses_nothing_more, setup,
		fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		a_ring_cut_anywhere_has_what_is_whole, setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		a_ring_with_a_damaged_header_is_left_alone, setup,
		fixture_teardown),
	};

	return cmocka_run_group_tests_name("spool_ring", tests, NULL, NULL);
}
