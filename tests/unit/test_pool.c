/* When the pool wants how many: its schedules. What it starts and removes
 * needs an engine, see the integration tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sandbox/pool.h"

enum { SUNDAY, MONDAY, FRIDAY = 5, SATURDAY };
#define AT(h, m) ((h)*60 + (m))
#define WORKDAYS (1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5)

static void test_always(void **state)
{
	const struct pool_target t = {.size = 3};

	(void)state;
	for (int day = SUNDAY; day <= SATURDAY; day++)
		for (int minute = 0; minute < AT(24, 0); minute++)
			assert_int_equal(pool_wanted(&t, minute, day), 3);
}

static void test_office_hours(void **state)
{
	const struct pool_target t = {.size = 5,
	    .from_minute = AT(8, 0),
	    .to_minute = AT(18, 30),
	    .days = WORKDAYS};

	(void)state;
	assert_int_equal(pool_wanted(&t, AT(7, 59), MONDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(8, 0), MONDAY), 5);
	assert_int_equal(pool_wanted(&t, AT(18, 29), FRIDAY), 5);
	assert_int_equal(pool_wanted(&t, AT(18, 30), FRIDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(12, 0), SATURDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(12, 0), SUNDAY), 0);
}

/* Friday's night ends on Saturday morning, Sunday has none. */
static void test_over_midnight(void **state)
{
	const struct pool_target t = {.size = 2,
	    .from_minute = AT(22, 0),
	    .to_minute = AT(6, 0),
	    .days = WORKDAYS};

	(void)state;
	assert_int_equal(pool_wanted(&t, AT(21, 59), FRIDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(22, 0), FRIDAY), 2);
	assert_int_equal(pool_wanted(&t, AT(23, 59), FRIDAY), 2);
	assert_int_equal(pool_wanted(&t, AT(0, 0), SATURDAY), 2);
	assert_int_equal(pool_wanted(&t, AT(5, 59), SATURDAY), 2);
	assert_int_equal(pool_wanted(&t, AT(6, 0), SATURDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(23, 0), SATURDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(3, 0), SUNDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(3, 0), MONDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(23, 0), MONDAY), 2);
}

/* Saturday's night reaches over the end of the week. */
static void test_over_the_week(void **state)
{
	const struct pool_target t = {.size = 1,
	    .from_minute = AT(20, 0),
	    .to_minute = AT(4, 0),
	    .days = 1 << SATURDAY};

	(void)state;
	assert_int_equal(pool_wanted(&t, AT(3, 59), SUNDAY), 1);
	assert_int_equal(pool_wanted(&t, AT(20, 0), SATURDAY), 1);
	assert_int_equal(pool_wanted(&t, AT(3, 59), SATURDAY), 0);
	assert_int_equal(pool_wanted(&t, AT(20, 0), SUNDAY), 0);
}

static int64_t plenty(void *arg)
{
	(void)arg;
	return INT64_MAX;
}

/* Without targets it has none, and can be asked until the end. */
static void test_empty_pool(void **state)
{
	const struct pool_config c = {.allowance = plenty};
	struct pool *p;
	struct pool_stats st;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(pool_open(&p, &c, &err), 0);
	assert_null(pool_take(p, "image"));
	pool_kick(p);
	pool_stop(p);
	assert_null(pool_take(p, "image"));
	pool_stats(p, &st);
	assert_int_equal(st.misses, 2);
	assert_int_equal(st.ready + st.starting + st.wanted, 0);
	pool_stop(p);
	pool_close(p);
	pool_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_always),
	    cmocka_unit_test(test_office_hours),
	    cmocka_unit_test(test_over_midnight),
	    cmocka_unit_test(test_over_the_week),
	    cmocka_unit_test(test_empty_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
