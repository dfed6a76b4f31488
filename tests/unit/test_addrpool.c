/* The address allocator: order, reuse, bounds, and many threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "sandbox/addrpool.h"

#define FIRST 0x0AD58001u /* 10.213.128.1 */

static struct addrpool *pool_of(uint32_t first, uint32_t count)
{
	struct err err = ERR_INIT;
	struct addrpool *p = NULL;

	assert_int_equal(addrpool_new(&p, first, count, &err), 0);
	return p;
}

static uint32_t take(struct addrpool *p)
{
	struct err err = ERR_INIT;
	uint32_t a = 0;

	assert_int_equal(addrpool_take(p, &a, &err), 0);
	return a;
}

static void refuses_impossible_ranges(void **state)
{
	struct err err = ERR_INIT;
	struct addrpool *p = NULL;

	(void)state;
	assert_int_equal(addrpool_new(&p, FIRST, 0, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_int_equal(addrpool_new(&p, FIRST, ADDRPOOL_MAX + 1, &err), -1);
	assert_int_equal(addrpool_new(&p, UINT32_MAX, 2, &err), -1);
	assert_null(p);
	addrpool_free(NULL);
}

static void takes_all_then_says_full(void **state)
{
	/* Less than a word, a word, a word and one, a whole half of a /16. */
	static const uint32_t counts[] = {1, 3, 64, 65, 32767};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(counts); n++) {
		CLEANUP(addrpool_free)
		struct addrpool *p = pool_of(FIRST, counts[n]);
		struct err err = ERR_INIT;
		uint32_t a = 0;

		for (uint32_t i = 0; i < counts[n]; i++)
			assert_int_equal(take(p), FIRST + i);
		assert_int_equal(addrpool_take(p, &a, &err), -1);
		assert_int_equal(err.kind, ERR_LIMIT);
		assert_int_equal(a, 0);
		addrpool_give(p, FIRST + counts[n] / 2);
		assert_int_equal(take(p), FIRST + counts[n] / 2);
		assert_int_equal(addrpool_used(p), counts[n]);
	}
}

static void reuses_a_freed_address_last(void **state)
{
	CLEANUP(addrpool_free) struct addrpool *p = pool_of(FIRST, 100);
	uint32_t a = take(p);

	(void)state;
	addrpool_give(p, a);
	for (uint32_t i = 1; i < 100; i++) {
		uint32_t b = take(p);

		assert_int_equal(b, FIRST + i);
		addrpool_give(p, b);
	}
	assert_int_equal(take(p), a);
}

/* The free one lies before the position, in the position's own word. */
static void goes_round_within_a_word(void **state)
{
	CLEANUP(addrpool_free) struct addrpool *p = pool_of(FIRST, 10);

	(void)state;
	for (int i = 0; i < 5; i++)
		take(p);
	for (uint32_t i = 5; i < 10; i++)
		assert_true(addrpool_reserve(p, FIRST + i));
	addrpool_give(p, FIRST + 2);
	assert_int_equal(take(p), FIRST + 2);
}

static void keeps_reserved_addresses(void **state)
{
	CLEANUP(addrpool_free) struct addrpool *p = pool_of(FIRST, 4);

	(void)state;
	assert_true(addrpool_reserve(p, FIRST + 1));
	assert_false(addrpool_reserve(p, FIRST + 1));
	assert_false(addrpool_reserve(p, FIRST - 1));
	assert_false(addrpool_reserve(p, FIRST + 4));
	assert_int_equal(take(p), FIRST);
	assert_int_equal(take(p), FIRST + 2);
	assert_int_equal(take(p), FIRST + 3);
	addrpool_give(p, FIRST + 4);
	addrpool_give(p, FIRST - 1);
	assert_int_equal(addrpool_used(p), 4);
	addrpool_give(p, FIRST + 1);
	addrpool_give(p, FIRST + 1);
	assert_int_equal(addrpool_used(p), 3);
	assert_int_equal(take(p), FIRST + 1);
}

static void works_up_to_the_last_address(void **state)
{
	CLEANUP(addrpool_free)
	struct addrpool *p = pool_of(UINT32_MAX - 1, 2);

	(void)state;
	assert_int_equal(take(p), UINT32_MAX - 1);
	assert_int_equal(take(p), UINT32_MAX);
	addrpool_give(p, 0);
	assert_int_equal(addrpool_used(p), 2);
}

enum { THREADS = 4, ROUNDS = 2000, HELD = 8, SHARED = 40 };

struct worker {
	struct addrpool *pool;
	_Atomic(int) *owners; /* by offset: how many think it is theirs */
	int clashes;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct err err = ERR_INIT;

	for (int r = 0; r < ROUNDS; r++) {
		uint32_t held[HELD];
		int n = 0;

		while (n < HELD && addrpool_take(w->pool, &held[n], &err) == 0)
			n++;
		for (int i = 0; i < n; i++)
			if (atomic_fetch_add(&w->owners[held[i] - FIRST], 1) >
			    0)
				w->clashes++;
		for (int i = 0; i < n; i++) {
			atomic_fetch_sub(&w->owners[held[i] - FIRST], 1);
			addrpool_give(w->pool, held[i]);
		}
	}
	return NULL;
}

static void never_hands_one_out_twice(void **state)
{
	CLEANUP(addrpool_free) struct addrpool *p = pool_of(FIRST, SHARED);
	_Atomic(int) owners[SHARED] = {0};
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	struct err err = ERR_INIT;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){p, owners, 0};
		assert_int_equal(thread_start(&threads[i], "addrpool", work,
				     &workers[i], &err),
		    0);
	}
	for (int i = 0; i < THREADS; i++) {
		thread_join(threads[i]);
		assert_int_equal(workers[i].clashes, 0);
	}
	assert_int_equal(addrpool_used(p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refuses_impossible_ranges),
	    cmocka_unit_test(takes_all_then_says_full),
	    cmocka_unit_test(reuses_a_freed_address_last),
	    cmocka_unit_test(goes_round_within_a_word),
	    cmocka_unit_test(keeps_reserved_addresses),
	    cmocka_unit_test(works_up_to_the_last_address),
	    cmocka_unit_test(never_hands_one_out_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
