/* spool/step_output.h: the output of one step of a log. */
#include "spool_fixture.h"

#include "spool/step_output.h"

static void append_out(struct spool_log *log, uint16_t step,
    enum spool_stream stream, const char *text)
{
	struct spool_record rec = out_record(text, T0, 0);

	rec.step = step;
	rec.stream = stream;
	OK(spool_append(log, &rec, 1, &test_err));
}

/* Given, started, two lines, ended with its number. */
static void append_step(struct spool_log *log, uint16_t step)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"name\":\"step %u\"}", step);
	append_mark(log, SPOOL_STEP_GIVEN, step, 0, text);
	append_mark(log, SPOOL_STEP_START, step, 0, "");
	snprintf(text, sizeof(text), "out %u\n", step);
	append_out(log, step, SPOOL_STDOUT, text);
	append_mark(log, SPOOL_NOTE, STEP_NONE, 0, "the hub says something");
	snprintf(text, sizeof(text), "err %u\n", step);
	append_out(log, step, SPOOL_STDERR, text);
	append_mark(log, SPOOL_STEP_END, step, step, "{\"flags\":0}");
	append_mark(log, SPOOL_TAKEN, STEP_NONE, 0, "1");
}

static struct step_output *open_step(struct fixture *f, uint16_t step,
    uint64_t skip, enum step_output_format format)
{
	struct step_output *o = NULL;

	OK(step_output_open(f->spool, ID_A, step, skip, format, &o, &test_err));
	return o;
}

/* All that is there now; tells where it stands then. */
static enum step_output_state drain(
    struct step_output *o, size_t max, struct buf *out)
{
	enum step_output_state state;

	do {
		OK(step_output_read(o, max, out, &state, &test_err));
	} while (state == STEP_OUTPUT_MORE);
	return state;
}

static void expect_plain(
    struct fixture *f, uint16_t step, uint64_t skip, const char *text)
{
	CLEANUP(step_output_close)
	struct step_output *o = open_step(f, step, skip, STEP_OUTPUT_PLAIN);
	CLEANUP(buf_fini) struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(drain(o, 4096, &out), STEP_OUTPUT_OVER);
	assert_string_equal(buf_str(&out), text);
	assert_int_equal(step_output_end(o)->code, step);
	assert_string_equal(step_output_end(o)->data, "{\"flags\":0}");
}

static void each_step_is_found_among_many(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	char text[64];

	append_mark(log, SPOOL_NOTE, STEP_NONE, 0, "before all");
	for (uint16_t step = 0; step < 300; step++)
		append_step(log, step);
	for (uint16_t step = 0; step < 300; step++) {
		snprintf(text, sizeof(text), "out %u\nerr %u\n", step, step);
		expect_plain(f, step, 0, text);
		expect_plain(f, step, 3, text + 3);
		expect_plain(
		    f, step, strlen(text) - 2, text + strlen(text) - 2);
		expect_plain(f, step, strlen(text) + 5, "");
	}
	spool_log_finish(log, T0);
	fixture_reopen(f);
	expect_plain(f, 0, 0, "out 0\nerr 0\n");
	expect_plain(f, 299, 0, "out 299\nerr 299\n");
}

static void frames_tell_the_streams_apart(void **state)
{
	static const char want[] = "\1\0\0\0\0\0\0\6out 0\n"
				   "\2\0\0\0\0\0\0\6err 0\n";
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	CLEANUP(buf_fini) struct buf out;
	struct step_output *o;

	append_step(log, 0);
	buf_init(&out, 4096);
	o = open_step(f, 0, 0, STEP_OUTPUT_FRAMES);
	assert_null(step_output_given(o));
	assert_int_equal(drain(o, 4096, &out), STEP_OUTPUT_OVER);
	assert_int_equal(out.len, sizeof(want) - 1);
	assert_memory_equal(out.data, want, out.len);
	assert_string_equal(step_output_given(o), "{\"name\":\"step 0\"}");
	step_output_close(o);
	spool_log_close(log);
}

static void a_reader_at_the_edge_goes_on(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	CLEANUP(buf_fini) struct buf out;
	struct step_output *o;

	buf_init(&out, 4096);
	append_step(log, 0);
	append_mark(log, SPOOL_STEP_GIVEN, 1, 0, "{}");
	o = open_step(f, 1, 2, STEP_OUTPUT_PLAIN);
	assert_int_equal(drain(o, 4096, &out), STEP_OUTPUT_WAIT);
	append_out(log, 1, SPOOL_STDOUT, "a");
	assert_int_equal(drain(o, 4096, &out), STEP_OUTPUT_WAIT);
	assert_int_equal(out.len, 0);
	append_out(log, 1, SPOOL_STDERR, "bc");
	assert_int_equal(drain(o, 4096, &out), STEP_OUTPUT_WAIT);
	append_out(log, 1, SPOOL_STDOUT, "d");
	append_mark(log, SPOOL_STEP_END, 1, 7, "{}");
	append_mark(log, SPOOL_STEP_GIVEN, 2, 0, "{}");
	append_out(log, 2, SPOOL_STDOUT, "not this");
	assert_int_equal(drain(o, 4096, &out), STEP_OUTPUT_OVER);
	assert_string_equal(buf_str(&out), "cd");
	assert_int_equal(step_output_end(o)->code, 7);
	step_output_close(o);
	spool_log_close(log);
}

#define CAP_WORDS                                                              \
	"\n[runnerhub] the log reached its limit of 10 bytes; further output " \
	"is not kept\n"

/* Whoever follows a step that came behind the cap is told, and gets its true
 * end; also after a restart of the hub, and once. */
static void each_step_past_the_cap_says_so(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log;

	f->config.log_bytes_max = 10;
	fixture_reopen(f);
	log = log_open(f, ID_A, NULL);
	append_step(log, 0);
	append_step(log, 1);
	spool_log_close(log);
	fixture_reopen(f);
	log = log_open(f, ID_A, NULL);
	append_out(log, 1, SPOOL_STDOUT, "again");
	append_step(log, 2);
	append_out(log, 0, SPOOL_STDOUT, "a step that is over");
	spool_log_close(log);
	expect_plain(f, 0, 0, "out 0\nerr " CAP_WORDS);
	expect_plain(f, 1, 0, CAP_WORDS);
	expect_plain(f, 2, 0, CAP_WORDS);
}

static void a_log_that_ends_early_says_so(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	CLEANUP(buf_fini) struct buf out;
	struct step_output *o;

	buf_init(&out, 4096);
	append_mark(log, SPOOL_STEP_START, 0, 0, "");
	append_out(log, 0, SPOOL_STDOUT, "half");
	o = open_step(f, 0, 0, STEP_OUTPUT_PLAIN);
	assert_int_equal(drain(o, 4096, &out), STEP_OUTPUT_WAIT);
	spool_log_finish(log, T0);
	assert_int_equal(drain(o, 4096, &out), STEP_OUTPUT_CUT);
	assert_string_equal(buf_str(&out), "half");
	step_output_close(o);
}

static void expect_no_step(struct fixture *f, const char *id, uint16_t step)
{
	struct step_output *o = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(step_output_open(f->spool, id, step, 0,
			     STEP_OUTPUT_PLAIN, &o, &err),
	    -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.code, "step_not_found");
}

static void a_step_that_never_was_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);

	expect_no_step(f, ID_A, 0);
	expect_no_step(f, ID_B, 0);
	append_mark(log, SPOOL_NOTE, STEP_NONE, 0, "nothing yet");
	expect_no_step(f, ID_A, 0);
	append_step(log, 0);
	append_step(log, 2);
	expect_no_step(f, ID_A, 1);
	expect_no_step(f, ID_A, 3);
	expect_no_step(f, ID_A, 65534);
	expect_plain(f, 2, 0, "out 2\nerr 2\n");
	spool_log_close(log);
}

/* What the agent says late of a step must not hide the one that follows. */
static void a_stray_mark_hides_nothing(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);

	append_step(log, 0);
	append_mark(log, SPOOL_STEP_GIVEN, 1, 0, "{}");
	append_out(log, 1, SPOOL_STDOUT, "one ");
	append_mark(log, SPOOL_TAKEN, 0, 0, "5");
	append_out(log, 1, SPOOL_STDOUT, "two");
	append_mark(log, SPOOL_STEP_END, 1, 1, "{\"flags\":0}");
	expect_plain(f, 1, 0, "one two");
	spool_log_close(log);
}

static void what_is_read_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	char *text = mem_alloc(300001);
	enum step_output_state now;
	CLEANUP(buf_fini) struct buf out;
	struct step_output *o;
	size_t total = 0;

	memset(text, 'x', 300000);
	text[300000] = '\0';
	append_mark(log, SPOOL_STEP_START, 0, 0, "");
	append_out(log, 0, SPOOL_STDOUT, text);
	append_mark(log, SPOOL_STEP_END, 0, 0, "{}");
	buf_init(&out, 1 << 20);
	o = open_step(f, 0, 0, STEP_OUTPUT_PLAIN);
	do {
		buf_clear(&out);
		OK(step_output_read(o, 1000, &out, &now, &test_err));
		assert_true(out.len <= 1000);
		total += out.len;
	} while (now == STEP_OUTPUT_MORE);
	assert_int_equal(now, STEP_OUTPUT_OVER);
	assert_int_equal(total, 300000);
	assert_int_equal(step_output_read(o, 10, &out, &now, &test_err), -1);
	assert_int_equal(test_err.kind, ERR_LIMIT);
	step_output_close(o);
	mem_free(text);
	spool_log_close(log);
}

int main(void)
{
#define T(fn)                                                                  \
	cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(each_step_is_found_among_many),
	    T(frames_tell_the_streams_apart),
	    T(a_reader_at_the_edge_goes_on),
	    T(each_step_past_the_cap_says_so),
	    T(a_log_that_ends_early_says_so),
	    T(a_step_that_never_was_is_not_found),
	    T(a_stray_mark_hides_nothing),
	    T(what_is_read_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
