/* What is kept of a portal's replies: for how long, how many, how much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "portal/kept.h"

static void put(
    struct kept *k, const char *key, size_t n, char fill, int64_t until_ns)
{
	CLEANUP(buf_fini) struct buf body = {.max = 1 << 20};

	memset(buf_reserve(&body, n), fill, n);
	buf_commit(&body, n);
	kept_put(k, key, &body, until_ns);
}

/* The first letter of what is kept, '-' for nothing. */
static char get(struct kept *k, const char *key)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};

	return kept_get(k, key, &out) ? out.data[0] : '-';
}

static void until_its_end(void **state)
{
	struct kept *k = kept_new();

	(void)state;
	clock_fake_set(1000, 1000);
	put(k, "a", 3, 'x', 1010);
	put(k, "b", 3, 'y', 1020);
	assert_int_equal(get(k, "a"), 'x');
	assert_int_equal(get(k, "c"), '-');
	clock_fake_set(1010, 1010);
	assert_int_equal(get(k, "a"), '-');
	assert_int_equal(get(k, "b"), 'y');
	put(k, "b", 3, 'z', 1030);
	clock_fake_set(1025, 1025);
	assert_int_equal(get(k, "b"), 'z');
	clock_fake_set(-1, 0);
	kept_free(k);
}

static void a_number_of_them(void **state)
{
	struct kept *k = kept_new();
	char key[16];

	(void)state;
	clock_fake_set(0, 0);
	for (int i = 0; i < KEPT_MAX + 10; i++) {
		snprintf(key, sizeof(key), "%d", i);
		put(k, key, 1, 'x', 1000 + i);
	}
	/* Those that end first have gone first. */
	assert_int_equal(get(k, "9"), '-');
	assert_int_equal(get(k, "10"), 'x');
	assert_int_equal(get(k, key), 'x');
	clock_fake_set(-1, 0);
	kept_free(k);
}

static void an_amount_of_bytes(void **state)
{
	struct kept *k = kept_new();
	char key[16];

	(void)state;
	clock_fake_set(0, 0);
	put(k, "huge", KEPT_ONE_MAX + 1, 'x', 1000);
	assert_int_equal(get(k, "huge"), '-');
	for (int i = 0; i < 3 * KEPT_BYTES_MAX / KEPT_ONE_MAX; i++) {
		snprintf(key, sizeof(key), "%d", i);
		put(k, key, KEPT_ONE_MAX, 'x', 1000 + i);
	}
	assert_int_equal(get(k, "0"), '-');
	assert_int_equal(get(k, key), 'x');
	/* One that has grown too large does not leave an old one behind. */
	put(k, key, KEPT_ONE_MAX + 1, 'y', 9000);
	assert_int_equal(get(k, key), '-');
	clock_fake_set(-1, 0);
	kept_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(until_its_end),
	    cmocka_unit_test(a_number_of_them),
	    cmocka_unit_test(an_amount_of_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
