/* store/: webhooks, what waits for them, and the notices that they are told. */
#include "store_fixture.h"

#include "store/instances.h"
#include "store/notices.h"
#include "store/runners.h"
#include "store/webhook_queue.h"
#include "store/webhooks.h"

static const char URL[] = "https://hooks.example/T0P-s3cret";

static struct uuid add(struct store *s, const char *name)
{
	CLEANUP(webhook_door_fini)
	struct webhook_door door = {.url = secret_new(URL, strlen(URL)),
	    .secret = secret_new("0123456789abcdef", 16)};
	struct webhook w = {.name = (char *)name,
	    .origin = (char *)"https://hooks.example",
	    .format = (char *)"generic",
	    .events = (char *)"*",
	    .enabled = true};
	struct err err = ERR_INIT;
	struct uuid id;

	if (store_webhook_add(s, &w, &door, &id, &err) < 0)
		fail_msg("%s", err.msg);
	return id;
}

static size_t queue(
    struct store *s, struct uuid id, size_t n, int64_t seq, int64_t max)
{
	struct webhook_item items[8];
	struct err err = ERR_INIT;
	size_t dropped;

	for (size_t i = 0; i < n; i++)
		items[i] = (struct webhook_item){id, "job.failed", NULL, "{}"};
	if (store_webhook_queue(s, items, n, seq, 0, max, &dropped, &err) < 0)
		fail_msg("%s", err.msg);
	return dropped;
}

static void count(struct store *s, struct uuid id, int64_t waiting,
    int64_t delivered, int64_t dropped)
{
	CLEANUP(webhook_fini) struct webhook w = {.name = NULL};
	struct err err = ERR_INIT;

	assert_int_equal(store_webhook_get(s, id, &w, &err), 1);
	assert_int_equal(w.waiting, waiting);
	assert_int_equal(w.delivered, delivered);
	assert_int_equal(w.dropped, dropped);
}

static void note(struct store *s, struct uuid id, int64_t seq,
    const char *state, int64_t due_at)
{
	struct webhook_result r = {
	    .seq = seq, .state = state, .due_at = due_at, .status = 500};
	struct err err = ERR_INIT;

	assert_int_equal(store_webhook_result(s, id, &r, &err), 0);
}

/* -- the door ---------------------------------------------------------- */

static void test_addresses_are_sealed_and_opened_again(void **state)
{
	CLEANUP(webhook_door_fini) struct webhook_door d = {0};
	CLEANUP(webhook_door_fini) struct webhook_door next = {0};
	struct fixture *f = *state;
	struct uuid id = add(f->s, "a");
	struct err err = ERR_INIT;
	struct webhook_change change = {.name = "b"};

	fixture_reopen(f);
	assert_int_equal(store_webhook_door(f->s, id, &d, &err), 1);
	assert_string_equal(secret_expose(d.url, NULL), URL);
	assert_string_equal(secret_expose(d.secret, NULL), "0123456789abcdef");
	/* What a change does not name stays. */
	change.door.secret = secret_new("another secret!!", 16);
	assert_int_equal(store_webhook_change(f->s, id, &change, &err), 0);
	secret_free(change.door.secret);
	assert_int_equal(store_webhook_door(f->s, id, &next, &err), 1);
	assert_string_equal(secret_expose(next.url, NULL), URL);
	assert_string_equal(
	    secret_expose(next.secret, NULL), "another secret!!");
}

enum { CHANGES = 200 };

struct renaming {
	struct store *s;
	struct uuid id;
};

static void *rename_often(void *arg)
{
	const struct renaming *r = arg;
	struct err err = ERR_INIT;
	char name[16];

	for (int i = 0; i < CHANGES; i++) {
		struct webhook_change change = {.name = name};

		snprintf(name, sizeof(name), "n%d", i);
		if (store_webhook_change(r->s, r->id, &change, &err) < 0)
			return NULL;
	}
	return arg;
}

/* Asserts nothing: another thread uses the store. */
static bool change_url(struct store *s, struct uuid id, const char *url)
{
	CLEANUP(webhook_door_fini) struct webhook_door d = {0};
	struct webhook_change change = {.origin = "https://x"};
	struct err err = ERR_INIT;
	int rc;

	change.door.url = secret_new(url, strlen(url));
	rc = store_webhook_change(s, id, &change, &err);
	secret_free(change.door.url);
	return rc == 0 && store_webhook_door(s, id, &d, &err) == 1 &&
	       strcmp(secret_expose(d.url, NULL), url) == 0;
}

static void test_a_new_name_takes_no_new_address_back(void **state)
{
	struct fixture *f = *state;
	struct renaming r = {f->s, add(f->s, "a")};
	struct err err = ERR_INIT;
	pthread_t other;
	int kept = 0;
	void *done;
	char url[64];

	assert_int_equal(
	    thread_start(&other, "renames", rename_often, &r, &err), 0);
	for (int i = 0; i < CHANGES; i++) {
		snprintf(url, sizeof(url), "https://x/%d", i);
		kept += change_url(f->s, r.id, url);
	}
	assert_int_equal(pthread_join(other, &done), 0);
	assert_non_null(done);
	assert_int_equal(kept, CHANGES);
}

static void test_names_are_unique(void **state)
{
	struct fixture *f = *state;
	struct uuid a = add(f->s, "a"), b = add(f->s, "b");
	struct webhook_change change = {.name = "a"};
	struct err err = ERR_INIT;

	assert_int_equal(store_webhook_change(f->s, b, &change, &err), -1);
	assert_string_equal(err.code, "webhook_exists");
	err_clear(&err);
	assert_int_equal(store_webhook_change(f->s, a, &change, &err), 0);
	assert_int_equal(
	    store_webhook_change(f->s, uuid_v7(), &change, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

/* -- deliveries -------------------------------------------------------- */

static void test_deliveries_wait_come_again_and_end(void **state)
{
	CLEANUP(webhook_delivery_fini) struct webhook_delivery d = {0};
	CLEANUP(webhook_delivery_fini) struct webhook_delivery same = {0};
	CLEANUP(webhook_delivery_fini) struct webhook_delivery none = {0};
	struct fixture *f = *state;
	struct uuid id = add(f->s, "a");
	struct err err = ERR_INIT;
	int64_t cursor;

	assert_int_equal(queue(f->s, id, 1, 17, 10), 0);
	assert_int_equal(store_webhook_cursor(f->s, &cursor, &err), 0);
	assert_int_equal(cursor, 17);
	assert_int_equal(store_webhook_next(f->s, id, &d, &err), 1);
	note(f->s, id, d.seq, "waiting", INT64_C(4711));
	fixture_reopen(f);
	assert_int_equal(store_webhook_next(f->s, id, &same, &err), 1);
	assert_string_equal(same.id, d.id);
	assert_int_equal(same.attempts, 1);
	assert_int_equal(same.due_at, 4711);
	assert_int_equal(same.status, 500);
	note(f->s, id, d.seq, "delivered", 0);
	assert_int_equal(store_webhook_next(f->s, id, &none, &err), 0);
	count(f->s, id, 0, 1, 0);
}

static void test_those_due_first_come_first(void **state)
{
	CLEANUP(webhook_delivery_fini) struct webhook_delivery first = {0};
	CLEANUP(webhook_delivery_fini) struct webhook_delivery next = {0};
	struct fixture *f = *state;
	struct uuid id = add(f->s, "a");
	struct err err = ERR_INIT;

	queue(f->s, id, 2, 1, 10);
	assert_int_equal(store_webhook_next(f->s, id, &first, &err), 1);
	note(f->s, id, first.seq, "waiting", INT64_MAX);
	assert_int_equal(store_webhook_next(f->s, id, &next, &err), 1);
	assert_int_not_equal(next.seq, first.seq);
}

static void test_no_more_wait_than_may(void **state)
{
	struct fixture *f = *state;
	struct uuid a = add(f->s, "a"), b = add(f->s, "b");
	struct err err = ERR_INIT;

	assert_int_equal(queue(f->s, a, 8, 1, 5), 3);
	assert_int_equal(queue(f->s, b, 2, 2, 5), 0);
	count(f->s, a, 5, 0, 3);
	count(f->s, b, 2, 0, 0);
	assert_int_equal(store_webhook_delete(f->s, a, &err), 1);
	assert_int_equal(store_webhook_delete(f->s, a, &err), 0);
	/* Of one that is gone nothing is kept. */
	queue(f->s, a, 3, 3, 5);
	count(f->s, b, 2, 0, 0);
}

static void test_old_ones_are_forgotten(void **state)
{
	CLEANUP(webhook_delivery_list_free)
	struct webhook_delivery_list l = {0};
	struct fixture *f = *state;
	struct uuid id = add(f->s, "a");
	struct err err = ERR_INIT;

	for (int i = 0; i < WEBHOOK_KEPT + 10; i++) {
		CLEANUP(webhook_delivery_fini) struct webhook_delivery d = {0};

		queue(f->s, id, 1, i, 10);
		assert_int_equal(store_webhook_next(f->s, id, &d, &err), 1);
		note(f->s, id, d.seq, "delivered", 0);
	}
	queue(f->s, id, 1, 999, 10);
	assert_int_equal(
	    store_webhook_deliveries(f->s, id, 0, 1000, &l, &err), 0);
	assert_int_equal(l.n, WEBHOOK_KEPT + 1);
	assert_string_equal(l.items[0].state, "waiting");
	assert_int_equal(l.items[1].seq, WEBHOOK_KEPT + 10);
}

/* -- notices ----------------------------------------------------------- */

static void expect_notice(
    struct store *s, int64_t *after, const char *type, const char *part)
{
	CLEANUP(notice_list_free) struct notice_list l = {0};
	struct err err = ERR_INIT;

	assert_int_equal(store_notices_after(s, *after, 10, &l, &err), 0);
	assert_int_equal(l.n, type != NULL);
	if (type == NULL)
		return;
	assert_string_equal(l.items[0].type, type);
	assert_non_null(strstr(l.items[0].data, part));
	*after = l.items[0].seq;
}

static void set_runner(struct store *s, runner_id id, const char *status)
{
	struct runner_change change = {.status = status, .heartbeat = true};
	struct err err = ERR_INIT;

	assert_int_equal(store_runner_change(s, id, &change, &err), 0);
}

static void test_runners_that_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct runner seen = {.name = (char *)"r",
	    .type = (char *)"proxy",
	    .status = (char *)"offline"};
	struct err err = ERR_INIT;
	int64_t after = 0;
	runner_id id;

	add(f->s, "a");
	assert_int_equal(store_runner_touch(f->s, &seen, &id, &err), 0);
	expect_notice(f->s, &after, NULL, NULL);
	set_runner(f->s, id, "idle");
	expect_notice(f->s, &after, "runner.online", "\"status\":\"idle\"");
	set_runner(f->s, id, "busy");
	set_runner(f->s, id, "busy");
	set_runner(f->s, id, "idle");
	expect_notice(f->s, &after, NULL, NULL);
	set_runner(f->s, id, "offline");
	expect_notice(f->s, &after, "runner.offline", "\"from\":\"idle\"");
	set_runner(f->s, id, "offline");
	expect_notice(f->s, &after, NULL, NULL);
}

static void set_instance(
    struct store *s, instance_id id, enum instance_status to, const char *error)
{
	struct instance_change change = {.to = to, .error = error};
	struct err err = ERR_INIT;

	assert_int_equal(store_instance_change(s, id, &change, &err), 0);
}

static void test_components_that_are_ready_and_over(void **state)
{
	struct fixture *f = *state;
	struct instance_admission wanted = {
	    .component_ref = "component:default/demo", .max = 3};
	struct err err = ERR_INIT;
	int64_t after = 0;
	instance_id id;

	add(f->s, "a");
	assert_int_equal(store_instance_admit(f->s, &wanted, &id, &err), 0);
	expect_notice(f->s, &after, NULL, NULL);
	set_instance(f->s, id, INSTANCE_RUNNING, NULL);
	expect_notice(
	    f->s, &after, "component.ready", "component:default/demo");
	set_instance(f->s, id, 0, NULL);
	set_instance(f->s, id, INSTANCE_STOPPING, NULL);
	expect_notice(f->s, &after, NULL, NULL);
	set_instance(f->s, id, INSTANCE_ERROR, "it fell over");
	expect_notice(f->s, &after, "component.error", "it fell over");
}

static void test_without_webhooks_there_are_none(void **state)
{
	struct fixture *f = *state;
	struct runner seen = {.name = (char *)"r",
	    .type = (char *)"proxy",
	    .status = (char *)"idle"};
	struct err err = ERR_INIT;
	int64_t after = 0;
	runner_id id;

	assert_int_equal(store_runner_touch(f->s, &seen, &id, &err), 0);
	set_runner(f->s, id, "offline");
	store_notice(f->s, "hub.engine_down", "{}");
	add(f->s, "a"); /* behind them all in the writer's queue */
	expect_notice(f->s, &after, NULL, NULL);
	store_notice(f->s, "hub.engine_up", "{}");
	assert_int_equal(store_check(f->s, &err), 0); /* that is written */
	expect_notice(f->s, &after, "hub.engine_up", "{}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_addresses_are_sealed_and_opened_again),
	    STORE_TEST(test_a_new_name_takes_no_new_address_back),
	    STORE_TEST(test_names_are_unique),
	    STORE_TEST(test_deliveries_wait_come_again_and_end),
	    STORE_TEST(test_those_due_first_come_first),
	    STORE_TEST(test_no_more_wait_than_may),
	    STORE_TEST(test_old_ones_are_forgotten),
	    STORE_TEST(test_runners_that_come_and_go),
	    STORE_TEST(test_components_that_are_ready_and_over),
	    STORE_TEST(test_without_webhooks_there_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
