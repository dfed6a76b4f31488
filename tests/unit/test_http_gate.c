/* The pure checks around llhttp: http_gate.h, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "net/http_gate.h"

static void assert_scan(
    const char *text, enum http_gate_verdict want, size_t want_used)
{
	size_t len = strlen(text), cut, used, first;
	enum http_gate_verdict got;
	const char *why = NULL;

	/* In one piece, and cut anywhere: always the same. */
	for (cut = 0; cut <= len; cut++) {
		struct http_gate g = {0};

		got = http_gate_scan(&g, text, cut, &first, &why);
		used = first;
		if (got == HTTP_GATE_MORE) {
			got = http_gate_scan(
			    &g, text + cut, len - cut, &used, &why);
			used += first;
		}
		assert_int_equal(got, want);
		if (want != HTTP_GATE_BAD)
			assert_int_equal(used, want_used);
		else
			assert_non_null(why);
	}
}

static void test_scan(void **state)
{
	static const char *const bad[] = {"GET / HTTP/1.1\r\n X: y\r\n",
	    "GET / HTTP/1.1\r\nX: y\r\n z\r\n", "GET / HTTP/1.1\nX",
	    "GET / HTTP/1.1\r\nX : y", "GET / HTTP/1.1\r\n: y",
	    "GET / HTTP/1.1\r\nX: y\n", "GET / HTTP/1.1\r\nX: y\r\r\n",
	    "GET / HTTP/1.1\r\n\r\r", "GET  / HTTP/1.1", "GET /\r\n",
	    "GET /a b HTTP/1.1 ", " GET", "\r\n\r\n", "\n", "\rG",
	    "GET / HTTP/1.1\r\nX: \x01", "GET / HTTP/1.1\r\nX: \x7f",
	    "GET /\x80", "G\xc3\xa4T"};
	const char *whole = "POST /a HTTP/1.1\r\nHost: x\r\nA:\t\xc3 \r\n\r\n";
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++)
		assert_scan(bad[i], HTTP_GATE_BAD, 0);
	assert_scan(whole, HTTP_GATE_HEAD, strlen(whole));
	snprintf(text, sizeof(text), "%sGET ", whole);
	assert_scan(text, HTTP_GATE_HEAD, strlen(whole));
	snprintf(text, sizeof(text), "\r\n%s", whole);
	assert_scan(text, HTTP_GATE_HEAD, strlen(text));
	assert_scan("GET / HTTP/1.1\r\nX: y\r", HTTP_GATE_MORE, 21);
}

static int check(
    const char *pairs, size_t len, int minor, struct http_gate_facts *facts)
{
	const char *why = NULL;
	int status = 0;

	if (http_gate_headers(pairs, len, minor, facts, &status, &why) == 0)
		return 0;
	assert_non_null(why);
	return status;
}
#define CHECK(pairs, minor, facts)                                             \
	check((pairs), sizeof(pairs) - 1, (minor), (facts))

static void test_headers(void **state)
{
	struct http_gate_facts f;

	(void)state;
	assert_int_equal(CHECK("host\0x:80\0", 1, &f), 0);
	assert_false(f.chunked || f.has_length || f.expects_continue);
	assert_int_equal(
	    CHECK("host\0[::1]:80\0content-length\0003\0", 1, &f), 0);
	assert_true(f.has_length);
	assert_int_equal(CHECK("host\0x\0transfer-encoding\0Chunked\0"
			       "expect\0"
			       "100-Continue\0",
			     1, &f),
	    0);
	assert_true(f.chunked && f.expects_continue);
	assert_int_equal(CHECK("host\0x\0x-request-id\0a.b\0", 1, &f), 0);
	assert_string_equal(f.request_id, "a.b");
	assert_int_equal(CHECK("host\0x\0x-request-id\0a b\0", 1, &f), 0);
	assert_null(f.request_id);
	assert_int_equal(CHECK("", 0, &f), 0);
	assert_int_equal(CHECK("", 1, &f), 400);
	assert_int_equal(CHECK("host\0\0", 1, &f), 400);
	assert_int_equal(CHECK("host\0x\0host\0x\0", 0, &f), 400);
	assert_int_equal(CHECK("transfer-encoding\0chunked\0", 0, &f), 400);
	assert_int_equal(
	    CHECK("host\0x\0transfer-encoding\0chunked\0content-length\0"
		  "3\0",
		1, &f),
	    400);
	assert_int_equal(CHECK("host\0x\0content-length\0\0", 1, &f), 400);
	assert_int_equal(CHECK("host\0x\0expect\0more\0", 1, &f), 417);
}

static void assert_decoded(const char *raw, bool form, const char *want)
{
	const char *why = NULL;
	char out[64];
	long n = http_gate_unescape(raw, strlen(raw), form, out, &why);

	if (want == NULL) {
		assert_int_equal(n, -1);
		assert_non_null(why);
		return;
	}
	assert_int_equal(n, (long)strlen(want));
	assert_string_equal(out, want);
}

static void test_unescape(void **state)
{
	static const char *const bad[] = {"%", "%4", "a%", "%zz", "%g0", "%0g",
	    "%00", "%1f", "%7F", "%c0%ae", "%ed%a0%80", "%f4%90%80%80", "%c3",
	    "%ff"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_decoded(bad[i], false, NULL);
		assert_decoded(bad[i], true, NULL);
	}
	assert_decoded("", false, "");
	assert_decoded("/a%20b+c%2f%25%32%35", false, "/a b+c/%25");
	assert_decoded("a+b%2B%0a", true, "a b+\n");
	assert_decoded("%0a", false, NULL);
	assert_decoded("%F0%9F%98%80", false, "\xf0\x9f\x98\x80");
}

static void test_target(void **state)
{
	struct http_gate_target t;
	const char *why;

	(void)state;
#define SPLIT(raw) http_gate_target_split((raw), strlen(raw), &t, &why)
	assert_int_equal(SPLIT("/a?b?c"), 0);
	assert_memory_equal(t.path, "/a", t.path_len);
	assert_int_equal(t.query_len, 3);
	assert_int_equal(SPLIT("HTTP://h:1/a"), 0);
	assert_int_equal(t.path_len, 2);
	assert_null(t.query);
	assert_int_equal(SPLIT("https://h?q"), 0);
	assert_memory_equal(t.path, "/", t.path_len);
	assert_int_equal(t.query_len, 1);
	assert_int_equal(SPLIT("http://"), -1);
	assert_int_equal(SPLIT("http:///a"), -1);
	assert_int_equal(SPLIT("*"), -1);
	assert_int_equal(SPLIT("a/b"), -1);
	assert_int_equal(SPLIT("?a"), -1);
	assert_int_equal(SPLIT("/a#b"), -1);
	assert_true(http_gate_path_ok("/a/..b/c../.../d"));
	assert_false(http_gate_path_ok("/.."));
	assert_false(http_gate_path_ok("/a/../b"));
	assert_false(http_gate_path_ok("/a/..b/.."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scan),
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_unescape),
	    cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
