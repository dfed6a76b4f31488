/* base/: buffers, parsing, clock, uuid, JSON writer, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/parse.h"
#include "base/utf8.h"
#include "base/uuid.h"

static void buffer_refuses_to_pass_its_maximum(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	assert_int_equal(buf_append(&b, "abcd", 4), 0);
	assert_int_equal(buf_append(&b, "e", 1), -1);
	assert_true(b.overflow);
	assert_string_equal(buf_str(&b), "abcd");
	buf_consume(&b, 1);
	assert_string_equal(buf_str(&b), "bcd");
	buf_fini(&b);
}

static void json_writer_nests_and_escapes(void **state)
{
	struct buf b;
	struct json j;

	(void)state;
	buf_init(&b, 1024);
	json_init(&j, &b);
	json_obj(&j);
	json_kstr(&j, "a", "q\"\\\n\x01 \xc3\xa9 \xff");
	json_karr(&j, "l");
	json_int(&j, -1);
	json_none(&j);
	json_end(&j);
	json_kbool(&j, "t", true);
	json_end(&j);
	assert_string_equal(buf_str(&b),
	    "{\"a\":\"q\\\"\\\\\\n\\u0001 \xc3\xa9 \xef\xbf\xbd\","
	    "\"l\":[-1,null],\"t\":true}");
	buf_fini(&b);
}

static void numbers_are_bounded(void **state)
{
	int64_t v;
	double d;

	(void)state;
	assert_int_equal(parse_int("42", 0, 100, &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(parse_int("-1", 0, 100, &v), -1);
	assert_int_equal(parse_int("4x", 0, 100, &v), -1);
	assert_int_equal(parse_int("", 0, 100, &v), -1);
	assert_int_equal(
	    parse_int("99999999999999999999", 0, INT64_MAX, &v), -1);
	assert_int_equal(parse_size("512m", &v), 0);
	assert_int_equal(v, 512 << 20);
	assert_int_equal(parse_size("4GiB", &v), 0);
	assert_true(v == INT64_C(4) << 30);
	assert_int_equal(parse_size("9999999999t", &v), -1);
	assert_int_equal(parse_size("4q", &v), -1);
	assert_int_equal(parse_duration("2h", 1, &v), 0);
	assert_int_equal(v, 7200000);
	assert_int_equal(parse_duration("30", 1000, &v), 0);
	assert_int_equal(v, 30000);
	assert_int_equal(parse_num("1.5", 0, 2, &d), 0);
	assert_int_equal(parse_num("inf", 0, 2, &d), -1);
}

static void near_misses_are_found(void **state)
{
	(void)state;
	assert_int_equal(parse_distance("port", "prot"), 1);
	assert_int_equal(parse_distance("listen", "lisen"), 1);
	assert_int_equal(parse_distance("a", "a"), 0);
	assert_true(parse_distance("image", "capacity") > 3);
}

static void times_round_trip(void **state)
{
	char out[CLOCK_ISO_LEN];
	int64_t ns, ns2;

	(void)state;
	assert_int_equal(clock_parse_iso("2026-02-03T04:05:06.789Z", &ns), 0);
	assert_string_equal(clock_iso(ns, out), "2026-02-03T04:05:06.789Z");
	assert_int_equal(
	    clock_parse_iso("2026-02-03T06:05:06.789+02:00", &ns2), 0);
	assert_true(ns == ns2);
	assert_int_equal(clock_parse_iso("2026-02-31", &ns), -1);
	assert_int_equal(clock_parse_iso("yesterday", &ns), -1);
	assert_int_equal(clock_parse_iso("9999-12-31T23:59:60Z", &ns), 0);
	assert_true(ns > INT64_C(9000000000) * CLOCK_NS_PER_S);
	assert_int_equal(clock_parse_iso("0000-01-01", &ns), 0);
	assert_true(ns < INT64_C(-9000000000) * CLOCK_NS_PER_S);
	assert_int_equal(clock_parse_iso("2026-02-03T04:05:06Zjunk", &ns), -1);
}

static void v7_ids_only_go_up(void **state)
{
	char a[UUID_TEXT_LEN], b[UUID_TEXT_LEN];
	struct uuid id;

	(void)state;
	uuid_text(uuid_v7(), a);
	for (int i = 0; i < 10000; i++) {
		uuid_text(uuid_v7(), b);
		assert_true(strcmp(a, b) < 0);
		memcpy(a, b, sizeof(a));
	}
	assert_int_equal(a[14], '7');
	assert_int_equal(uuid_parse(a, &id), 0);
	assert_string_equal(uuid_text(id, b), a);
	assert_int_equal(uuid_parse("test-123", &id), -1);
	assert_int_equal(
	    uuid_parse("0000000g-0000-4000-8000-000000000000", &id), -1);
	assert_int_equal(uuid_text(uuid_v4(), a)[14], '4');
}

static void utf8_is_strict(void **state)
{
	(void)state;
	assert_true(utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
	assert_false(utf8_valid("\xc0\x80", 2));
	assert_false(utf8_valid("\xed\xa0\x80", 3));
	assert_false(utf8_valid("\xf4\x90\x80\x80", 4));
	assert_false(utf8_valid("\xe2\x82", 2));
}

static void errors_wrap_and_keep_their_kind(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
	    err_set(&err, ERR_CONFLICT, "busy", "port %d taken", 3), -1);
	assert_int_equal(err_wrap(&err, "start %s", "x"), -1);
	assert_string_equal(err.msg, "start x: port 3 taken");
	assert_string_equal(err.code, "busy");
	assert_int_equal(err_http_status(err.kind), 409);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(buffer_refuses_to_pass_its_maximum),
	    cmocka_unit_test(json_writer_nests_and_escapes),
	    cmocka_unit_test(numbers_are_bounded),
	    cmocka_unit_test(near_misses_are_found),
	    cmocka_unit_test(times_round_trip),
	    cmocka_unit_test(v7_ids_only_go_up),
	    cmocka_unit_test(utf8_is_strict),
	    cmocka_unit_test(errors_wrap_and_keep_their_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
