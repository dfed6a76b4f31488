/* Trace contexts: what is valid, and what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/trace.h"

#define ID   "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void test_valid_ones_are_taken(void **state)
{
	static const struct {
		const char *text;
		bool sampled;
	} good[] = {
	    {"00-" ID "-" SPAN "-01", true},
	    {"00-" ID "-" SPAN "-00", false},
	    {"00-" ID "-" SPAN "-ff", true},
	    {"cc-" ID "-" SPAN "-01", true},
	    {"cc-" ID "-" SPAN "-01-what-a-later-version-adds", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct trace t;

		assert_int_equal(trace_parse(good[i].text, &t), 0);
		assert_string_equal(t.id, ID);
		assert_string_equal(t.span, SPAN);
		assert_int_equal(t.sampled, good[i].sampled);
	}
}

static void test_others_begin_a_new_one(void **state)
{
	static const char *const bad[] = {
	    NULL,
	    "",
	    "00",
	    "00-" ID "-" SPAN,
	    "00-" ID "-" SPAN "-0",
	    "00-" ID "-" SPAN "-01-",
	    "00-" ID "-" SPAN "-01-more",
	    "00-" ID "-" SPAN "-01, 00-" ID "-" SPAN "-01",
	    "ff-" ID "-" SPAN "-01",
	    "cc-" ID "-" SPAN "-01.more",
	    "0x-" ID "-" SPAN "-01",
	    "00-" ID "-" SPAN "-0G",
	    "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
	    "00-00000000000000000000000000000000-" SPAN "-01",
	    "00-" ID "-0000000000000000-01",
	    "00_" ID "-" SPAN "-01",
	    " 00-" ID "-" SPAN "-01",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct trace t;

		trace_take(&t, bad[i]);
		assert_string_not_equal(t.id, ID);
		assert_int_equal(strlen(t.id), 32);
		assert_int_equal(strlen(t.span), 16);
		assert_string_equal(t.parent, "");
		assert_true(t.sampled);
	}
}

static void test_it_goes_on_as_a_span_of_its_own(void **state)
{
	char text[TRACE_PARENT_LEN], call[TRACE_PARENT_LEN];
	struct trace t, again;

	(void)state;
	trace_take(&t, "00-" ID "-" SPAN "-00");
	assert_string_equal(t.id, ID);
	assert_string_equal(t.parent, SPAN);
	assert_string_not_equal(t.span, SPAN);
	assert_int_equal(trace_parse(trace_text(&t, text), &again), 0);
	assert_string_equal(again.span, t.span);
	assert_false(again.sampled);
	assert_int_equal(trace_parse(trace_call(&t, call), &again), 0);
	assert_string_equal(again.id, ID);
	assert_string_not_equal(again.span, t.span);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_valid_ones_are_taken),
	    cmocka_unit_test(test_others_begin_a_new_one),
	    cmocka_unit_test(test_it_goes_on_as_a_span_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
