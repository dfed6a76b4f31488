/*
 * spool/: a log by the numbers of its lines, and a text in them. The long
 * logs are written as one record each, or one record a line.
 */
#include "spool_fixture.h"

#include "base/fold.h"
#include "spool/lines.h"

enum { MILLION = 1000000 };

/* -- what was given ---------------------------------------------------- */

struct given {
	struct buf text; /* "0|one\n1|two+\n": + is cut */
	struct spool_line last;
	unsigned n;
};

static void take_line(void *arg, const struct spool_line *line)
{
	struct given *g = arg;

	assert_int_equal(buf_printf(&g->text, "%llu|%.*s%s\n",
			     (unsigned long long)line->number, (int)line->len,
			     line->text, line->cut ? "+" : ""),
	    0);
	g->last = *line;
	g->n++;
}

static void take_match(void *arg, const struct spool_match *m)
{
	struct given *g = arg;

	assert_int_equal(
	    buf_printf(&g->text, "%llu:%llu\n", (unsigned long long)m->number,
		(unsigned long long)m->column),
	    0);
	g->n++;
}

static void given_init(struct given *g)
{
	*g = (struct given){.n = 0};
	buf_init(&g->text, 64 << 20);
}

static struct spool_lines look(
    struct fixture *f, int64_t from, unsigned limit, struct given *g)
{
	struct spool_lines q = {.from = from, .limit = limit};

	given_init(g);
	OK(spool_lines(f->spool, ID_A, &q, take_line, g, &test_err));
	return q;
}

static void assert_lines(
    struct fixture *f, int64_t from, unsigned limit, const char *want)
{
	struct given g;

	look(f, from, limit, &g);
	assert_string_equal(buf_str(&g.text), want);
	buf_fini(&g.text);
}

static struct spool_search search(
    struct fixture *f, struct spool_search q, const char *want)
{
	struct given g;

	given_init(&g);
	q.len = strlen(q.text);
	OK(spool_search(f->spool, ID_A, &q, take_match, &g, &test_err));
	if (want != NULL)
		assert_string_equal(buf_str(&g.text), want);
	buf_fini(&g.text);
	return q;
}

/* -- what a line is ---------------------------------------------------- */

static void append_as(struct spool_log *log, const char *text,
    enum spool_stream stream, uint16_t step, int64_t time_ns)
{
	struct spool_record rec = {.kind = SPOOL_OUT,
	    .stream = stream,
	    .step = step,
	    .time_ns = time_ns,
	    .data = text,
	    .len = strlen(text)};

	OK(spool_append(log, &rec, 1, &test_err));
}

static void a_log_that_is_not_there_has_no_lines(void **state)
{
	struct given g;
	struct spool_lines q = look(*state, -1, 10, &g);

	assert_int_equal(q.total, 0);
	assert_int_equal(g.n, 0);
	assert_false(q.complete);
	buf_fini(&g.text);
}

static void lines_go_over_records_and_end_with_their_stream(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);

	append_as(log, "one\ntw", SPOOL_STDOUT, 0, T0);
	append_as(log, "o\n\nthr", SPOOL_STDOUT, 0, T0 + 1);
	append_as(log, "oops\n", SPOOL_STDERR, 0, T0 + 2);
	append_mark(log, SPOOL_STEP_END, 0, 1, "{}");
	append_as(log, "ee", SPOOL_STDOUT, 0, T0 + 3);
	append_as(log, "next step", SPOOL_STDOUT, 1, T0 + 4);
	assert_lines(
	    f, 0, 10, "0|one\n1|two\n2|\n3|thr\n4|oops\n5|ee\n6|next step\n");
	assert_lines(f, 3, 2, "3|thr\n4|oops\n");
	assert_lines(f, -1, 2, "5|ee\n6|next step\n");
	assert_lines(f, 7, 2, "");
	/* What comes lengthens the last line; the others stay as they are. */
	append_as(log, "!\nlast\n", SPOOL_STDOUT, 1, T0 + 5);
	assert_lines(f, 6, 10, "6|next step!\n7|last\n");
	assert_lines(f, -1, 1, "7|last\n");
	spool_log_finish(log, T0);
}

static void a_line_has_the_time_and_stream_of_its_first_byte(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct given g;
	struct spool_lines q;

	append_as(log, "a", SPOOL_STDERR, 3, T0 + 7);
	append_as(log, "b\n", SPOOL_STDERR, 3, T0 + 9);
	q = look(f, 0, 5, &g);
	assert_int_equal(g.last.time_ns, T0 + 7);
	assert_int_equal(g.last.stream, SPOOL_STDERR);
	assert_int_equal(g.last.step, 3);
	assert_false(q.complete);
	buf_fini(&g.text);
	spool_log_finish(log, T0);
	q = look(f, 0, 5, &g);
	assert_true(q.complete);
	assert_int_equal(q.total, 1);
	buf_fini(&g.text);
}

static void a_long_line_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	char *long_line = mem_alloc(SPOOL_LINE_MAX + 100);
	struct given g;

	memset(long_line, 'x', SPOOL_LINE_MAX - 1);
	strcpy(long_line + SPOOL_LINE_MAX - 1, "\u00e9 and more\nshort\n");
	append_text(log, long_line);
	look(f, 0, 1, &g);
	assert_true(g.last.cut);
	assert_int_equal(g.last.len, SPOOL_LINE_MAX - 1);
	buf_fini(&g.text);
	assert_lines(f, 1, 9, "1|short\n");
	mem_free(long_line);
	spool_log_finish(log, T0);
}

/* Its rest is passed over by the marks, in records of every size. */
static void a_giant_line_costs_no_more_than_a_mark(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	enum { GIANT = 8 << 20 };
	char *giant = mem_alloc(GIANT + 1);
	struct given g;

	memset(giant, 'y', GIANT);
	giant[GIANT] = '\0';
	append_text(log, "before\n");
	append_text(log, giant);
	for (int i = 0; i < 5000; i++)
		append_text(log, "z");
	append_text(log, "\nbehind\nend");
	look(f, 0, 9, &g);
	assert_int_equal(g.n, 4);
	assert_int_equal(g.last.number, 3);
	assert_string_equal(
	    strstr(buf_str(&g.text), "+\n2|"), "+\n2|behind\n3|end\n");
	buf_fini(&g.text);
	assert_lines(f, 2, 1, "2|behind\n");
	search(f, (struct spool_search){.text = "beh", .limit = 5}, "2:0\n");
	mem_free(giant);
	spool_log_finish(log, T0);
}

/* -- a million of them ------------------------------------------------- */

static void write_million(struct fixture *f, unsigned per_record)
{
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct buf text;

	buf_init(&text, 64 << 20);
	for (int i = 0; i < MILLION; i++) {
		assert_int_equal(buf_printf(&text, "line %d of many\n", i), 0);
		if ((unsigned)(i + 1) % per_record == 0) {
			append_text(log, buf_str(&text));
			buf_clear(&text);
		}
	}
	buf_fini(&text);
	spool_log_finish(log, T0);
}

static void jumps_meet_the_line(struct fixture *f)
{
	static const int at[] = {999999, 0, 500000, 499999, 123456, 7, 999998};
	struct spool_lines q;
	struct given g;
	char want[64];

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		snprintf(
		    want, sizeof(want), "%d|line %d of many\n", at[i], at[i]);
		assert_lines(f, at[i], 1, want);
	}
	q = look(f, -1, 2000, &g);
	assert_int_equal(q.total, MILLION);
	assert_int_equal(q.first, MILLION - 2000);
	assert_int_equal(g.n, 2000);
	assert_true(q.complete);
	buf_fini(&g.text);
}

static void jumps_into_a_million_lines(void **state)
{
	struct fixture *f = *state;

	write_million(f, 1000);
	jumps_meet_the_line(f);
	fixture_reopen(f);
	jumps_meet_the_line(f);
}

static void jumps_into_a_million_records(void **state)
{
	struct fixture *f = *state;

	write_million(f, 1);
	jumps_meet_the_line(f);
}

static void a_search_goes_on_where_it_stopped(void **state)
{
	struct fixture *f = *state;
	struct spool_search q = {.text = "LINE 77777", .limit = 4};
	uint64_t scanned = 0;
	unsigned calls = 0;

	write_million(f, 1000);
	q = search(f, q, "77777:0\n777770:0\n777771:0\n777772:0\n");
	assert_true(q.has_next);
	assert_int_equal(q.next, 777773);
	q.text = "nowhere";
	q.from = 0;
	do {
		q = search(f, q, "");
		scanned += q.scanned;
		q.from = q.next;
		calls++;
	} while (q.has_next);
	assert_int_equal(scanned, MILLION);
	assert_true(calls > 1); /* each is bounded */
}

/* -- searching --------------------------------------------------------- */

static void a_search_folds_case_unless_told(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct spool_search q = {.limit = 9};

	append_text(log, "an Error\nno\nERROR error\n\u00c4rger \u0416\n");
	q.text = "error";
	search(f, q, "0:3\n2:0\n");
	q.exact_case = true;
	search(f, q, "2:6\n");
	q.exact_case = false;
	q.text = "\u00e4RGER";
	search(f, q, "3:0\n");
	q.text = "\u0436";
	search(f, q, "3:6\n");
	q.text = "a.*r"; /* no pattern */
	search(f, q, "");
	spool_log_finish(log, T0);
}

static void folding_keeps_length_and_what_it_does_not_know(void **state)
{
	char text[] =
	    "AZ@[\u00c0\u00d7\u00de\u0178\u0130\u0410\u040f\u03a9\xc3";

	(void)state;
	fold_case(text, sizeof(text) - 1);
	assert_string_equal(
	    text, "az@[\u00e0\u00d7\u00fe\u0178\u0130\u0430\u045f\u03c9\xc3");
}

/* -- many logs --------------------------------------------------------- */

static void more_logs_than_are_indexed(void **state)
{
	struct fixture *f = *state;
	struct spool_lines q = {.limit = 5};
	struct spool_log *log;
	char id[UUID_TEXT_LEN];
	struct given g;

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 20; i++) {
			snprintf(id, sizeof(id),
			    "01890000-0000-7000-8000-0000000000%02x", i);
			log = log_open(f, id, NULL);
			append_text(log, "again\n");
			spool_log_finish(log, T0);
			given_init(&g);
			OK(spool_lines(
			    f->spool, id, &q, take_line, &g, &test_err));
			assert_int_equal(q.total, round + 1);
			buf_fini(&g.text);
		}
}

#define LINES_TEST(fn)                                                         \
	cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    LINES_TEST(a_log_that_is_not_there_has_no_lines),
	    LINES_TEST(lines_go_over_records_and_end_with_their_stream),
	    LINES_TEST(a_line_has_the_time_and_stream_of_its_first_byte),
	    LINES_TEST(a_long_line_is_cut_between_characters),
	    LINES_TEST(a_giant_line_costs_no_more_than_a_mark),
	    LINES_TEST(jumps_into_a_million_lines),
	    LINES_TEST(jumps_into_a_million_records),
	    LINES_TEST(a_search_goes_on_where_it_stopped),
	    LINES_TEST(a_search_folds_case_unless_told),
	    cmocka_unit_test(folding_keeps_length_and_what_it_does_not_know),
	    LINES_TEST(more_logs_than_are_indexed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
