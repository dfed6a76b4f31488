/* store/runners.h: upsert by name, heartbeat, list, delete. */
#include "store_fixture.h"

#include "store/runners.h"

static runner_id touch(struct store *s, const struct runner *r)
{
	struct err err = ERR_INIT;
	runner_id id;

	ASSERT_OK(store_runner_touch(s, r, &id, &err));
	return id;
}

static struct runner proxy(const char *name)
{
	return (struct runner){
	    .name = (char *)name,
	    .type = (char *)"proxy",
	    .status = (char *)"idle",
	    .labels = (char *)"[\"x64\"]",
	    .repository = (char *)"o/x",
	};
}

static struct runner get_runner(struct store *s, runner_id id)
{
	struct err err = ERR_INIT;
	struct runner r = {0};

	assert_int_equal(store_runner_get(s, id, &r, &err), 1);
	return r;
}

/* Lets the clock stand at a chosen second. */
static void at(int64_t second)
{
	clock_fake_set(1, second * CLOCK_NS_PER_S);
}

static int real_clock(void **state)
{
	clock_fake_set(-1, 0);
	return fixture_teardown(state);
}

static void a_touch_makes_the_runner_then_renews_it(void **state)
{
	struct fixture *f = *state;
	struct runner seen = proxy("p1"), r;
	runner_id id, again;

	at(1000);
	id = touch(f->s, &seen);
	at(2000);
	again = touch(f->s, &seen);
	assert_true(uuid_equal(id.u, again.u));
	r = get_runner(f->s, id);
	assert_string_equal(r.name, "p1");
	assert_string_equal(r.type, "proxy");
	assert_string_equal(r.status, "idle");
	assert_string_equal(r.labels, "[\"x64\"]");
	assert_string_equal(r.repository, "o/x");
	assert_null(r.container_id);
	assert_int_equal(r.created_at, 1000 * CLOCK_NS_PER_S);
	assert_int_equal(r.updated_at, 1000 * CLOCK_NS_PER_S);
	assert_int_equal(r.last_heartbeat, 2000 * CLOCK_NS_PER_S);
	runner_fini(&r);
}

static void a_touch_changes_what_it_names_and_keeps_the_rest(void **state)
{
	struct fixture *f = *state;
	struct runner seen = proxy("p1"), r;
	runner_id id;

	at(1000);
	id = touch(f->s, &seen);
	at(3000);
	seen.status = (char *)"busy";
	seen.labels = seen.repository = NULL;
	touch(f->s, &seen);
	r = get_runner(f->s, id);
	assert_string_equal(r.status, "busy");
	assert_string_equal(r.labels, "[\"x64\"]");
	assert_string_equal(r.repository, "o/x");
	assert_int_equal(r.updated_at, 3000 * CLOCK_NS_PER_S);
	runner_fini(&r);
}

static void expect_runners(struct store *s, struct runner_filter filter,
    const char *names, int64_t total)
{
	struct runner_list l = {0};
	struct err err = ERR_INIT;
	char all[256] = "";

	ASSERT_OK(store_runner_list(s, &filter, &l, &err));
	for (size_t i = 0; i < l.n; i++)
		strncat(all, l.items[i].name, 32);
	assert_string_equal(all, names);
	assert_int_equal(l.total, total);
	runner_list_free(&l);
}

static void lists_filter_and_page_by_name(void **state)
{
	struct fixture *f = *state;
	struct runner r[3] = {proxy("c"), proxy("a"), proxy("b")};
	struct runner_list l = {0};
	struct err err = ERR_INIT;

	r[1].type = (char *)"dedicated";
	r[1].repository = NULL;
	r[2].status = (char *)"busy";
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		touch(f->s, &r[i]);
	expect_runners(
	    f->s, (struct runner_filter){.page = 1, .limit = 9}, "abc", 3);
	expect_runners(
	    f->s, (struct runner_filter){.page = 2, .limit = 2}, "c", 3);
	expect_runners(f->s,
	    (struct runner_filter){.type = "proxy", .page = 1, .limit = 9},
	    "bc", 2);
	expect_runners(f->s,
	    (struct runner_filter){
		.type = "proxy", .status = "idle", .page = 1, .limit = 9},
	    "c", 1);
	expect_runners(f->s,
	    (struct runner_filter){.repository = "o/x", .page = 1, .limit = 9},
	    "bc", 2);
	assert_int_equal(
	    store_runner_list(
		f->s, &(struct runner_filter){.page = 0, .limit = 9}, &l, &err),
	    -1);
	assert_int_equal(err.kind, ERR_INVALID);
}

static void a_deleted_runner_is_gone_and_may_come_back(void **state)
{
	struct fixture *f = *state;
	struct runner seen = proxy("p1"), r = {0};
	struct err err = ERR_INIT;
	runner_id id = touch(f->s, &seen), again;

	ASSERT_OK(store_runner_delete(f->s, id, &err));
	assert_int_equal(store_runner_get(f->s, id, &r, &err), 0);
	assert_int_equal(store_runner_delete(f->s, id, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	again = touch(f->s, &seen);
	assert_false(uuid_equal(id.u, again.u));
}

#define RUNNER_TEST(fn)                                                        \
	cmocka_unit_test_setup_teardown(fn, fixture_setup, real_clock)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RUNNER_TEST(a_touch_makes_the_runner_then_renews_it),
	    RUNNER_TEST(a_touch_changes_what_it_names_and_keeps_the_rest),
	    RUNNER_TEST(lists_filter_and_page_by_name),
	    RUNNER_TEST(a_deleted_runner_is_gone_and_may_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
