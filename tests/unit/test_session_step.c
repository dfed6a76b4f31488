/* The JSON of a session's step: each field, its words, its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "jobs/session_step.h"
#include "jobs/spec.h"

static const struct request_limits limits = {.timeout_max_s = 3600};

static json_t *parse(const char *body, struct err *err)
{
	*err = (struct err)ERR_INIT;
	return session_step_parse(body, strlen(body), &limits, err);
}

static void assert_refused(const char *body, const char *words)
{
	struct err err;
	json_t *step = parse(body, &err);

	assert_null(step);
	assert_int_equal(err.kind, ERR_INVALID);
	if (strstr(err.msg, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.msg, words);
}

static void test_what_is_taken(void **state)
{
	struct err err;
	json_t *step = parse(
	    "{\"key\":\"a.B_c-1\",\"name\":\"build\",\"command\":[\"sh\",\"\","
	    "\"-c\"],\"env\":{\"INPUT_FETCH-DEPTH\":\"1\",\"E\":\"\"},"
	    "\"workingDirectory\":\"/w\",\"timeoutSeconds\":9,"
	    "\"prependPath\":[\"/a\",\"/b\"],\"input\":true,\"other\":1}",
	    &err);
	struct step_spec s;

	(void)state;
	assert_non_null(step);
	assert_string_equal(
	    json_string_value(json_object_get(step, "key")), "a.B_c-1");
	assert_null(json_object_get(step, "other"));
	assert_true(json_is_true(json_object_get(step, "input")));
	assert_int_equal(
	    json_array_size(json_object_get(step, "prependPath")), 2);
	spec_step_read(step, &s);
	assert_string_equal(s.name, "build");
	assert_null(s.run);
	assert_int_equal(json_array_size(s.command), 3);
	assert_string_equal(
	    json_string_value(json_array_get(s.command, 1)), "");
	assert_int_equal(json_object_size(s.env), 2);
	assert_string_equal(s.working_directory, "/w");
	assert_int_equal(s.timeout_s, 9);
	session_step_free(step);
}

static void test_a_script_names_itself(void **state)
{
	struct err err;
	json_t *step = parse("{\"key\":\"1\",\"run\":\"\\n echo hi\\nexit\","
			     "\"shell\":\"sh\",\"command\":null}",
	    &err);
	struct step_spec s;

	(void)state;
	assert_non_null(step);
	spec_step_read(step, &s);
	assert_string_equal(s.name, "echo hi ...");
	assert_string_equal(s.shell, "sh");
	session_step_free(step);
}

static void test_a_container_is_not_looked_into(void **state)
{
	struct err err;
	json_t *step =
	    parse("{\"key\":\"1\",\"container\":{\"image\":7}}", &err);
	struct step_spec s;

	(void)state;
	assert_non_null(step);
	assert_true(json_is_object(json_object_get(step, "container")));
	spec_step_read(step, &s); /* it has no words of its own */
	assert_string_equal(s.name, "");
	session_step_free(step);
}

static void test_pipes_need_a_command(void **state)
{
	struct err err;
	json_t *step =
	    parse("{\"key\":\"1\",\"command\":[\"w\",\"{in}\",\"{out}\"],"
		  "\"pipes\":true}",
		&err);

	(void)state;
	assert_non_null(step);
	assert_true(json_is_true(json_object_get(step, "pipes")));
	assert_null(json_object_get(step, "input"));
	session_step_free(step);
	assert_refused(
	    "{\"key\":\"1\",\"run\":\"x\",\"pipes\":true}", "\"pipes\"");
	assert_refused("{\"key\":\"1\",\"command\":[\"x\"],\"pipes\":true,"
		       "\"input\":true}",
	    "not both");
}

static void test_what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *body, *words;
	} cases[] = {
	    {"{\"command\":[\"x\"]}", "key"},
	    {"{\"key\":\"\",\"command\":[\"x\"]}", "\"key\""},
	    {"{\"key\":\"a b\",\"command\":[\"x\"]}", "\"key\""},
	    {"{\"key\":7,\"command\":[\"x\"]}", "\"key\""},
	    {"{\"key\":\"a\"}", "exactly one"},
	    {"{\"key\":\"a\",\"command\":[\"x\"],\"run\":\"y\"}",
		"exactly one"},
	    {"{\"key\":\"a\",\"run\":\"y\",\"container\":{}}", "exactly one"},
	    {"{\"key\":\"a\",\"container\":[]}", "an object"},
	    {"{\"key\":\"a\",\"command\":[]}", "\"command\""},
	    {"{\"key\":\"a\",\"command\":\"x\"}", "\"command\""},
	    {"{\"key\":\"a\",\"command\":[\"\"]}", "a program"},
	    {"{\"key\":\"a\",\"command\":[\"x\",1]}", "\"command\""},
	    {"{\"key\":\"a\",\"run\":\"\"}", "\"run\""},
	    {"{\"key\":\"a\",\"run\":\"x\",\"env\":[]}", "\"env\""},
	    {"{\"key\":\"a\",\"run\":\"x\",\"env\":{\"A=B\":\"\"}}", "A=B"},
	    {"{\"key\":\"a\",\"run\":\"x\",\"env\":{\"\":\"\"}}", "name"},
	    {"{\"key\":\"a\",\"run\":\"x\",\"env\":{\"A\":1}}", "env.A"},
	    {"{\"key\":\"a\",\"run\":\"x\",\"prependPath\":\"/a\"}",
		"\"prependPath\""},
	    {"{\"key\":\"a\",\"run\":\"x\",\"prependPath\":[\"\"]}",
		"\"prependPath\""},
	    {"{\"key\":\"a\",\"run\":\"x\",\"timeoutSeconds\":0}",
		"\"timeoutSeconds\""},
	    {"{\"key\":\"a\",\"run\":\"x\",\"timeoutSeconds\":3601}",
		"\"timeoutSeconds\""},
	    {"{\"key\":\"a\",\"run\":\"x\",\"input\":1}", "\"input\""},
	    {"[]", "object"},
	    {"{", "JSON"},
	    {"{\"key\":\"a\",\"key\":\"b\",\"run\":\"x\"}", "JSON"},
	    {"[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", "deep"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_refused(cases[i].body, cases[i].words);
}

static void test_bounds(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	struct err err;
	json_t *step;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_int_equal(
	    buf_printf(&b, "{\"key\":\"%064d\",\"run\":\"x\"}", 7), 0);
	step = parse(buf_str(&b), &err);
	assert_non_null(step);
	session_step_free(step);
	buf_clear(&b);
	assert_int_equal(
	    buf_printf(&b, "{\"key\":\"%065d\",\"run\":\"x\"}", 7), 0);
	assert_refused(buf_str(&b), "\"key\"");
	buf_clear(&b);
	assert_int_equal(buf_append_str(&b, "{\"key\":\"a\",\"command\":["), 0);
	for (int i = 0; i < 4097; i++)
		assert_int_equal(buf_append_str(&b, i ? ",\"\"" : "\"x\""), 0);
	assert_int_equal(buf_append_str(&b, "]}"), 0);
	assert_refused(buf_str(&b), "4096");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_taken),
	    cmocka_unit_test(test_a_script_names_itself),
	    cmocka_unit_test(test_a_container_is_not_looked_into),
	    cmocka_unit_test(test_pipes_need_a_command),
	    cmocka_unit_test(test_what_is_wrong_is_named),
	    cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
