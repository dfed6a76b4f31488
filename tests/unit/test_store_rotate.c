/* store/: another key of the operator voids nothing, and the old one opens
 * nothing any more. */
#include "store_fixture.h"

#include <sqlite3.h>

#include "store/audit.h"
#include "store/named_secrets.h"
#include "store/rotate.h"
#include "store/runners.h"
#include "store/seal.h"
#include "store/webhook_queue.h"
#include "store/webhooks.h"

static const char SCHEMA_1[] =
#include "store_schema_1.inc"
    ;
static const char ONE[] = "the first key of this hub";
static const char TWO[] = "the second key of this hub";
static const char PLAIN[] = "{\"TOKEN\":\"correct horse\"}";
enum { MANY = 40 }; /* more than a transaction seals anew */

/* All that hangs on a key. */
struct things {
	job_id job;
	runner_id runner;
	char runner_token[RUNNER_TOKEN_LEN], session_token[SESSION_TOKEN_LEN];
	uint64_t hash;
	struct uuid webhook;
};

static void put_named(struct store *s)
{
	struct err err = ERR_INIT;
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "NAME_%d", i);
		ASSERT_OK(store_named_secret_put(s,
		    &(struct named_secret_new){
			.name = name, .value = name, .len = strlen(name)},
		    &err));
	}
}

static struct uuid add_webhook(struct store *s)
{
	struct webhook w = {.name = (char *)"ops",
	    .origin = (char *)"https://hooks.example.com",
	    .format = (char *)"generic",
	    .events = (char *)"[]",
	    .enabled = true};
	CLEANUP(webhook_door_fini) struct webhook_door door = {
	    .url = secret_new("https://hooks.example.com/x", 27)};
	struct uuid id = {0};
	struct err err = ERR_INIT;

	ASSERT_OK(store_webhook_add(s, &w, &door, &id, &err));
	return id;
}

static struct things fill(struct store *s)
{
	struct runner r = {.name = (char *)"a",
	    .type = (char *)"proxy",
	    .status = (char *)"idle",
	    .labels = (char *)"[]"};
	struct audit_entry e = {.at = clock_wall_ns(),
	    .actor = (char *)"key",
	    .address = (char *)"unix",
	    .action = (char *)"job.delegate",
	    .result = (char *)"ok"};
	struct job_new n = sample("sealed");
	struct err err = ERR_INIT;
	struct things t;

	n.secrets = PLAIN;
	n.secrets_len = sizeof(PLAIN) - 1;
	assert_int_equal(insert_and_wait(s, &n).result, JOB_INSERTED);
	t.job = n.job.id;
	put_named(s);
	ASSERT_OK(store_runner_touch(s, &r, &t.runner, &err));
	ASSERT_OK(store_runner_new_token(s, t.runner, t.runner_token, &err));
	store_session_token(s, t.job.u, t.session_token);
	t.hash = store_content_hash(s, "abc", 3);
	t.webhook = add_webhook(s);
	store_audit_add(s, &e);
	ASSERT_OK(store_check(s, &err));
	return t;
}

static void expect_named(struct store *s)
{
	struct err err = ERR_INIT;
	char name[16];

	for (int i = 0; i < MANY; i++) {
		CLEANUP(buf_fini) struct buf b = {.max = 64};

		snprintf(name, sizeof(name), "NAME_%d", i);
		if (store_named_secret_get(s, name, &b, NULL, &err) != 1)
			fail_msg("%s: %s", name, err.msg);
		assert_string_equal(buf_str(&b), name);
	}
}

static void expect_all(struct store *s, const struct things *t)
{
	CLEANUP(secret_free) struct secret *plain = NULL;
	struct err err = ERR_INIT;
	CLEANUP(webhook_door_fini) struct webhook_door door = {.url = NULL};
	struct audit_report r;
	struct uuid job;
	runner_id id;

	ASSERT_OK(store_job_secrets(s, t->job, &plain, &err));
	assert_string_equal(secret_expose(plain, NULL), PLAIN);
	expect_named(s);
	assert_int_equal(
	    store_runner_by_token(s, t->runner_token, &id, &err), 1);
	assert_true(uuid_equal(id.u, t->runner.u));
	assert_true(store_session_token_check(s, t->session_token, &job));
	assert_true(uuid_equal(job, t->job.u));
	assert_true(store_content_hash(s, "abc", 3) == t->hash);
	assert_int_equal(store_webhook_door(s, t->webhook, &door, &err), 1);
	assert_string_equal(
	    secret_expose(door.url, NULL), "https://hooks.example.com/x");
	ASSERT_OK(store_audit_verify(s, NULL, &r, &err));
	assert_true(r.intact);
}

static void use_keys(struct fixture *f, const char *key, const char *old)
{
	f->config.encryption_key = key;
	f->config.encryption_key_old = old;
}

static void rotate(struct fixture *f, const char *key, const char *old)
{
	struct store_rotated done;
	struct err err = ERR_INIT;

	fixture_close(f);
	use_keys(f, key, old);
	if (store_rotate(&f->config, &done, &err) < 0)
		fail_msg("store_rotate: %s", err.msg);
	assert_false(done.finished);
	assert_true(done.n_rows >= MANY + 1);
	use_keys(f, key, NULL);
	fixture_open(f);
}

static int setup_text(void **state)
{
	struct fixture *f;

	fixture_setup(state);
	f = *state;
	fixture_close(f);
	unlink(f->db);
	unlink(f->key);
	use_keys(f, ONE, NULL);
	fixture_open(f);
	return 0;
}

static void expect_wrong(struct fixture *f, const char *key, const char *says)
{
	struct err err = ERR_INIT;

	fixture_close(f);
	f->config.encryption_key = key;
	assert_int_equal(store_open(&f->s, &f->config, &err), -1);
	assert_string_equal(err.code, "wrong_key");
	if (strstr(err.msg, says) == NULL)
		fail_msg("no \"%s\" in: %s", says, err.msg);
}

static void a_text_becomes_another(void **state)
{
	struct fixture *f = *state;
	struct things t = fill(f->s);

	rotate(f, TWO, ONE);
	expect_all(f->s, &t);
	expect_wrong(f, ONE, "ENCRYPTION_KEY does not open it");
	use_keys(f, TWO, NULL);
	fixture_open(f);
	expect_all(f->s, &t);
}

static void a_file_becomes_another(void **state)
{
	struct fixture *f = *state;
	struct things t = fill(f->s);
	uint8_t before[32], after[32];
	FILE *file = fopen(f->key, "r");

	assert_int_equal(fread(before, 1, 32, file), 32);
	fclose(file);
	rotate(f, NULL, NULL);
	expect_all(f->s, &t);
	file = fopen(f->key, "r");
	assert_int_equal(fread(after, 1, 32, file), 32);
	fclose(file);
	assert_memory_not_equal(before, after, 32);
	file = fopen(f->key, "w");
	assert_int_equal(fwrite(before, 1, 32, file), 32);
	fclose(file);
	expect_wrong(f, NULL, "does not open it");
}

static void a_file_becomes_a_text_and_a_file_again(void **state)
{
	struct fixture *f = *state;
	struct things t = fill(f->s);

	rotate(f, TWO, NULL);
	expect_all(f->s, &t);
	assert_int_equal(access(f->key, F_OK), -1);
	rotate(f, NULL, TWO);
	expect_all(f->s, &t);
	assert_int_equal(access(f->key, F_OK), 0);
}

/* A job that does not end keeps every sign key: until there is no room. */
static void more_rotations_than_there_is_room_for_keys(void **state)
{
	struct fixture *f = *state;
	const char *keys[] = {ONE, TWO};

	fill(f->s);
	for (int i = 1; i <= SEAL_SIGN_KEYS_MAX + 2; i++)
		rotate(f, keys[i % 2], keys[(i + 1) % 2]);
	expect_named(f->s);
}

static void the_store_of_before_keyrings_loses_nothing(void **state)
{
	static const char old[] = "the key of schema one";
	struct job_filter filter = {
	    .status = JOB_RUNNING, .page = 1, .limit = 9};
	struct fixture *f = *state;
	struct job_list l = {0};
	struct err err = ERR_INIT;
	sqlite3 *db;

	fixture_close(f);
	unlink(f->db);
	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, SCHEMA_1, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	use_keys(f, TWO, old);
	expect_wrong(f, TWO, "ENCRYPTION_KEY_OLD opens it");
	ASSERT_OK(store_rotate(&f->config, &(struct store_rotated){0}, &err));
	use_keys(f, TWO, NULL);
	fixture_open(f);
	ASSERT_OK(store_job_list(f->s, &filter, &l, &err));
	for (size_t i = 0; i < l.n; i++) {
		CLEANUP(secret_free) struct secret *plain = NULL;

		ASSERT_OK(store_job_secrets(f->s, l.items[i].id, &plain, &err));
		assert_string_equal(secret_expose(plain, NULL),
		    "{\"TOKEN\":\"from schema one\"}");
	}
	assert_int_equal(l.n, 1);
	job_list_free(&l);
}

/* Whoever knows the old key cannot make tokens for what comes later. */
static void tokens_of_later_sessions_follow_from_the_new_key(void **state)
{
	struct fixture *f = *state;
	struct things t = fill(f->s);
	char again[SESSION_TOKEN_LEN], old[SESSION_TOKEN_LEN];
	struct uuid later, found;

	fixture_reopen(f);
	later = uuid_v7();
	store_session_token(f->s, later, old);
	rotate(f, TWO, ONE);
	/* its time is before the change, though nobody had it then */
	store_session_token(f->s, later, again);
	assert_string_equal(again, old);
	later = uuid_v7();
	store_session_token(f->s, later, again);
	assert_string_not_equal(again + 37, old + 37);
	assert_true(store_session_token_check(f->s, again, &found));
	move(f->s, t.job, JOB_CANCELLED);
	fixture_reopen(f); /* nobody needs the old one: it is dropped */
	assert_false(store_session_token_check(f->s, t.session_token, &found));
	assert_true(store_session_token_check(f->s, again, &found));
}

static void the_same_key_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_rotated done;
	struct err err = ERR_INIT;

	fixture_close(f);
	assert_int_equal(store_rotate(&f->config, &done, &err), -1);
	assert_string_equal(err.code, "same_key");
}

static void a_rotation_beside_a_hub_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_config c = f->config;
	struct store_rotated done;
	struct err err = ERR_INIT;

	c.encryption_key = TWO;
	c.encryption_key_old = ONE;
	assert_int_equal(store_rotate(&c, &done, &err), -1);
	assert_string_equal(err.code, "store_in_use");
}

static void a_lost_key_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct things t = fill(f->s);
	struct named_secret_list l = {0};
	struct webhook_item item = {t.webhook, "job.failed", NULL, "{}"};
	struct webhook_delivery_list waiting = {0};
	struct err err = ERR_INIT;
	size_t dropped;
	runner_id id;

	ASSERT_OK(store_webhook_queue(f->s, &item, 1, 1, 0, 1, &dropped, &err));
	fixture_close(f);
	use_keys(f, TWO, NULL);
	ASSERT_OK(store_give_up(&f->config, &err));
	fixture_open(f);
	ASSERT_OK(store_named_secret_list(f->s, NULL, 10, &l, &err));
	assert_int_equal(l.n, 0);
	assert_int_equal(
	    store_runner_by_token(f->s, t.runner_token, &id, &err), 0);
	ASSERT_OK(
	    store_webhook_deliveries(f->s, t.webhook, 0, 10, &waiting, &err));
	assert_int_equal(waiting.n, 0);
	webhook_delivery_list_free(&waiting);
	named_secret_list_free(&l);
}

#define TEXT_TEST(name)                                                        \
	cmocka_unit_test_setup_teardown(name, setup_text, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEXT_TEST(a_text_becomes_another),
	    STORE_TEST(a_file_becomes_another),
	    STORE_TEST(a_file_becomes_a_text_and_a_file_again),
	    TEXT_TEST(more_rotations_than_there_is_room_for_keys),
	    TEXT_TEST(the_store_of_before_keyrings_loses_nothing),
	    TEXT_TEST(tokens_of_later_sessions_follow_from_the_new_key),
	    TEXT_TEST(the_same_key_is_refused),
	    TEXT_TEST(a_rotation_beside_a_hub_is_refused),
	    TEXT_TEST(a_lost_key_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
