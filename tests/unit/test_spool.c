/* spool/: what is appended is what is read, in each shape. */
#include "spool_fixture.h"

static void appended_text_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct spool_record recs[] = {
	    out_record("one\n", T0, 10),
	    out_record("two\n", T0, 20),
	    out_record("three", T0, 30),
	};
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct spool_stat st;
	struct buf b;

	OK(spool_append(log, recs, 3, &test_err));
	assert_text(f, ID_A, "one\ntwo\nthree");
	st = stat_of(f, ID_A);
	assert_true(st.exists);
	assert_false(st.ended);
	assert_int_equal(st.text_bytes, 13);
	assert_int_equal(st.entries, 3);
	buf_init(&b, 1024);
	OK(spool_read(f->spool, ID_A, 4, 5, &b, &test_err));
	assert_string_equal(buf_str(&b), "two\nt");
	OK(spool_read(f->spool, ID_A, 13, 5, &b, &test_err));
	OK(spool_read(f->spool, ID_A, 1000, 5, &b, &test_err));
	assert_int_equal(b.len, 5);
	buf_fini(&b);
	spool_log_close(log);
}

static void a_log_that_never_was_is_empty(void **state)
{
	struct fixture *f = *state;
	uint64_t off = 7;
	bool end = true;
	char *text;

	assert_false(stat_of(f, ID_A).exists);
	assert_text(f, ID_A, "");
	OK(spool_tail_offset(f->spool, ID_A, 3, &off, &test_err));
	assert_int_equal(off, 0);
	text = read_cursor(f, ID_A, 0, SPOOL_JSONL, 100, &end);
	assert_string_equal(text, "");
	assert_false(end);
	mem_free(text);
	assert_int_equal(spool_remove(f->spool, ID_A, &test_err), 0);
}

static void an_id_that_is_no_uuid_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"", "../../../etc/passwd",
	    "01890000-0000-7000-8000-0000000000a", "/", ID_A "0"};
	struct spool_log *log;
	struct spool_stat st;
	struct err err = ERR_INIT;
	uint64_t off;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
		    spool_log_open(f->spool, bad[i], &log, &off, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_int_equal(spool_stat(f->spool, bad[i], &st, &err), -1);
		assert_int_equal(spool_remove(f->spool, bad[i], &err), -1);
	}
}

static void upper_and_lower_case_name_the_same_log(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log =
	    log_open(f, "01890000-0000-7000-8000-0000000000A1", NULL);

	append_text(log, "x");
	assert_text(f, ID_A, "x");
	spool_log_close(log);
}

static void a_log_has_one_writer(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL), *other;
	struct err err = ERR_INIT;
	uint64_t off;

	assert_int_equal(
	    spool_log_open(f->spool, ID_A, &other, &off, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.code, "log_busy");
	assert_int_equal(spool_remove(f->spool, ID_A, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	spool_log_close(log);
	other = log_open(f, ID_A, NULL);
	spool_log_close(other);
}

static void the_agents_offset_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct spool_record rec = out_record("x\n", T0, 4711);
	uint64_t off;

	OK(spool_append(log, &rec, 1, &test_err));
	append_mark(log, SPOOL_NOTE, STEP_NONE, 0, "the hub's own: offset 0");
	spool_log_close(log);
	fixture_reopen(f);
	log = log_open(f, ID_A, &off);
	assert_int_equal(off, 4711);
	append_text(log, "y\n");
	assert_text(f, ID_A, "x\ny\n");
	spool_log_close(log);
}

static void the_last_lines_begin_where_they_should(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	static const struct {
		uint64_t lines, off;
	} want[] = {
	    {0, 9}, {1, 6}, {2, 5}, {3, 2}, {4, 0}, {5, 0}, {UINT64_MAX, 0}};
	uint64_t off;

	append_text(log, "a\nbc\n\ndef");
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		OK(spool_tail_offset(
		    f->spool, ID_A, want[i].lines, &off, &test_err));
		assert_int_equal(off, want[i].off);
	}
	append_text(log, "\n"); /* ends the last line, begins none */
	OK(spool_tail_offset(f->spool, ID_A, 1, &off, &test_err));
	assert_int_equal(off, 6);
	spool_log_close(log);
}

static void the_tail_is_found_across_blocks(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	char line[1001];
	uint64_t off;

	memset(line, 'x', 999);
	line[999] = '\n';
	line[1000] = '\0';
	for (int i = 0; i < 400; i++)
		append_text(log, line);
	for (uint64_t n = 1; n <= 400; n++) {
		OK(spool_tail_offset(f->spool, ID_A, n, &off, &test_err));
		assert_int_equal(off, (400 - n) * 1000);
	}
	spool_log_close(log);
}

struct seen {
	int n;
	struct spool_record recs[8];
	char notes[8][64];
};

static int see(void *arg, const struct spool_record *rec, struct err *err)
{
	struct seen *seen = arg;

	if (seen->n == 8)
		return err_set(err, ERR_LIMIT, NULL, "enough");
	seen->recs[seen->n] = *rec;
	snprintf(seen->notes[seen->n++], 64, "%.*s", (int)rec->len,
	    (const char *)rec->data);
	return 0;
}

static void marks_come_back_in_order_with_their_notes(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct seen seen = {0};

	append_mark(log, SPOOL_STEP_START, 0, 0, "build");
	append_text(log, "making\n");
	append_mark(log, SPOOL_OUTPUTS, 0, 0, "{\"a\":\"1\"}");
	append_mark(log, SPOOL_STEP_END, 0, 137, "");
	spool_log_close(log);
	fixture_reopen(f);
	OK(spool_marks(f->spool, ID_A, see, &seen, &test_err));
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.recs[0].kind, SPOOL_STEP_START);
	assert_string_equal(seen.notes[0], "build");
	assert_string_equal(seen.notes[1], "{\"a\":\"1\"}");
	assert_int_equal(seen.recs[2].kind, SPOOL_STEP_END);
	assert_int_equal(seen.recs[2].code, 137);
	assert_int_equal(seen.recs[2].time_ns, T0);
}

static void too_large_a_note_is_refused_and_nothing_kept(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	char *big = mem_zalloc(1024 * 1024 + 1);
	struct spool_record recs[] = {out_record("x", T0, 1),
	    {.kind = SPOOL_SUMMARY, .data = big, .len = 1024 * 1024 + 1}};
	struct err err = ERR_INIT;

	assert_int_equal(spool_append(log, recs, 2, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(stat_of(f, ID_A).entries, 0);
	recs[1].len--;
	OK(spool_append(log, recs, 2, &test_err));
	assert_int_equal(stat_of(f, ID_A).entries, 2);
	mem_free(big);
	spool_log_close(log);
}

static void past_the_cap_only_the_mark_is_kept(void **state)
{
	struct fixture *f = *state;
	static const char want[] =
	    "12345678\n[runnerhub] the log reached its limit of 8 bytes; "
	    "further output is not kept\n";
	struct spool_record rec;
	struct spool_log *log;
	struct seen seen = {0};
	uint64_t off, entries;

	f->config.log_bytes_max = 8;
	fixture_reopen(f);
	log = log_open(f, ID_A, NULL);
	append_text(log, "12345");
	rec = out_record("6789", T0, 100);
	OK(spool_append(log, &rec, 1, &test_err));
	assert_text(f, ID_A, want);
	for (uint64_t i = 200; i < 300; i++) {
		rec = out_record("dropped", T0, i);
		OK(spool_append(log, &rec, 1, &test_err));
	}
	entries = stat_of(f, ID_A).entries;
	assert_int_equal(entries, 4); /* 2 outputs, the cap, the progress */
	append_mark(log, SPOOL_STEP_END, 0, 1, "");
	append_text(log, "still dropped");
	spool_log_close(log);
	fixture_reopen(f);
	log = log_open(f, ID_A, &off);
	assert_int_equal(off, 299);
	append_text(log, "dropped after the restart");
	assert_text(f, ID_A, want);
	OK(spool_marks(f->spool, ID_A, see, &seen, &test_err));
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.recs[0].kind, SPOOL_CAP);
	assert_int_equal(seen.recs[1].kind, SPOOL_STEP_END);
	spool_log_close(log);
}

static void an_output_that_fits_exactly_needs_no_mark(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log;

	f->config.log_bytes_max = 1024 * 1024;
	fixture_reopen(f);
	log = log_open(f, ID_A, NULL);
	for (int i = 0; i < 1024; i++) {
		char block[1025];

		memset(block, 'x', 1024);
		block[1024] = '\0';
		append_text(log, block);
	}
	assert_int_equal(stat_of(f, ID_A).text_bytes, 1024 * 1024);
	append_text(log, "x");
	append_text(log, "y");
	assert_cursor(f, ID_A, 1024 * 1024, SPOOL_PLAIN,
	    "\n[runnerhub] the log reached its limit of 1 MiB; further output "
	    "is not kept\n");
	spool_log_close(log);
}

static void an_ended_log_says_so_also_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	bool end = false;
	uint64_t off;

	append_text(log, "bye\n");
	spool_log_finish(log, T0);
	assert_true(stat_of(f, ID_A).ended);
	fixture_reopen(f);
	assert_true(stat_of(f, ID_A).ended);
	for (int format = SPOOL_PLAIN; format <= SPOOL_JSONL; format++) {
		mem_free(read_cursor(
		    f, ID_A, 0, (enum spool_format)format, 10, &end));
		assert_true(end);
		mem_free(read_cursor(
		    f, ID_A, 99, (enum spool_format)format, 10, &end));
		assert_true(end);
	}
	log = log_open(f, ID_A, &off); /* writing again opens it again */
	assert_false(stat_of(f, ID_A).ended);
	spool_log_close(log);
	spool_finish(f->spool, ID_A, T0);
	spool_finish(f->spool, ID_A, T0 + 1);
	spool_finish(f->spool, ID_B, T0);
	assert_true(stat_of(f, ID_A).ended);
	assert_false(stat_of(f, ID_B).exists);
}

/* -- cursors -------------------------------------------------------------- */

static void each_line_bears_the_time_of_its_begin(void **state)
{
	struct fixture *f = *state;
	struct spool_record recs[] = {
	    out_record("a\nb", T0, 0),
	    out_record("b\n\nc\n", T0 + CLOCK_NS_PER_S, 0),
	    {.kind = SPOOL_STEP_END, .time_ns = T0},
	    out_record("d", T0 + 2 * CLOCK_NS_PER_S, 0),
	};
	static const char want[] = "2023-11-14T22:13:20.000Z a\n"
				   "2023-11-14T22:13:20.000Z bb\n"
				   "2023-11-14T22:13:21.000Z \n"
				   "2023-11-14T22:13:21.000Z c\n"
				   "2023-11-14T22:13:22.000Z d";
	struct spool_log *log = log_open(f, ID_A, NULL);
	char *text;

	OK(spool_append(log, recs, ARRAY_LEN(recs), &test_err));
	for (size_t max = 1; max < sizeof(want) + 1; max++) {
		text = read_cursor(f, ID_A, 0, SPOOL_TIMESTAMPED, max, NULL);
		assert_string_equal(text, want);
		mem_free(text);
	}
	assert_cursor(f, ID_A, 5, SPOOL_TIMESTAMPED, want + 55);
	/* In the middle of a line: its stamp was given before. */
	assert_cursor(f, ID_A, 3, SPOOL_TIMESTAMPED, want + 53);
	spool_log_close(log);
}

static void json_has_one_object_per_record(void **state)
{
	struct fixture *f = *state;
	struct spool_record recs[] = {
	    {.kind = SPOOL_STEP_START,
		.time_ns = T0,
		.data = "build",
		.len = 5},
	    {.kind = SPOOL_OUT,
		.stream = SPOOL_STDERR,
		.time_ns = T0,
		.data = "a\"\xff\n",
		.len = 4},
	    {.kind = SPOOL_STEP_END, .code = 2, .time_ns = T0},
	    {.kind = SPOOL_NOTE,
		.step = STEP_NONE,
		.time_ns = T0 + 1000000,
		.data = "lost it",
		.len = 7},
	};
	static const char *const want[] = {
	    "{\"time\":\"2023-11-14T22:13:20.000Z\",\"kind\":\"step_start\","
	    "\"step\":0,\"note\":\"build\"}\n",
	    "{\"time\":\"2023-11-14T22:13:20.000Z\",\"kind\":\"out\","
	    "\"stream\":\"stderr\",\"step\":0,\"text\":\"a\\\"\xef\xbf\xbd\\n\""
	    "}\n",
	    "{\"time\":\"2023-11-14T22:13:20.000Z\",\"kind\":\"step_end\","
	    "\"step\":0,\"code\":2}\n",
	    "{\"time\":\"2023-11-14T22:13:20.001Z\",\"kind\":\"note\","
	    "\"note\":\"lost it\"}\n",
	};
	struct spool_log *log = log_open(f, ID_A, NULL);
	char all[1024], tail[1024];

	OK(spool_append(log, recs, ARRAY_LEN(recs), &test_err));
	snprintf(
	    all, sizeof(all), "%s%s%s%s", want[0], want[1], want[2], want[3]);
	assert_cursor(f, ID_A, 0, SPOOL_JSONL, all);
	/* Marks at the offset are told, text before it is not. */
	snprintf(tail, sizeof(tail), "%s%s", want[2], want[3]);
	assert_cursor(f, ID_A, 4, SPOOL_JSONL, tail);
	spool_log_close(log);
}

static void json_joins_a_character_cut_in_two(void **state)
{
	struct fixture *f = *state;
	static const char euro[] = "\xe2\x82\xac";
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct spool_record recs[4];
	char *text;

	recs[0] = out_record("a\xe2", T0, 0);
	recs[1] = out_record("err\n", T0, 0);
	recs[1].stream = SPOOL_STDERR;
	recs[2] = out_record("\x82", T0, 0);
	recs[3] = out_record("\xac"
			     "b\xe2\x82",
	    T0, 0);
	OK(spool_append(log, recs, 4, &test_err));
	text = read_cursor(f, ID_A, 0, SPOOL_JSONL, 1, NULL);
	assert_non_null(strstr(text, euro));
	assert_null(strstr(text, "\xef\xbf\xbd"));
	mem_free(text);
	spool_log_finish(log, T0);
	text = read_cursor(f, ID_A, 0, SPOOL_JSONL, 1, NULL);
	assert_non_null(strstr(text, "\"text\":\"\xef\xbf\xbd"));
	mem_free(text);
}

static void a_full_buffer_is_told_and_nothing_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct err err = ERR_INIT;

	append_text(log, "0123456789\n");
	append_mark(log, SPOOL_NOTE, 0, 0, "a note");
	append_text(log, "tail\n");
	for (int format = SPOOL_PLAIN; format <= SPOOL_JSONL; format++) {
		char *want = read_cursor(
		    f, ID_A, 0, (enum spool_format)format, 65536, NULL);
		struct spool_cursor *c;
		struct buf all, small;
		size_t before;
		bool end;

		buf_init(&all, 65536);
		buf_init(&small, 400);
		OK(spool_cursor_open(f->spool, ID_A, 0,
		    (enum spool_format)format, &c, &test_err));
		IGNORE(buf_append(&small, want, 60)); /* filled by 60 bytes */
		do {
			before = all.len;
			if (spool_cursor_read(c, 65536, &small, &end, &err) < 0)
				assert_int_equal(err.kind, ERR_LIMIT);
			assert_false(small.overflow);
			if (small.len > 60)
				IGNORE(buf_append(
				    &all, small.data + 60, small.len - 60));
			buf_consume(&small, small.len - 60);
			memcpy(small.data, want, 60);
		} while (all.len > before);
		assert_string_equal(buf_str(&all), want);
		buf_fini(&all);
		buf_fini(&small);
		spool_cursor_close(c);
		mem_free(want);
	}
	spool_log_close(log);
}

static void a_follower_gets_all_from_before_the_log_is_there(void **state)
{
	struct fixture *f = *state;
	struct spool_cursor *c[3];
	struct spool_log *log;
	struct buf got[3];
	char line[64];
	bool end;

	for (int i = 0; i < 3; i++) {
		buf_init(&got[i], 64 * 1024 * 1024);
		OK(spool_cursor_open(
		    f->spool, ID_A, 0, (enum spool_format)i, &c[i], &test_err));
		OK(spool_cursor_read(c[i], 100, &got[i], &end, &test_err));
		assert_int_equal(got[i].len, 0);
	}
	log = log_open(f, ID_A, NULL);
	/* More than what is kept in memory of both files. */
	for (int n = 0; n < 20000; n++) {
		snprintf(line, sizeof(line), "line %d of many\n", n);
		append_text(log, line);
		for (int i = 0; i < 3 && (n % 7 == 0 || n > 15000); i++)
			OK(spool_cursor_read(
			    c[i], 300, &got[i], &end, &test_err));
	}
	spool_log_finish(log, T0);
	for (int i = 0; i < 3; i++) {
		char *want;

		do
			OK(spool_cursor_read(
			    c[i], 65536, &got[i], &end, &test_err));
		while (!end);
		spool_cursor_close(c[i]);
		want =
		    read_cursor(f, ID_A, 0, (enum spool_format)i, 65536, NULL);
		assert_int_equal(strlen(want), got[i].len);
		assert_memory_equal(want, buf_str(&got[i]), got[i].len);
		mem_free(want);
		buf_fini(&got[i]);
	}
}

/* -- watches -------------------------------------------------------------- */

static void count(void *arg)
{
	++*(int *)arg;
}

static void watchers_hear_of_their_log_only(void **state)
{
	struct fixture *f = *state;
	int a = 0, a2 = 0, b = 0;
	struct spool_watch wa = {.wake = count, .arg = &a},
			   wa2 = {.wake = count, .arg = &a2},
			   wb = {.wake = count, .arg = &b},
			   none = {.wake = count, .arg = &b};
	struct spool_log *log;

	spool_watch(f->spool, ID_A, &wa);
	spool_watch(f->spool, ID_A, &wa2);
	spool_watch(f->spool, ID_B, &wb);
	spool_watch(f->spool, "no id at all", &none);
	log = log_open(f, ID_A, NULL);
	append_text(log, "x");
	assert_int_equal(a, 1);
	spool_unwatch(f->spool, &wa);
	append_text(log, "x");
	assert_int_equal(a, 1);
	assert_int_equal(a2, 2);
	spool_log_finish(log, T0);
	assert_int_equal(a2, 3);
	assert_int_equal(b, 0);
	spool_unwatch(f->spool, &wa2);
	spool_unwatch(f->spool, &wb);
	spool_unwatch(f->spool, &none);
}

#define T(fn)                                                                  \
	cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(appended_text_is_read_back),
	    T(a_log_that_never_was_is_empty),
	    T(an_id_that_is_no_uuid_is_refused),
	    T(upper_and_lower_case_name_the_same_log),
	    T(a_log_has_one_writer),
	    T(the_agents_offset_survives_a_restart),
	    T(the_last_lines_begin_where_they_should),
	    T(the_tail_is_found_across_blocks),
	    T(marks_come_back_in_order_with_their_notes),
	    T(too_large_a_note_is_refused_and_nothing_kept),
	    T(past_the_cap_only_the_mark_is_kept),
	    T(an_output_that_fits_exactly_needs_no_mark),
	    T(an_ended_log_says_so_also_after_a_restart),
	    T(each_line_bears_the_time_of_its_begin),
	    T(json_has_one_object_per_record),
	    T(json_joins_a_character_cut_in_two),
	    T(a_full_buffer_is_told_and_nothing_is_skipped),
	    T(a_follower_gets_all_from_before_the_log_is_there),
	    T(watchers_hear_of_their_log_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
