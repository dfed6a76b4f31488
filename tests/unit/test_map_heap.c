/* The hash map and the heap against naive models, by random operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "base/heap.h"
#include "base/map.h"

enum { THINGS = 700, STEPS = 60000 };

struct thing {
	int key, rank;
	bool in;
	struct map_node node;
	struct heap_node place;
};

static struct thing things[THINGS];

static int reset(void **state)
{
	(void)state;
	memset(things, 0, sizeof(things));
	for (int i = 0; i < THINGS; i++)
		things[i].key = i;
	srand(20260131);
	return 0;
}

static bool is_key(const struct map_node *node, const void *key)
{
	return CONTAINER_OF(node, struct thing, node)->key == *(const int *)key;
}

/* Few different hashes: many things share a bucket, and a whole hash. */
static uint64_t poor_hash(int key)
{
	return (uint64_t)(key % 97) << (key % 3 * 7);
}

static struct thing *look_up(const struct map *m, int key)
{
	struct map_node *node = map_find(m, poor_hash(key), is_key, &key);

	return node != NULL ? CONTAINER_OF(node, struct thing, node) : NULL;
}

static void test_map(void **state)
{
	struct map m = {0};
	size_t n = 0;

	(void)state;
	assert_null(look_up(&m, 1)); /* empty: no buckets yet */
	for (int i = 0; i < STEPS; i++) {
		struct thing *t = &things[rand() % THINGS];
		struct thing *probe = &things[rand() % THINGS];

		if (t->in)
			map_remove(&m, &t->node);
		else
			map_insert(&m, &t->node, poor_hash(t->key));
		t->in = !t->in;
		n = t->in ? n + 1 : n - 1;
		assert_int_equal(m.n, n);
		assert_ptr_equal(
		    look_up(&m, probe->key), probe->in ? probe : NULL);
	}
	for (int i = 0; i < THINGS; i++)
		assert_ptr_equal(
		    look_up(&m, i), things[i].in ? &things[i] : NULL);
	map_fini(&m);
	assert_int_equal(m.n, 0);
}

static void test_hash_spreads(void **state)
{
	size_t used = 0;
	bool seen[64] = {false};

	(void)state;
	for (int i = 0; i < 512; i++)
		seen[map_hash(&i, sizeof(i)) % 64] = true;
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		used += seen[i];
	assert_true(used > 56);
	assert_int_equal(map_hash("abc", 3), map_hash("abcd", 3));
	assert_int_not_equal(map_hash("abc", 3), map_hash("abd", 3));
}

static struct thing *thing_at(const struct heap_node *node)
{
	return CONTAINER_OF(node, struct thing, place);
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
	return thing_at(a)->rank < thing_at(b)->rank;
}

static int least_rank(void)
{
	int least = -1;

	for (int i = 0; i < THINGS; i++)
		if (things[i].in && (least < 0 || things[i].rank < least))
			least = things[i].rank;
	return least;
}

static void test_heap(void **state)
{
	struct heap h;
	size_t n = 0;

	(void)state;
	heap_init(&h, before);
	assert_null(heap_top(&h));
	for (int i = 0; i < STEPS / 4; i++) {
		struct thing *t = &things[rand() % THINGS];

		if (t->in) {
			heap_remove(&h, &t->place);
		} else {
			t->rank = rand() % 50;
			heap_push(&h, &t->place);
		}
		t->in = !t->in;
		n = t->in ? n + 1 : n - 1;
		assert_int_equal(h.n, n);
		if (n == 0)
			assert_null(heap_top(&h));
		else
			assert_int_equal(
			    thing_at(heap_top(&h))->rank, least_rank());
	}
	heap_fini(&h);
}

static void test_heap_sorts(void **state)
{
	struct heap h;
	int last = -1;

	(void)state;
	heap_init(&h, before);
	for (int i = 0; i < THINGS; i++) {
		things[i].rank = rand();
		heap_push(&h, &things[i].place);
	}
	while (heap_top(&h) != NULL) {
		struct thing *t = thing_at(heap_top(&h));

		assert_true(t->rank >= last);
		last = t->rank;
		heap_remove(&h, &t->place);
	}
	heap_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_map, reset),
	    cmocka_unit_test_setup(test_hash_spreads, reset),
	    cmocka_unit_test_setup(test_heap, reset),
	    cmocka_unit_test_setup(test_heap_sorts, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
