/* Agent's records -> marks of the log -> how far the steps are, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/progress.h"

/* -- making records ------------------------------------------------------- */

static struct channel_record record_of(
    enum wire_type type, uint16_t step, const struct buf *payload)
{
	return (struct channel_record){
	    .h = {.type = (uint8_t)type, .stream = 1, .step = step},
	    .time_ns = 5 * CLOCK_NS_PER_S,
	    .data = (const uint8_t *)buf_str(payload),
	    .len = payload->len,
	    .end_off = 77};
}

/* Translates one record and folds it, as a carrier does. */
static void feed_at(struct progress *p, enum wire_type type, uint16_t step,
    const struct buf *payload, int64_t time_ns)
{
	CLEANUP(buf_fini) struct buf notes = {0};
	struct channel_record in = record_of(type, step, payload);
	struct spool_record out;
	struct err err = ERR_INIT;

	buf_init(&notes, 1 << 22);
	in.time_ns = time_ns;
	assert_int_equal(progress_translate(&in, &notes, &out, &err), 0);
	if (out.kind != SPOOL_OUT)
		out.data = buf_str(&notes);
	progress_fold(p, &out);
}

static void feed(struct progress *p, enum wire_type type, uint16_t step,
    const struct buf *payload)
{
	feed_at(p, type, step, payload, 5 * CLOCK_NS_PER_S);
}

static void feed_start(struct progress *p, uint16_t step)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 16);
	wire_put_u32(&b, 42);
	feed_at(p, WIRE_STEP_START, step, &b, 4 * CLOCK_NS_PER_S);
}

static void feed_end(
    struct progress *p, uint16_t step, struct wire_end end, const char *reason)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 4096);
	wire_put_end(&b, &end, reason);
	feed(p, WIRE_STEP_END, step, &b);
}

static void feed_output(
    struct progress *p, uint16_t step, const char *key, const char *value)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 1 << 20);
	wire_put_u32(&b, 1);
	wire_put_str(&b, key);
	wire_put_str(&b, value);
	feed(p, WIRE_OUTPUTS, step, &b);
}

static void feed_text(
    struct progress *p, enum wire_type type, uint16_t step, const char *text)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 1 << 20);
	assert_int_equal(buf_append_str(&b, text), 0);
	feed(p, type, step, &b);
}

static json_t *shown(const struct progress *p, const char *spec_text, bool over)
{
	CLEANUP(spec_fini) struct spec spec = {0};
	CLEANUP(buf_fini) struct buf out = {0};
	struct err err = ERR_INIT;
	struct json j;
	json_t *root;

	assert_int_equal(spec_load(&spec, spec_text, &err), 0);
	buf_init(&out, 1 << 24);
	json_init(&j, &out);
	json_obj(&j);
	progress_write(p, &spec, over, &j);
	json_end(&j);
	assert_false(out.overflow);
	root = json_loads(buf_str(&out), 0, NULL);
	assert_non_null(root);
	return root;
}

static const json_t *step_at(const json_t *root, size_t i)
{
	return json_array_get(json_object_get(root, "steps"), i);
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* -- translating ---------------------------------------------------------- */

static void test_output_passes_as_it_is(void **state)
{
	CLEANUP(buf_fini) struct buf notes = {0}, text = {0};
	struct channel_record in;
	struct spool_record out;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&notes, 1024);
	buf_init(&text, 1024);
	assert_int_equal(buf_append(&text, "a\0\xff", 3), 0);
	in = record_of(WIRE_OUT, 3, &text);
	in.h.stream = 2;
	assert_int_equal(progress_translate(&in, &notes, &out, &err), 0);
	assert_int_equal(out.kind, SPOOL_OUT);
	assert_int_equal(out.stream, SPOOL_STDERR);
	assert_int_equal(out.step, 3);
	assert_int_equal(out.agent_off, 77);
	assert_int_equal(out.len, 3);
	assert_ptr_equal(out.data, in.data);
	assert_int_equal(notes.len, 0);
}

static void test_records_that_make_no_sense(void **state)
{
	static const enum wire_type types[] = {WIRE_STEP_END, WIRE_OUTPUTS};
	CLEANUP(buf_fini) struct buf notes = {0}, text = {0}, many = {0};
	struct channel_record in;
	struct spool_record out;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&notes, 64);
	buf_init(&text, 1024);
	buf_init(&many, 1024);
	assert_int_equal(buf_append(&text, "abc", 3), 0);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		in = record_of(types[i], 0, &text);
		err_clear(&err);
		assert_int_equal(
		    progress_translate(&in, &notes, &out, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.code, "agent_protocol");
	}
	wire_put_u32(&many, 1000000); /* so many pairs, and none follows */
	in = record_of(WIRE_OUTPUTS, 0, &many);
	assert_int_equal(progress_translate(&in, &notes, &out, &err), -1);
	/* Larger than the notes of a batch may be. */
	buf_clear(&text);
	for (int i = 0; i < 100; i++)
		assert_int_equal(buf_append_char(&text, 'x'), 0);
	in = record_of(WIRE_SUMMARY, 0, &text);
	assert_int_equal(progress_translate(&in, &notes, &out, &err), -1);
}

static void test_an_unknown_record_is_a_note(void **state)
{
	CLEANUP(buf_fini) struct buf notes = {0}, text = {0};
	struct channel_record in;
	struct spool_record out;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&notes, 1024);
	buf_init(&text, 1024);
	assert_int_equal(buf_append_str(&text, "hello"), 0);
	in = record_of((enum wire_type)200, WIRE_STEP_NONE, &text);
	assert_int_equal(progress_translate(&in, &notes, &out, &err), 0);
	assert_int_equal(out.kind, SPOOL_NOTE);
	assert_int_equal(out.len, 5);
	assert_string_equal(buf_str(&notes), "hello");
}

/* -- folding -------------------------------------------------------------- */

static void test_a_step_from_start_to_end(void **state)
{
	CLEANUP(progress_fini) struct progress p = {0};
	struct wire_end end = {.code = 7,
	    .utime_us = 1500,
	    .stime_us = 500,
	    .maxrss_bytes = 4096,
	    .mem_limit = 1 << 26,
	    .mem_peak = 1 << 25};
	json_t *root;

	(void)state;
	progress_init(&p, 3);
	feed_start(&p, 0);
	assert_true(p.steps[0].started);
	assert_false(p.steps[0].ended);
	assert_false(step_failed(&p.steps[0]));
	feed_text(&p, WIRE_OUT, 0, "out");
	feed_end(&p, 0, end, "");
	assert_true(p.steps[0].ended);
	assert_true(step_failed(&p.steps[0]));
	assert_memory_equal(&p.steps[0].end, &end, sizeof(end));
	assert_int_equal(p.first_output_at, 5 * CLOCK_NS_PER_S);
	feed_start(&p, 1);
	root = shown(&p,
	    "{\"steps\":[{\"name\":\"build\",\"run\":\"a\"},"
	    "{\"run\":\"make\\nall\"},{\"command\":[\"ls\",\"-l\"]}]}",
	    false);
	assert_string_equal(text_of(step_at(root, 0), "name"), "build");
	assert_string_equal(text_of(step_at(root, 0), "status"), "failed");
	assert_string_equal(text_of(step_at(root, 0), "code"), "step_failed");
	assert_string_equal(text_of(step_at(root, 0), "error"),
	    "step 1 (build) exited with code 7");
	assert_int_equal(
	    json_integer_value(json_object_get(step_at(root, 0), "durationMs")),
	    1000);
	assert_int_equal(
	    json_integer_value(json_object_get(step_at(root, 0), "cpuMs")), 2);
	assert_string_equal(text_of(step_at(root, 1), "name"), "make ...");
	assert_string_equal(text_of(step_at(root, 1), "status"), "running");
	assert_string_equal(text_of(step_at(root, 2), "name"), "ls");
	assert_string_equal(text_of(step_at(root, 2), "status"), "waiting");
	json_decref(root);
	root = shown(&p,
	    "{\"steps\":[{\"run\":\"a\"},{\"run\":\"b\"},{\"run\":\"c\"}]}",
	    true);
	assert_string_equal(text_of(step_at(root, 1), "status"), "cancelled");
	assert_string_equal(text_of(step_at(root, 2), "status"), "skipped");
	json_decref(root);
}

static void test_unknown_steps_change_nothing(void **state)
{
	CLEANUP(progress_fini) struct progress p = {0};

	(void)state;
	progress_init(&p, 1);
	feed_start(&p, 1);
	feed_start(&p, WIRE_STEP_NONE);
	feed_text(&p, WIRE_NOTE, WIRE_STEP_NONE, "a warning");
	assert_false(p.steps[0].started);
	assert_int_equal(p.first_output_at, 0);
}

static void test_outputs_and_summaries_add_up(void **state)
{
	CLEANUP(progress_fini) struct progress p = {0};
	const json_t *outputs;
	json_t *root;

	(void)state;
	progress_init(&p, 2);
	feed_output(&p, 0, "a", "1");
	feed_output(&p, 0, "b", "\"\n");
	feed_output(&p, 0, "a", "2");
	feed_text(&p, WIRE_SUMMARY, 0, "# One\n");
	feed_text(&p, WIRE_SUMMARY, 0, "more\n");
	feed_text(&p, WIRE_SUMMARY, 1, "# Two\n");
	root = shown(&p, "{\"steps\":[{\"run\":\"a\"},{\"run\":\"b\"}]}", true);
	outputs = json_object_get(step_at(root, 0), "outputs");
	assert_int_equal(json_object_size(outputs), 2);
	assert_string_equal(text_of(outputs, "a"), "2");
	assert_string_equal(text_of(outputs, "b"), "\"\n");
	assert_string_equal(text_of(root, "summary"), "# One\nmore\n# Two\n");
	json_decref(root);
}

static void test_what_is_kept_of_a_job_is_bounded(void **state)
{
	CLEANUP(progress_fini) struct progress p = {0};
	char *large = mem_calloc(1, 300 * 1024 + 1);

	(void)state;
	memset(large, 'x', 300 * 1024);
	progress_init(&p, 100);
	for (uint16_t i = 0; i < 100; i++) {
		feed_output(&p, i, "key", large);
		feed_text(&p, WIRE_SUMMARY, i, large);
	}
	assert_in_range(p.outputs_bytes, 900 * 1024, 1024 * 1024);
	assert_in_range(p.summary_bytes, 900 * 1024, 1024 * 1024);
	assert_null(p.steps[99].outputs);
	assert_null(p.steps[99].summary);
	mem_free(large);
}

/* -- words ---------------------------------------------------------------- */

static void test_words_of_each_end(void **state)
{
	static const struct {
		struct wire_end end;
		const char *reason, *code, *words;
		bool failed;
	} ends[] = {
	    {{.code = 0}, "", "step_failed", "exited with code 0", false},
	    {{.code = 0, .flags = WIRE_END_NOT_STARTED}, "x", "step_failed",
		"could not start: x", true},
	    {{.code = 1}, "", "step_failed", "exited with code 1", true},
	    {{.code = 9, .flags = WIRE_END_SIGNALED}, "", "step_failed",
		"was ended by signal 9", true},
	    {{.flags = WIRE_END_TIMEOUT}, "", "step_timeout",
		"ran into its time limit", true},
	    {{.code = 15, .flags = WIRE_END_CANCELLED | WIRE_END_SIGNALED}, "",
		"cancelled", "was cancelled", true},
	    {{.code = 127, .flags = WIRE_END_NOT_STARTED}, "no such program",
		"step_failed", "could not start: no such program", true},
	    {{.code = 137,
		 .flags = WIRE_END_OOM,
		 .oom_kills = 1,
		 .mem_limit = 64 << 20,
		 .mem_peak = 63 << 20},
		"", "out_of_memory",
		"ran out of memory (limit 64 MiB, peak 63 MiB)", true},
	    {{.code = 9, .flags = WIRE_END_OOM | WIRE_END_SIGNALED}, "",
		"out_of_memory", "ran out of memory (size not known)", true},
	    /* A child was killed, the step lived with it. */
	    {{.code = 0, .flags = WIRE_END_OOM, .mem_peak = 1 << 20}, "",
		"out_of_memory", "ran out of memory (peak 1 MiB)", false},
	};
	char code[32], words[200], want[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		CLEANUP(progress_fini) struct progress p = {0};

		progress_init(&p, 2);
		feed_end(&p, 1, ends[i].end, ends[i].reason);
		assert_int_equal(step_failed(&p.steps[1]), ends[i].failed);
		step_describe(
		    &p.steps[1], 1, "test", code, words, sizeof(words));
		snprintf(want, sizeof(want), "step 2 (test) %s", ends[i].words);
		assert_string_equal(words, want);
		assert_string_equal(code, ends[i].code);
	}
}

static void test_long_reasons_are_cut(void **state)
{
	CLEANUP(progress_fini) struct progress p = {0};
	char reason[1000], code[32], words[40];

	(void)state;
	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	progress_init(&p, 1);
	feed_end(&p, 0,
	    (struct wire_end){.code = 126, .flags = WIRE_END_NOT_STARTED},
	    reason);
	step_describe(&p.steps[0], 0, "s", code, words, sizeof(words));
	assert_int_equal(strlen(words), sizeof(words) - 1);
}

static void test_memory_is_shown(void **state)
{
	CLEANUP(progress_fini) struct progress p = {0};
	const json_t *oom;
	json_t *root;

	(void)state;
	progress_init(&p, 1);
	feed_start(&p, 0);
	feed_end(&p, 0,
	    (struct wire_end){.code = 9,
		.flags = WIRE_END_SIGNALED | WIRE_END_OOM,
		.oom_kills = 2,
		.mem_limit = 1000,
		.mem_peak = 999},
	    "");
	root = shown(&p, "{\"steps\":[{\"run\":\"x\"}]}", true);
	oom = json_object_get(step_at(root, 0), "outOfMemory");
	assert_int_equal(json_integer_value(json_object_get(oom, "kills")), 2);
	assert_int_equal(
	    json_integer_value(json_object_get(oom, "limitBytes")), 1000);
	/* As a shell says it: 128 + SIGKILL. */
	assert_int_equal(
	    json_integer_value(json_object_get(step_at(root, 0), "exitCode")),
	    137);
	assert_true(json_is_null(json_object_get(root, "summary")));
	json_decref(root);
}

/* -- sessions ------------------------------------------------------------- */

static void give(struct progress *p, uint16_t step, const char *key, bool aside)
{
	CLEANUP(buf_fini) struct buf note = {0};
	struct spool_record rec = {.kind = SPOOL_STEP_GIVEN, .step = step};

	buf_init(&note, 4096);
	progress_given_note(&note, key, "its name", aside);
	rec.data = buf_str(&note);
	rec.len = note.len;
	progress_fold(p, &rec);
}

static void test_a_session_grows(void **state)
{
	struct progress p;

	(void)state;
	progress_init(&p, 0);
	assert_int_equal(progress_find(&p, "a"), -1);
	give(&p, 0, "a", false);
	give(&p, 1, "b", true);
	give(&p, 1, "late", false); /* its place is taken */
	give(&p, 7, "early", false);
	assert_int_equal(p.nsteps, 2);
	assert_int_equal(progress_find(&p, "a"), 0);
	assert_int_equal(progress_find(&p, "b"), 1);
	assert_int_equal(progress_find(&p, "late"), -1);
	assert_false(p.steps[0].aside);
	assert_true(p.steps[1].aside);
	assert_string_equal(p.steps[1].name, "its name");
	feed_start(&p, 1);
	assert_true(p.steps[1].started);
	for (uint16_t i = 2; i < PROGRESS_STEPS_MAX; i++)
		give(&p, i, "x", false);
	give(&p, PROGRESS_STEPS_MAX, "one more", false);
	assert_int_equal(p.nsteps, PROGRESS_STEPS_MAX);
	progress_fini(&p);
}

static void feed_taken(struct progress *p, uint64_t offset)
{
	CLEANUP(buf_fini) struct buf b = {0};

	buf_init(&b, 16);
	wire_put_u64(&b, offset);
	feed(p, WIRE_TAKEN, 0, &b);
}

static void test_taken_input_only_grows(void **state)
{
	struct progress p;

	(void)state;
	progress_init(&p, 0);
	give(&p, 0, "a", false);
	feed_taken(&p, 70000);
	assert_int_equal(p.steps[0].taken, 70000);
	feed_taken(&p, 5);
	assert_int_equal(p.steps[0].taken, 70000);
	progress_fini(&p);
}

static void test_open_steps_are_cut(void **state)
{
	const struct progress_cut cut = {137, "the lease \"ran\" out"};
	CLEANUP(buf_fini) struct buf note = {0};
	struct spool_record rec;
	char code[32], words[480];
	struct progress p;
	size_t at = 0;

	(void)state;
	buf_init(&note, 4096);
	progress_init(&p, 0);
	for (uint16_t i = 0; i < 3; i++)
		give(&p, i, i == 0 ? "a" : i == 1 ? "b" : "c", false);
	feed_start(&p, 0);
	feed_end(&p, 0, (struct wire_end){.code = 3}, "");
	feed_start(&p, 1);
	while (progress_cut_next(&p, &at, &cut, &note, &rec))
		progress_fold(&p, &rec);
	assert_int_equal(p.steps[0].end.code, 3);
	assert_true(p.steps[1].ended && p.steps[2].ended);
	assert_int_equal(p.steps[1].end.code, 137);
	step_describe(&p.steps[1], 1, "b", code, words, sizeof(words));
	assert_string_equal(
	    words, "step 2 (b) was cut short: the lease \"ran\" out");
	assert_true((p.steps[2].end.flags & WIRE_END_NOT_STARTED) != 0);
	at = 0;
	assert_false(progress_cut_next(&p, &at, &cut, &note, &rec));
	progress_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_output_passes_as_it_is),
	    cmocka_unit_test(test_records_that_make_no_sense),
	    cmocka_unit_test(test_an_unknown_record_is_a_note),
	    cmocka_unit_test(test_a_step_from_start_to_end),
	    cmocka_unit_test(test_unknown_steps_change_nothing),
	    cmocka_unit_test(test_outputs_and_summaries_add_up),
	    cmocka_unit_test(test_what_is_kept_of_a_job_is_bounded),
	    cmocka_unit_test(test_words_of_each_end),
	    cmocka_unit_test(test_long_reasons_are_cut),
	    cmocka_unit_test(test_memory_is_shown),
	    cmocka_unit_test(test_a_session_grows),
	    cmocka_unit_test(test_taken_input_only_grows),
	    cmocka_unit_test(test_open_steps_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
