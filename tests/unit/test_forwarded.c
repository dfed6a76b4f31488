/* X-Forwarded-For: who is believed, and what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/forwarded.h"

static struct forwarded proxies(const char *csv)
{
	struct err err = ERR_INIT;
	struct forwarded f;

	assert_int_equal(forwarded_read(&f, csv, &err), 0);
	return f;
}

static void test_nobody_is_trusted_by_default(void **state)
{
	struct forwarded f = proxies(NULL);

	(void)state;
	assert_false(forwarded_trusts(&f, "127.0.0.1:4711"));
	assert_false(forwarded_trusts(&f, "unix"));
}

static void test_who_is_trusted(void **state)
{
	struct forwarded f = proxies("10.0.0.5,192.168.0.0/16,fd00::/8");

	(void)state;
	assert_true(forwarded_trusts(&f, "10.0.0.5:1"));
	assert_true(forwarded_trusts(&f, "192.168.77.1:65535"));
	assert_true(forwarded_trusts(&f, "[fd12::1]:80"));
	assert_true(forwarded_trusts(&f, "[::ffff:10.0.0.5]:80"));
	assert_false(forwarded_trusts(&f, "10.0.0.50:1"));
	assert_false(forwarded_trusts(&f, "[2001:db8::1]:80"));
	assert_false(forwarded_trusts(&f, "unix"));
	assert_false(forwarded_trusts(&f, "?:0"));
	assert_false(forwarded_trusts(&f, ""));
}

static void test_the_client(void **state)
{
	static const struct {
		const char *chain, *client; /* NULL: the peer itself */
	} cases[] = {
	    {"203.0.113.9", "203.0.113.9"},
	    {" 203.0.113.9\t", "203.0.113.9"},
	    {"203.0.113.9:5123", "203.0.113.9"},
	    {"2001:db8::1", "[2001:db8::1]"},
	    {"[2001:db8::1]", "[2001:db8::1]"},
	    {"[2001:DB8::1]:443", "[2001:db8::1]"},
	    {"::ffff:203.0.113.9", "203.0.113.9"},
	    /* the left part is what anybody may have sent */
	    {"1.2.3.4, 203.0.113.9", "203.0.113.9"},
	    {"1.2.3.4,203.0.113.9,10.0.0.7", "203.0.113.9"},
	    {"10.0.0.8, 203.0.113.9, 10.0.0.7,10.0.0.6", "203.0.113.9"},
	    /* all of them are ours */
	    {"10.0.0.8, 10.0.0.7", "10.0.0.8"},
	    /* what is no address ends it */
	    {"203.0.113.9, unknown", NULL},
	    {"203.0.113.9, _hidden, 10.0.0.7", "10.0.0.7"},
	    {"203.0.113.9, , 10.0.0.7", "10.0.0.7"},
	    {"203.0.113.9,", NULL},
	    {"", NULL},
	    {",", NULL},
	    {"203.0.113.0/24", NULL},
	    {"203.0.113.9 10.0.0.1", NULL},
	    {"[203.0.113.9", NULL},
	    {"[]", NULL},
	    {"[2001:db8::1]x", NULL},
	    {"256.1.1.1", NULL},
	    {"203.0.113.9:", "203.0.113.9"},
	    {"localhost", NULL},
	};
	struct forwarded f = proxies("10.0.0.0/8");
	char out[FORWARDED_PEER_MAX], huge[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool found = forwarded_client(&f, cases[i].chain, out);

		assert_int_equal(found, cases[i].client != NULL);
		if (found)
			assert_string_equal(out, cases[i].client);
	}
	memset(huge, '1', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_false(forwarded_client(&f, huge, out));
	memset(huge, ',', sizeof(huge) - 1);
	assert_false(forwarded_client(&f, huge, out));
}

static void test_an_address_without_its_port(void **state)
{
	static const struct {
		const char *peer;
		size_t len;
	} cases[] = {{"127.0.0.1:80", 9}, {"127.0.0.1", 9}, {"[::1]:80", 5},
	    {"[::1]", 5}, {"unix", 4}, {"2001:db8::1", 11}, {"", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    forwarded_host_len(cases[i].peer), cases[i].len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nobody_is_trusted_by_default),
	    cmocka_unit_test(test_who_is_trusted),
	    cmocka_unit_test(test_the_client),
	    cmocka_unit_test(test_an_address_without_its_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
