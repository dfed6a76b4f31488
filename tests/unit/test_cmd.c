/*
 * The command line's own pieces: what reaches a terminal, the event-stream
 * parser, arguments, and the table of commands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/sse.h"
#include "cmd/ui.h"

/* -- terminal
 * ------------------------------------------------------------------ */

static void only_colours_pass_the_filter(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"plain \xc3\xa9 text\r\n\t", "plain \xc3\xa9 text\r\n\t"},
	    {"\033[1;31mred\033[0m", "\033[1;31mred\033[0m"},
	    {"\033[2J\033[10;10Hx", "x"},                /* clear, move */
	    {"\033]0;title\007x\033]8;;u\033\\y", "xy"}, /* title, link */
	    {"\033]52;c;aGk=\nx", "x"},            /* clipboard, never closed */
	    {"\033P1$r\033\\x\033c\033(By", "xy"}, /* DCS, reset, charset */
	    {"\033[?25lx\033[>cy", "xy"},          /* private modes */
	    {"a\bb\177\a\v", "ab"},
	    {"\xc2\x9b"
	     "31mx\xc2\xa0y",
		"31mx\xc2\xa0y"}, /* C1 CSI, nbsp */
	    {"\xc2\033[2J\x9b"
	     "5n",
		"?\x9b"
		"5n"}, /* not joined by a gap */
	    {"\033[1111111111111111111111111111111111111mx", "x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf whole = {.max = 4096};
		CLEANUP(buf_fini) struct buf bytes = {.max = 4096};
		struct ui_filter a = {0}, b = {0};

		ui_filter_feed(&a, cases[i].in, strlen(cases[i].in), &whole);
		assert_string_equal(buf_str(&whole), cases[i].out);
		for (const char *p = cases[i].in; *p != '\0'; p++)
			ui_filter_feed(&b, p, 1, &bytes);
		assert_string_equal(buf_str(&bytes), cases[i].out);
	}
}

static void clean_text_has_no_control_bytes(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(
	    ui_clean("a\033[b\nc\xff\xc2\x9b", out, sizeof(out)), "a?[b c??");
	assert_string_equal(ui_clean(NULL, out, sizeof(out)), "-");
	/* cut between characters, never inside one */
	assert_string_equal(
	    ui_clean("12345678901234\xc3\xa9", out, sizeof(out)),
	    "12345678901234");
}

static void durations_are_short(void **state)
{
	static const struct {
		double ms;
		const char *text;
	} cases[] = {{0.85, "850 µs"}, {12.34, "12.3 ms"}, {345, "345 ms"},
	    {2500, "2.50 s"}, {123000, "2 min 03 s"}, {3840000, "1 h 04 min"},
	    {-1, "-"}};
	char out[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(
		    ui_duration(cases[i].ms, out), cases[i].text);
}

static void ago_counts_from_the_clock(void **state)
{
	int64_t now;
	char out[32];

	(void)state;
	assert_int_equal(clock_parse_iso("2026-01-31T12:00:00Z", &now), 0);
	clock_fake_set(0, now);
	assert_string_equal(ui_ago("2026-01-31T11:59:57.000Z", out), "3 s ago");
	assert_string_equal(ui_ago("2026-01-31T09:30:00Z", out), "2 h ago");
	assert_string_equal(ui_ago("2026-01-20T12:00:00Z", out), "11 d ago");
	assert_string_equal(ui_ago("2026-01-31T12:00:09Z", out), "now");
	assert_string_equal(ui_ago("whenever", out), "-");
	assert_string_equal(ui_ago(NULL, out), "-");
	clock_fake_set(-1, 0);
}

/* -- events
 * ----------------------------------------------------------------------- */

static int on_event(void *arg, const struct sse_event *ev, struct err *err)
{
	(void)err;
	IGNORE(buf_printf(arg, "[%s|%s|%s]", ev->id, ev->type, ev->data));
	return 0;
}

static void events_are_read_as_the_standard_says(void **state)
{
	static const char stream[] = "\n: comment\nid: 1\nevent: a\ndata: x\n"
				     "data:y\ndata\n\n"
				     "event: without data\n\n"
				     "data: keeps id\r\n\r\n"
				     "id: 2\rdata: cr\r\r"
				     "id: 3\ndata: unfinished\n";
	CLEANUP(buf_fini) struct buf log = {.max = 4096};
	struct err err = ERR_INIT;
	struct sse s;

	(void)state;
	sse_init(&s, on_event, &log);
	assert_int_equal(sse_feed(&s, stream, sizeof(stream) - 1, &err), 0);
	assert_string_equal(
	    buf_str(&log), "[1|a|x\ny\n][1|message|keeps id][2|message|cr]");
	/* what broke off was not seen: one goes on after 2 */
	sse_reset(&s);
	assert_string_equal(s.id, "2");
	assert_int_equal(sse_feed(&s, "data: z\n\n", 9, &err), 0);
	assert_non_null(strstr(buf_str(&log), "[2|message|z]"));
	sse_fini(&s);
}

static void an_endless_line_is_refused(void **state)
{
	CLEANUP(buf_fini) struct buf log = {.max = 4096};
	char piece[65536];
	struct err err = ERR_INIT;
	struct sse s;
	int rc = 0;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	sse_init(&s, on_event, &log);
	for (size_t i = 0; rc == 0 && i <= SSE_LINE_MAX / sizeof(piece); i++)
		rc = sse_feed(&s, piece, sizeof(piece), &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	sse_fini(&s);
}

/* -- arguments
 * ------------------------------------------------------------------------ */

static void arguments_are_parsed_in_every_form(void **state)
{
	const char *argv[] = {"logs", "-fn5", "--tail=6", "-t", "an id",
	    "--format", "json", "--", NULL};
	struct args a;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
	    args_parse(&a, &command_job_logs, 8, (char **)argv, &err), 0);
	assert_true(args_has(&a, "follow"));
	assert_true(args_has(&a, "timestamps"));
	assert_false(args_has(&a, "json"));
	assert_string_equal(args_nth(&a, "tail", 0), "5");
	assert_string_equal(args_get(&a, "tail"), "6");
	assert_null(args_nth(&a, "tail", 2));
	assert_string_equal(args_get(&a, "format"), "json");
	assert_string_equal(args_operand(&a, 0), "an id");
	assert_null(args_operand(&a, 1));
	args_fini(&a);
}

static void after_two_dashes_all_is_operand(void **state)
{
	const char *argv[] = {"logs", "--", "-f", NULL};
	struct args a;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
	    args_parse(&a, &command_job_logs, 3, (char **)argv, &err), 0);
	assert_false(args_has(&a, "follow"));
	assert_string_equal(args_operand(&a, 0), "-f");
	args_fini(&a);
}

/* -- the table
 * ----------------------------------------------------------------------------
 */

static void check_option(const struct command_option *const *seen, size_t n,
    const struct command_option *o)
{
	assert_non_null(o->doc);
	for (size_t i = 0; i < n; i++) {
		assert_string_not_equal(seen[i]->name, o->name);
		assert_true(o->letter == 0 || seen[i]->letter != o->letter);
	}
}

static void options_of_a_command_are_distinct(void **state)
{
	const struct command_option *seen[64];

	(void)state;
	for (size_t c = 0; commands[c] != NULL; c++) {
		const struct command_option *lists[] = {commands[c]->options,
		    commands[c]->flags & COMMAND_CLIENT ? client_options
							: NULL};
		size_t n = 0;

		seen[n++] = &help_option;
		for (size_t l = 0; l < ARRAY_LEN(lists); l++)
			for (size_t i = 0;
			     lists[l] != NULL && lists[l][i].name != NULL;
			     i++) {
				assert_true(n < ARRAY_LEN(seen));
				check_option(seen, n, &lists[l][i]);
				seen[n++] = &lists[l][i];
			}
	}
}

static void a_command_is_found_by_all_its_words(void **state)
{
	const char *argv[] = {"job", "logs", "-f", NULL};
	int words = 0;

	(void)state;
	assert_ptr_equal(
	    command_find(3, (char **)argv, &words), &command_job_logs);
	assert_int_equal(words, 2);
	assert_null(command_find(1, (char **)argv, &words));
	argv[1] = "log";
	assert_null(command_find(3, (char **)argv, &words));
	argv[0] = "jo";
	argv[1] = "logs";
	assert_null(command_find(3, (char **)argv, &words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_colours_pass_the_filter),
	    cmocka_unit_test(clean_text_has_no_control_bytes),
	    cmocka_unit_test(durations_are_short),
	    cmocka_unit_test(ago_counts_from_the_clock),
	    cmocka_unit_test(events_are_read_as_the_standard_says),
	    cmocka_unit_test(an_endless_line_is_refused),
	    cmocka_unit_test(arguments_are_parsed_in_every_form),
	    cmocka_unit_test(after_two_dashes_all_is_operand),
	    cmocka_unit_test(options_of_a_command_are_distinct),
	    cmocka_unit_test(a_command_is_found_by_all_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
