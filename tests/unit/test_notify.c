/* Webhooks' pure parts: where they may lead, and what they want. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "notify/address.h"
#include "notify/notify.h"
#include "notify/notify_internal.h"

static struct address_rules rules_of(const char *allow)
{
	struct address_rules r = {.nallow = 0};
	struct err err = ERR_INIT;

	assert_int_equal(
	    ip_ranges_read(allow, r.allow, ADDRESS_RANGES_MAX, &r.nallow, &err),
	    0);
	assert_int_equal(
	    ip_ranges_read("10.213.0.0/16", r.jobs, 4, &r.njobs, &err), 0);
	return r;
}

static bool may(const char *allow, const char *address, bool plain)
{
	struct address_rules r = rules_of(allow);
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	char why[160] = "";
	bool good;

	if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
		good = address_may(
		    &r, (struct sockaddr *)&four, plain, why, sizeof(why));
	else if (inet_pton(AF_INET6, address, &six.sin6_addr) == 1)
		good = address_may(
		    &r, (struct sockaddr *)&six, plain, why, sizeof(why));
	else
		fail_msg("no address: %s", address);
	assert_int_equal(good, *why == '\0');
	return good;
}

static void test_what_is_never_asked(void **state)
{
	static const char *const never[] = {"169.254.0.1", "169.254.169.254",
	    "169.254.255.255", "fe80::1", "febf::1", "fec0::1", "0.0.0.0",
	    "0.1.2.3", "::", "224.0.0.1", "255.255.255.255", "240.0.0.1",
	    "ff02::1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	    "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254",
	    "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1",
	    "::169.254.169.254"};

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		assert_false(may(NULL, never[i], false));
		assert_false(may("0.0.0.0/0, ::/0", never[i], false));
	}
}

static void test_what_is_asked_if_it_is_allowed(void **state)
{
	(void)state;
	assert_false(may(NULL, "127.0.0.1", false));
	assert_false(may(NULL, "127.9.9.9", true));
	assert_false(may(NULL, "::1", false));
	assert_false(may(NULL, "::ffff:127.0.0.1", false));
	assert_false(may(NULL, "10.213.0.7", false));
	assert_true(may("127.0.0.1", "127.0.0.1", true));
	assert_true(may("127.0.0.1", "::ffff:127.0.0.1", true));
	assert_false(may("127.0.0.1", "127.0.0.2", true));
	/* a translator's own prefix: it may lead anywhere */
	assert_false(may(NULL, "64:ff9b:1::a9fe:a9fe", false));
	assert_false(may(NULL, "64:ff9b:1:a9fe:a9:fe00::", false));
	assert_true(may("64:ff9b:1::/48", "64:ff9b:1::a9fe:a9fe", false));
	assert_true(may("::1/128", "::1", true));
	assert_true(may("10.213.4.0/22", "10.213.7.255", true));
	assert_false(may("10.213.4.0/22", "10.213.8.0", true));
}

static void test_plain_http_stays_within(void **state)
{
	(void)state;
	assert_true(may(NULL, "203.0.113.9", false));
	assert_true(may(NULL, "2001:db8::1", false));
	assert_false(may(NULL, "203.0.113.9", true));
	assert_false(may(NULL, "2001:db8::1", true));
	assert_true(may("203.0.113.0/24", "203.0.113.9", true));
	assert_true(may(NULL, "10.1.2.3", true));
	assert_true(may(NULL, "172.16.0.1", true));
	assert_false(may(NULL, "172.32.0.1", true));
	assert_true(may(NULL, "192.168.1.1", true));
	assert_true(may(NULL, "fd12::1", true));
}

static void test_networks_are_read_or_refused(void **state)
{
	static const char *const bad[] = {"x", "10.0.0.0/33", "10.0.0.0/-1",
	    "::1/129", "10.0.0.0/", "10.0.0", "1.2.3.4/8/8", "localhost"};
	struct ip_range ranges[4];
	struct err err = ERR_INIT;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		n = 0;
		err_clear(&err);
		assert_int_equal(
		    ip_ranges_read(bad[i], ranges, 4, &n, &err), -1);
	}
	n = 0;
	assert_int_equal(ip_ranges_read("1.1.1.1,2.2.2.2, ::1 , 3.0.0.0/8",
			     ranges, 4, &n, &err),
	    0);
	assert_int_equal(n, 4);
	err_clear(&err);
	n = 0;
	assert_int_equal(ip_ranges_read("1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,"
					"1.1.1.5",
			     ranges, 4, &n, &err),
	    -1);
}

static void test_patterns(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_true(pattern_matches("*", "job.failed"));
	assert_true(pattern_matches("runner.*,job.*", "job.failed"));
	assert_true(pattern_matches("job.failed", "job.failed"));
	assert_false(pattern_matches("job.fail", "job.failed"));
	assert_false(pattern_matches("job.failedx", "job.failed"));
	assert_false(pattern_matches("runner.*", "job.failed"));
	assert_int_equal(notify_events_check("job.*,hub.disk_low", &err), 0);
	assert_int_equal(notify_events_check("job.*,", &err), -1);
	err_clear(&err);
	assert_int_equal(notify_events_check("jo*", &err), -1);
	assert_true(pattern_takes_repository(NULL, NULL));
	assert_true(pattern_takes_repository("A/b", "a/B"));
	assert_true(pattern_takes_repository("a/*", "A/c"));
	assert_false(pattern_takes_repository("a/*", "ab/c"));
	assert_false(pattern_takes_repository("a/*", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_never_asked),
	    cmocka_unit_test(test_what_is_asked_if_it_is_allowed),
	    cmocka_unit_test(test_plain_http_stays_within),
	    cmocka_unit_test(test_networks_are_read_or_refused),
	    cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
