/* What an instance needs after its start: into the store, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "components/lifeplan.h"

#define NOON INT64_C(1700000000000000000)

static void there_and_back(const struct lifeplan *p, struct lifeplan *ret)
{
	CLEANUP(buf_fini) struct buf text = {.max = 4096};
	struct json j;

	json_init(&j, &text);
	json_obj(&j);
	lifeplan_write(p, &j);
	json_end(&j);
	lifeplan_init(ret);
	lifeplan_read(ret, buf_str(&text));
}

static void all_of_it_comes_back(void **state)
{
	char *secrets[] = {(char[]){"TOKEN"}, (char[]){"KEY"}, NULL};
	struct descriptor_port ports[] = {
	    {.host = 80, .container = 8080}, {.container = 53, .udp = true}};
	const struct descriptor d = {.ttl_ms = 60000,
	    .idle_ms = 1000,
	    .stop_grace_ms = 2000,
	    .restart = RESTART_ON_FAILURE,
	    .secrets = secrets,
	    .ports = ports,
	    .nports = ARRAY_LEN(ports),
	    .health = {.kind = HEALTH_HTTP,
		.path = (char[]){"/ready"},
		.port = 8080,
		.interval_ms = 100,
		.timeout_ms = 200,
		.start_period_ms = 300,
		.retries = 4}};
	struct lifeplan made, read;

	(void)state;
	lifeplan_init(&made);
	lifeplan_take(&made, &d, NOON);
	there_and_back(&made, &read);
	assert_int_equal(read.deadline, NOON + 60 * CLOCK_NS_PER_S);
	assert_int_equal(read.idle_ms, 1000);
	assert_int_equal(read.grace_ms, 2000);
	assert_int_equal(read.restart, RESTART_ON_FAILURE);
	assert_string_equal(read.secrets[0], "TOKEN");
	assert_string_equal(read.secrets[1], "KEY");
	assert_null(read.secrets[2]);
	assert_int_equal(read.nports, 1);
	assert_int_equal(read.ports[0], 8080);
	assert_true(read.udp);
	assert_int_equal(read.health.kind, HEALTH_HTTP);
	assert_string_equal(read.health.path, "/ready");
	assert_int_equal(read.health.port, 8080);
	assert_int_equal(read.health.interval_ms, 100);
	assert_int_equal(read.health.timeout_ms, 200);
	assert_int_equal(read.health.start_period_ms, 300);
	assert_int_equal(read.health.retries, 4);
	assert_string_equal(read.ended_run, "");
	lifeplan_fini(&made);
	lifeplan_fini(&read);
}

static void little_comes_back_as_little(void **state)
{
	const struct descriptor d = {.nports = 0};
	struct lifeplan made, read;

	(void)state;
	lifeplan_init(&made);
	lifeplan_take(&made, &d, NOON);
	there_and_back(&made, &read);
	assert_int_equal(read.deadline, 0);
	assert_int_equal(read.idle_ms, 0);
	assert_int_equal(read.grace_ms, LIFEPLAN_GRACE_MS);
	assert_int_equal(read.restart, RESTART_NO);
	assert_int_equal(read.health.kind, HEALTH_NONE);
	assert_null(read.secrets);
	lifeplan_fini(&made);
	lifeplan_fini(&read);
}

static void the_end_that_was_counted_comes_back(void **state)
{
	struct lifeplan made = {
	    .ended_run = "2026-01-31T12:00:00.123456789Z", .ended_log = 4711};
	struct lifeplan read;

	(void)state;
	there_and_back(&made, &read);
	assert_string_equal(read.ended_run, made.ended_run);
	assert_int_equal(read.ended_log, 4711);
	lifeplan_fini(&read);
}

/* Of an earlier release, of nobody, or broken. */
static void strange_plans_say_nothing(void **state)
{
	static const char *const texts[] = {NULL, "", "[]", "{", "{}",
	    "{\"stopGraceMs\":-1,\"restart\":\"sometimes\",\"ports\":[0,\"a\"],"
	    "\"deadline\":\"soon\",\"health\":{\"kind\":\"tcp\"},"
	    "\"secrets\":[7],\"endedLog\":5,\"endedRun\":"
	    "\"0123456789012345678901234567890123456789\"}"};
	struct lifeplan p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		lifeplan_init(&p);
		lifeplan_read(&p, texts[i]);
		assert_int_equal(p.grace_ms, LIFEPLAN_GRACE_MS);
		assert_int_equal(p.restart, RESTART_NO);
		assert_int_equal(p.deadline, 0);
		assert_int_equal(p.health.kind, HEALTH_NONE);
		assert_int_equal(p.nports, 0);
		assert_string_equal(p.ended_run, "");
		assert_true(p.secrets == NULL || p.secrets[0] == NULL);
		lifeplan_fini(&p);
	}
	lifeplan_init(&p);
	lifeplan_read(&p, "{\"stopGraceMs\":1500}"); /* of schema 3 */
	assert_int_equal(p.grace_ms, 1500);
	lifeplan_fini(&p);
}

static void who_is_started_again(void **state)
{
	struct lifeplan p;

	(void)state;
	lifeplan_init(&p);
	assert_false(lifeplan_restarts(&p, true));
	p.restart = RESTART_ON_FAILURE;
	assert_true(lifeplan_restarts(&p, true));
	assert_false(lifeplan_restarts(&p, false));
	p.restart = RESTART_ALWAYS;
	assert_true(lifeplan_restarts(&p, false));
}

static void waits_grow_and_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(lifeplan_delay_ms(1), 250);
	assert_int_equal(lifeplan_delay_ms(2), 500);
	assert_int_equal(lifeplan_delay_ms(8), 32000);
	assert_int_equal(lifeplan_delay_ms(9), 60000);
	assert_int_equal(lifeplan_delay_ms(1 << 30), 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_of_it_comes_back),
	    cmocka_unit_test(little_comes_back_as_little),
	    cmocka_unit_test(the_end_that_was_counted_comes_back),
	    cmocka_unit_test(strange_plans_say_nothing),
	    cmocka_unit_test(who_is_started_again),
	    cmocka_unit_test(waits_grow_and_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
