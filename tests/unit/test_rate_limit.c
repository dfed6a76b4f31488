/* api/rate_limit: windows, callers, and a table that does not grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/rate_limit.h"
#include "base/clock.h"

static bool take(struct rate_limits *l, const char *who, int64_t at_s)
{
	struct rate_state state;

	return rate_limits_take(
	    l, who, true, (1000 + at_s) * CLOCK_NS_PER_S, &state);
}

static void a_window_is_counted_and_ends(void **state)
{
	struct rate_limits *l = rate_limits_new(2, 10000);

	(void)state;
	assert_true(take(l, "a", 0));
	assert_true(take(l, "a", 3));
	assert_false(take(l, "a", 9));
	assert_true(take(l, "b", 9));
	assert_true(take(l, "a", 10));
	assert_true(take(l, "a", 10));
	assert_false(take(l, "a", 19));
	rate_limits_free(l);
}

static void reads_have_a_limit_of_their_own(void **state)
{
	struct rate_limits *l = rate_limits_new(1, 10000);
	struct rate_state s;

	(void)state;
	assert_true(take(l, "a", 0));
	for (int i = 0; i < 100; i++)
		assert_true(
		    rate_limits_take(l, "a", false, 1000 * CLOCK_NS_PER_S, &s));
	assert_int_equal(s.limit, 100);
	assert_int_equal(s.left, 0);
	assert_false(
	    rate_limits_take(l, "a", false, 1001 * CLOCK_NS_PER_S, &s));
	assert_int_equal(s.reset_s, 9);
	rate_limits_free(l);
}

/* Who floods with names pushes out others, who then begin anew: more is
 * never refused than should be. */
static void strangers_never_count_for_others(void **state)
{
	struct rate_limits *l = rate_limits_new(1, 10000);
	char who[32];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(who, sizeof(who), "stranger %d", i);
		assert_true(take(l, who, 0));
	}
	assert_true(take(l, "me", 0));
	assert_false(take(l, "me", 0));
	rate_limits_free(l);
}

static void zero_is_no_limit(void **state)
{
	(void)state;
	assert_null(rate_limits_new(0, 1000));
	rate_limits_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_window_is_counted_and_ends),
	    cmocka_unit_test(reads_have_a_limit_of_their_own),
	    cmocka_unit_test(strangers_never_count_for_others),
	    cmocka_unit_test(zero_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
