/* What the sandboxes' network decides without an engine: its range, who may
 * ask for which network, the resolvers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sandbox/sandbox_internal.h"
#include "sandbox/session_network.h"

static struct network *open_with(
    const char *mode, const char *subnet, const char *dns, struct err *err)
{
	const struct network_config c = {
	    .hub_id = "563f72ea-dc58-4568-8292-89e952a94ebe",
	    .mode = mode,
	    .mechanism = "auto",
	    .subnet = subnet,
	    .dns = dns};
	struct network *n = NULL;

	return network_open(&n, &c, err) == 0 ? n : NULL;
}

static void test_subnets(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} subnets[] = {{"10.213.0.0/16", true}, {"10.0.0.0/8", true},
	    {"192.168.7.0/28", true}, {"10.213.77.5/16", true},
	    {"10.213.0.0", false}, {"10.213.0.0/", false},
	    {"10.213.0.0/7", false}, {"10.213.0.0/29", false},
	    {"10.213.0.0/x", false}, {"10.213.0/16", false},
	    {"10.213.0.256/16", false}, {"fd00::/16", false}, {"", false},
	    {"/16", false}, {"1234567890.1234567890.1.1/16", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(subnets); i++) {
		struct err err = ERR_INIT;
		struct network *n =
		    open_with("isolated", subnets[i].text, NULL, &err);

		if (subnets[i].ok != (n != NULL))
			fail_msg("subnet \"%s\": %s", subnets[i].text, err.msg);
		if (n == NULL) {
			assert_int_equal(err.kind, ERR_INVALID);
			assert_string_equal(err.code, "bad_subnet");
		}
		network_close(n);
	}
}

static void test_who_may_ask_for_what(void **state)
{
	struct err err = ERR_INIT;
	struct network *n =
	    open_with("isolated", "10.213.0.0/16", "10.1.1.1", &err);
	enum network_kind kind;
	const char *name = "x";
	char text[200];

	(void)state;
	/* Without a network nothing needs to be prepared. */
	assert_int_equal(network_choose(n, "none", &kind, &name, &err), 0);
	assert_int_equal(kind, NETWORK_NONE);
	assert_null(name);
	assert_int_equal(network_choose(n, NULL, &kind, &name, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_string_equal(err.code, "network_not_ready");
	assert_string_equal(
	    network_describe(n, text, sizeof(text)), "not set up yet");
	assert_false(network_host_exposed(n, text, sizeof(text)));
	network_give_address(n, 7); /* none was taken: nothing happens */
	network_close(n);
}

static void test_mode_none(void **state)
{
	struct err err = ERR_INIT;
	const struct ctx ctx = ctx_root();
	struct network *n = open_with("none", "10.213.0.0/16", NULL, &err);
	enum network_kind kind;
	const char *name;
	char text[200];

	(void)state;
	assert_int_equal(network_prepare(n, &ctx, &err), 0);
	assert_int_equal(network_choose(n, NULL, &kind, &name, &err), 0);
	assert_int_equal(kind, NETWORK_NONE);
	assert_string_equal(network_describe(n, text, sizeof(text)), "none");
	assert_false(network_host_exposed(n, text, sizeof(text)));
	assert_int_equal(network_choose(n, "bridge", &kind, &name, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.code, "network_not_allowed");
	network_close(n);
}

/* IPv6, loopback and what is no address are out of a sandbox's reach. */
static void test_resolvers(void **state)
{
	struct err err = ERR_INIT;
	struct network *n = open_with("isolated", "10.213.0.0/16",
	    "127.0.0.53,10.1.1.1, fd00::1,bad,10.1.1.2 10.1.1.3,10.1.1.4",
	    &err);
	CLEANUP(buf_fini) struct buf text = {0};

	(void)state;
	buf_init(&text, 1024);
	network_resolv_conf(n, &text);
	assert_string_equal(buf_str(&text),
	    "nameserver 10.1.1.1\nnameserver 10.1.1.2\n"
	    "nameserver 10.1.1.3\n");
	network_close(n);
}

/* A range with few parts spares none for what is not there yet. */
static void test_parts_to_spare(void **state)
{
	static const struct {
		const char *range;
		bool many;
	} cases[] = {{"10.214.0.0/16", true}, {"10.214.0.0/22", true},
	    {"10.214.0.0/23", false}, {"10.214.0.0/28", false},
	    {"nonsense", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct sandboxes s = {
		    .config.session_subnet = cases[i].range};

		assert_int_equal(session_networks_are_many(&s), cases[i].many);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_subnets),
	    cmocka_unit_test(test_who_may_ask_for_what),
	    cmocka_unit_test(test_mode_none),
	    cmocka_unit_test(test_resolvers),
	    cmocka_unit_test(test_parts_to_spare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
