/* Events from the store to followers: the ring, what has left it, filters. */
#include "store_fixture.h"

#include "jobs/bus.h"

/* Events after *seq as text; calls until there are no more. */
static char *read_all(
    struct bus *b, int64_t *seq, const struct bus_filter *filter, int at_once)
{
	struct buf out;
	struct err err = ERR_INIT;
	bool more = true;

	buf_init(&out, 16 << 20);
	while (more)
		if (bus_read(b, seq, filter, at_once, &out, &more, &err) < 0)
			fail_msg("bus_read: %s", err.msg);
	return buf_steal(&out, NULL);
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static struct bus *open_bus(struct fixture *f)
{
	struct bus *b;
	struct err err = ERR_INIT;

	assert_int_equal(bus_open(&b, f->s, &err), 0);
	return b;
}

/* The store's writer publishes: it ends before the bus. */
static void close_bus(struct fixture *f, struct bus *b)
{
	fixture_close(f);
	bus_close(b);
	fixture_open(f);
}

static void test_events_of_a_job(void **state)
{
	struct fixture *f = *state;
	struct bus *b = open_bus(f);
	const struct bus_filter all = {0};
	int64_t seq = bus_last_seq(b);
	char *text;

	run_to_end(f->s, insert_one(f->s, "one"), JOB_COMPLETED);
	text = read_all(b, &seq, &all, 200);
	assert_int_equal(count(text, "event: job:delegated\n"), 1);
	assert_int_equal(count(text, "event: job:status\n"), 3);
	assert_int_equal(count(text, "\n\n"), 4);
	assert_true(strncmp(text, "id: 1\n", 6) == 0);
	assert_non_null(strstr(text, "\"status\":\"completed\""));
	assert_int_equal(seq, bus_last_seq(b));
	mem_free(text);
	text = read_all(b, &seq, &all, 200);
	assert_string_equal(text, "");
	mem_free(text);
	close_bus(f, b);
}

static void test_filters(void **state)
{
	struct fixture *f = *state;
	struct bus *b = open_bus(f);
	struct bus_filter filter = {.has_job = true};
	int64_t seq = 0;
	char *text;

	insert_one(f->s, "one");
	filter.job = insert_one(f->s, "two");
	insert_one(f->s, "three");
	text = read_all(b, &seq, &filter, 200);
	assert_int_equal(count(text, "event: "), 1);
	assert_int_equal(seq, 3); /* past what did not match */
	mem_free(text);
	filter = (struct bus_filter){.repository = "no/such"};
	seq = 0;
	text = read_all(b, &seq, &filter, 200);
	assert_string_equal(text, "");
	mem_free(text);
	close_bus(f, b);
}

/* One that was away reads from the store what has left the ring; no event
 * is lost or told twice where the two meet. */
static void test_what_has_left_the_ring(void **state)
{
	enum { MANY = 4096 + 300 };
	struct fixture *f = *state;
	const struct bus_filter all = {0};
	struct bus *b;
	int64_t seq = 0, last = 0;
	char *text, name[32];

	for (int i = 0; i < 5; i++) { /* before the bus was there */
		snprintf(name, sizeof(name), "early-%d", i);
		insert_one(f->s, name);
	}
	b = open_bus(f);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "job-%d", i);
		insert_one(f->s, name);
	}
	text = read_all(b, &seq, &all, 200);
	assert_int_equal(count(text, "event: job:delegated"), MANY + 5);
	for (const char *at = text; (at = strstr(at, "id: ")) != NULL; at++) {
		if (at != text && at[-1] != '\n')
			continue;
		assert_int_equal(strtoll(at + 4, NULL, 10), last + 1);
		last++;
	}
	assert_int_equal(last, MANY + 5);
	mem_free(text);
	close_bus(f, b);
}

/* A reader with little room gets all of it in pieces. */
static void test_little_room(void **state)
{
	struct fixture *f = *state;
	const struct bus_filter all = {0};
	struct bus *b;
	struct err err = ERR_INIT;
	int64_t seq = 0;
	char name[32];
	int told = 0;
	bool more = true;

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "early-%d", i);
		insert_one(f->s, name);
	}
	b = open_bus(f);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "job-%d", i);
		insert_one(f->s, name);
	}
	while (more) {
		CLEANUP(buf_fini) struct buf out = {0};

		buf_init(&out, 1000);
		assert_int_equal(
		    bus_read(b, &seq, &all, 200, &out, &more, &err), 0);
		told += count(buf_str(&out), "event: ");
		assert_int_equal(count(buf_str(&out), "event: "),
		    count(buf_str(&out), "\n\n"));
	}
	assert_int_equal(told, 40);
	close_bus(f, b);
}

/* -- followers ------------------------------------------------------------ */

struct counter {
	atomic_int n;
};

static void count_wake(void *arg)
{
	struct counter *c = arg;

	atomic_fetch_add(&c->n, 1);
}

static void test_followers_are_woken(void **state)
{
	struct fixture *f = *state;
	struct bus *b = open_bus(f);
	struct counter all = {0}, one = {0};
	struct bus_follower fa = {.wake = count_wake, .arg = &all};
	struct bus_follower fo = {
	    .wake = count_wake, .arg = &one, .has_job = true};

	fo.job = insert_one(f->s, "watched");
	bus_follow(b, &fa);
	bus_follow(b, &fo);
	insert_one(f->s, "other");
	run_to_end(f->s, fo.job, JOB_FAILED);
	/* The store tells after its commit: what was asked later is behind. */
	bus_leave(b, &fo);
	insert_one(f->s, "later");
	fixture_close(f);
	assert_int_equal(atomic_load(&one.n), 3);
	assert_int_equal(atomic_load(&all.n), 5);
	bus_leave(b, &fa);
	bus_leave(b, &fa); /* not there any more: nothing happens */
	bus_close(b);
	fixture_open(f);
}

struct visitor {
	struct bus *b;
	atomic_bool over;
};

static void *come_and_go(void *arg)
{
	struct visitor *v = arg;
	const struct bus_filter all = {0};
	int64_t seq = 0;

	while (!atomic_load(&v->over)) {
		struct counter c = {0};
		struct bus_follower f = {.wake = count_wake, .arg = &c};
		char *text;

		bus_follow(v->b, &f);
		text = read_all(v->b, &seq, &all, 10);
		mem_free(text);
		bus_leave(v->b, &f);
	}
	return NULL;
}

static void test_followers_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct visitor v = {.b = open_bus(f)};
	pthread_t threads[3];
	struct err err = ERR_INIT;
	char name[32];

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    thread_start(&threads[i], "visitor", come_and_go, &v, &err),
		    0);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "job-%d", i);
		insert_one(f->s, name);
	}
	atomic_store(&v.over, true);
	for (size_t i = 0; i < 3; i++)
		thread_join(threads[i]);
	close_bus(f, v.b);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_events_of_a_job),
	    TEST(test_filters),
	    TEST(test_what_has_left_the_ring),
	    TEST(test_little_room),
	    TEST(test_followers_are_woken),
	    TEST(test_followers_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
