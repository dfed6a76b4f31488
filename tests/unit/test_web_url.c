/* Where requests and credentials may go. That they do is shown by
 * tests/integration/test_portal.py and test_source.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "web/web.h"

static void what_is_this_machine(void **state)
{
	static const struct {
		const char *url;
		bool clear_text;
	} cases[] = {{"https://github.com/x", false}, {"HTTPS://a", false},
	    {"http://127.0.0.1:80/x", false}, {"http://127.8.9.10", false},
	    {"http://localhost:3000", false}, {"HTTP://LocalHost", false},
	    {"http://a.localhost", false}, {"http://[::1]:80/", false},
	    {"http://github.com", true},
	    {"http://127.0.0.1.evil.example", true}, {"http://127.evil", true},
	    {"http://localhost.evil", true}, {"http://.localhost.evil", true},
	    {"http://127.0.0.1@evil", true}, {"http://evil#@127.0.0.1", true},
	    {"http://[::2]", true}, {"http://", true},
	    {"http:///localhost", true}, {"ftp://localhost", true},
	    {"file:///etc/passwd", true}, {"", true}, {"//localhost", true},
	    {"http://10.0.0.1", true}, {"http://0.0.0.0", true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (web_is_clear_text(cases[i].url) != cases[i].clear_text)
			fail_msg("%s", cases[i].url);
}

static void where_an_authority_ends(void **state)
{
	static const struct {
		const char *text;
		size_t n, host;
	} cases[] = {{"a.example/x", 9, 9}, {"a:8080?x", 6, 1},
	    {"[::1]:9/", 7, 5}, {"[::1]", 5, 5}, {"a", 1, 1}, {"", 0, 0},
	    {"/x", 0, 0}, {":80", 0, 0}, {"u@a", 0, 0}, {"u:p@a/x", 0, 0},
	    {"a b", 0, 0}, {"a\\b", 0, 0}, {"a%2fb", 0, 0}, {"a\r\nb", 0, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t host = 0, n = web_authority(cases[i].text, &host);

		if (n != cases[i].n || (n > 0 && host != cases[i].host))
			fail_msg("%s: %zu %zu", cases[i].text, n, host);
	}
}

#define HOME  "https://api.example"
#define LOCAL "http://127.0.0.1:9"

static void where_redirects_lead(void **state)
{
	static const struct {
		const char *home, *url, *location, *to; /* NULL: refused */
		bool foreign;
	} cases[] = {
	    {HOME, HOME "/a", "/b?c=d", HOME "/b?c=d", false},
	    {HOME, HOME "/a", HOME "/b", HOME "/b", false},
	    {HOME, HOME "/a", "HTTPS://API.example/b", "HTTPS://API.example/b",
		false},
	    {HOME, HOME "/a", "https://files.example/b",
		"https://files.example/b", true},
	    /* Another port, or the beginning of a longer name. */
	    {HOME, HOME "/a", HOME ":444/b", HOME ":444/b", true},
	    {HOME, HOME "/a", HOME ".evil/b", HOME ".evil/b", true},
	    /* From where we are, which is not home any more. */
	    {HOME, "https://files.example/b", "/c", "https://files.example/c",
		true},
	    {HOME, HOME "/a", "http://api.example/b", NULL, false},
	    {HOME, HOME "/a", LOCAL "/b", NULL, false},
	    {LOCAL, LOCAL "/a", LOCAL "/b", LOCAL "/b", false},
	    {LOCAL, LOCAL "/a", "http://127.0.0.1:10/b",
		"http://127.0.0.1:10/b", true},
	    {LOCAL, LOCAL "/a", "http://files.example/b", NULL, false},
	    {HOME, HOME "/a", "", NULL, false},
	    {HOME, HOME "/a", "b", NULL, false},
	    {HOME, HOME "/a", "//evil.example/b", NULL, false},
	    {HOME, HOME "/a", "ftp://api.example/b", NULL, false},
	    {HOME, HOME "/a", "https://u:p@api.example/b", NULL, false},
	    {HOME, HOME "/a", "https://api.example\\@evil/b", NULL, false},
	    {HOME, HOME "/a", "https:///b", NULL, false},
	    {HOME, HOME "/a", "/b c", NULL, false},
	    {HOME, HOME "/a", "/b\tc", NULL, false},
	    {HOME, HOME "/a", "/\xc3\xbc", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free) char *to = NULL;
		bool foreign = false;
		int done = web_redirect(cases[i].home, cases[i].url,
		    cases[i].location, &to, &foreign);

		if ((done == 0) != (cases[i].to != NULL))
			fail_msg("%s: %d", cases[i].location, done);
		if (done < 0)
			continue;
		assert_string_equal(to, cases[i].to);
		assert_int_equal(foreign, cases[i].foreign);
	}
}

static void a_redirect_has_a_bound(void **state)
{
	char location[4000];
	char *to;
	bool foreign;

	(void)state;
	memset(location, 'x', sizeof(location));
	location[0] = '/';
	location[sizeof(location) - 1] = '\0';
	assert_int_equal(
	    web_redirect(HOME, HOME "/a", location, &to, &foreign), -1);
}

static void text_in_an_address(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 40};

	(void)state;
	assert_int_equal(web_encode(&out, "a-Z_0.~"), 0);
	assert_int_equal(web_encode(&out, "/ %?#\xc3\xbc\n"), 0);
	assert_string_equal(buf_str(&out), "a-Z_0.~%2F%20%25%3F%23%C3%BC%0A");
	assert_int_equal(web_encode(&out, "much more than there is room"), -1);
}

/* Not one letter is sent where it would be read by all. */
static void nothing_goes_in_clear_text(void **state)
{
	static const struct web_peer peer = {"x", "X", "http://evil.example"};
	static const struct web_request request = {
	    .method = "GET", .url = "http://evil.example/"};
	CLEANUP(buf_fini) struct buf body = {.max = 100};
	struct ctx ctx = ctx_root();
	struct err err = ERR_INIT;
	int status = 0;

	(void)state;
	assert_int_equal(
	    web_exchange(&peer, &ctx, &request, 1000, &status, &body, &err),
	    -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.code, "x_clear_text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_this_machine),
	    cmocka_unit_test(where_an_authority_ends),
	    cmocka_unit_test(where_redirects_lead),
	    cmocka_unit_test(a_redirect_has_a_bound),
	    cmocka_unit_test(text_in_an_address),
	    cmocka_unit_test(nothing_goes_in_clear_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
