/* Histograms as Prometheus reads them: jobs/meter.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "jobs/meter.h"

static char *text_of(const struct meter *m, const char *labels)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	meter_write(m, "x", labels, &b);
	assert_false(b.overflow);
	return buf_steal(&b, NULL);
}

static void has_line(const char *text, const char *line)
{
	if (strstr(text, line) == NULL)
		fail_msg("no \"%s\" in\n%s", line, text != NULL ? text : "");
}

static void test_bounds_ascend(void **state)
{
	(void)state;
	for (int i = 1; i < METER_BUCKETS; i++) {
		assert_true(meter_job_bounds[i] > meter_job_bounds[i - 1]);
		assert_true(meter_call_bounds[i] > meter_call_bounds[i - 1]);
	}
}

static void test_buckets_add_up(void **state)
{
	struct meter m = {.bounds = meter_job_bounds};
	char *text;

	(void)state;
	meter_observe(&m, -5);              /* a clock that was set back */
	meter_observe(&m, CLOCK_NS_PER_MS); /* a bound is in its bucket */
	meter_observe(&m, 2 * CLOCK_NS_PER_S);
	meter_observe(&m, 7200 * CLOCK_NS_PER_S); /* above all bounds */
	text = text_of(&m, "");
	has_line(text, "x_bucket{le=\"0.001\"} 2\n");
	has_line(text, "x_bucket{le=\"1\"} 2\n");
	has_line(text, "x_bucket{le=\"5\"} 3\n");
	has_line(text, "x_bucket{le=\"3600\"} 3\n");
	has_line(text, "x_bucket{le=\"+Inf\"} 4\n");
	has_line(text, "x_sum 7202.001000000\n");
	has_line(text, "x_count 4\n");
	free(text);
	text = text_of(&m, "route=\"/a\"");
	has_line(text, "x_bucket{route=\"/a\",le=\"0.001\"} 2\n");
	has_line(text, "x_count{route=\"/a\"} 4\n");
	free(text);
}

static void test_phases_of_a_job(void **state)
{
	const struct job_phases p = {.queued = 1 * CLOCK_NS_PER_S,
	    .assigned = 2 * CLOCK_NS_PER_S,
	    .started = 5 * CLOCK_NS_PER_S,
	    .ended = 9 * CLOCK_NS_PER_S};
	struct job_meters m = {0};

	(void)state;
	job_meters_init(&m);
	job_meters_ended(&m, &p);
	assert_int_equal(atomic_load(&m.wait.sum_ns), 4 * CLOCK_NS_PER_S);
	assert_int_equal(atomic_load(&m.duration.sum_ns), 4 * CLOCK_NS_PER_S);
	assert_int_equal(atomic_load(&m.phases[PHASE_ASSIGNED].count), 1);
	/* What did not happen is not counted as nothing. */
	assert_int_equal(atomic_load(&m.phases[PHASE_CREATED].count), 0);
	assert_int_equal(atomic_load(&m.phases[PHASE_FIRST_OUTPUT].count), 0);
	assert_int_equal(atomic_load(&m.phases[PHASE_ENDED].count), 1);
	assert_int_equal(atomic_load(&m.phases[PHASE_REMOVED].count), 0);
	for (int i = 0; i < PHASE_COUNT; i++)
		assert_non_null(phase_names[i]);
}

enum { OBSERVERS = 4, EACH = 20000 };

static void *observe(void *arg)
{
	for (int i = 0; i < EACH; i++)
		meter_observe(arg, i * CLOCK_NS_PER_MS);
	return NULL;
}

static void test_many_observers(void **state)
{
	struct meter m = {.bounds = meter_job_bounds};
	pthread_t threads[OBSERVERS];
	struct err err = ERR_INIT;
	char *text, want[64];

	(void)state;
	for (int i = 0; i < OBSERVERS; i++)
		assert_int_equal(
		    thread_start(&threads[i], "observe", observe, &m, &err), 0);
	free(text_of(&m, "")); /* while they count */
	for (int i = 0; i < OBSERVERS; i++)
		thread_join(threads[i]);
	text = text_of(&m, "");
	snprintf(want, sizeof(want), "x_count %d\n", OBSERVERS * EACH);
	has_line(text, want);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bounds_ascend),
	    cmocka_unit_test(test_buckets_add_up),
	    cmocka_unit_test(test_phases_of_a_job),
	    cmocka_unit_test(test_many_observers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
