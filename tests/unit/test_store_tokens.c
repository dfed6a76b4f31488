/* store/: tokens of runners and of sessions, what a runner's row takes. */
#include "store_fixture.h"

#include "store/runners.h"

static runner_id make_runner(struct store *s, const char *name)
{
	struct runner seen = {
	    .name = (char *)name,
	    .type = (char *)"proxy",
	    .status = (char *)"idle",
	    .labels = (char *)"[\"x64\"]",
	};
	struct err err = ERR_INIT;
	runner_id id;

	ASSERT_OK(store_runner_touch(s, &seen, &id, &err));
	return id;
}

static struct runner get_runner(struct store *s, runner_id id)
{
	struct err err = ERR_INIT;
	struct runner r = {0};

	assert_int_equal(store_runner_get(s, id, &r, &err), 1);
	return r;
}

static void expect_token(
    struct store *s, const char *token, const runner_id *of)
{
	struct err err = ERR_INIT;
	runner_id id;

	assert_int_equal(
	    store_runner_by_token(s, token, &id, &err), of != NULL ? 1 : 0);
	if (of != NULL)
		assert_true(uuid_equal(id.u, of->u));
}

static void a_runner_has_one_token_the_last(void **state)
{
	struct fixture *f = *state;
	runner_id a = make_runner(f->s, "a"), b = make_runner(f->s, "b");
	char first[RUNNER_TOKEN_LEN], second[RUNNER_TOKEN_LEN];
	char of_b[RUNNER_TOKEN_LEN];
	struct err err = ERR_INIT;

	ASSERT_OK(store_runner_new_token(f->s, a, first, &err));
	ASSERT_OK(store_runner_new_token(f->s, b, of_b, &err));
	assert_int_equal(strlen(first), 101);
	assert_memory_equal(first, "rhr_", 4);
	expect_token(f->s, first, &a);
	expect_token(f->s, of_b, &b);
	ASSERT_OK(store_runner_new_token(f->s, a, second, &err));
	expect_token(f->s, first, NULL);
	expect_token(f->s, second, &a);
	fixture_reopen(f);
	expect_token(f->s, second, &a);
	ASSERT_OK(store_runner_delete(f->s, a, &err));
	expect_token(f->s, second, NULL);
	assert_int_equal(store_runner_new_token(f->s, a, first, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(first, "");
}

static void a_wrong_token_of_a_runner_is_nobodys(void **state)
{
	struct fixture *f = *state;
	runner_id a = make_runner(f->s, "a"), b = make_runner(f->s, "b");
	char token[RUNNER_TOKEN_LEN], other[RUNNER_TOKEN_LEN];
	char wrong[2 * RUNNER_TOKEN_LEN];
	struct err err = ERR_INIT;

	ASSERT_OK(store_runner_new_token(f->s, a, token, &err));
	/* b has none yet: nothing may open it */
	strcpy(wrong, token);
	strcpy(other, token);
	uuid_text(b.u, wrong);
	for (size_t i = 0, at = 4; wrong[i] != '\0'; i++)
		if (wrong[i] != '-')
			other[at++] = wrong[i];
	expect_token(f->s, other, NULL);
	for (size_t i = 0; i < strlen(token); i++) {
		strcpy(wrong, token);
		wrong[i] = wrong[i] == '0' ? '1' : '0';
		expect_token(f->s, wrong, NULL);
		wrong[i] = '\0';
		expect_token(f->s, wrong, NULL);
	}
	strcpy(wrong, token);
	strcat(wrong, "0");
	expect_token(f->s, wrong, NULL);
	wrong[0] = wrong[0] == 'r' ? 'R' : 'r';
	expect_token(f->s, wrong, NULL);
	expect_token(f->s, token, &a);
}

static void a_sessions_token_follows_from_job_and_key(void **state)
{
	struct fixture *f = *state;
	struct uuid job = uuid_v7(), other = uuid_v7(), found;
	char token[SESSION_TOKEN_LEN], wrong[SESSION_TOKEN_LEN];
	char of_other[SESSION_TOKEN_LEN];

	store_session_token(f->s, job, token);
	store_session_token(f->s, other, of_other);
	assert_memory_equal(token, "rhs_", 4);
	assert_string_not_equal(token, of_other);
	assert_true(store_session_token_check(f->s, token, &found));
	assert_true(uuid_equal(found, job));
	for (size_t i = 0; i < strlen(token); i++) {
		strcpy(wrong, token);
		wrong[i] = wrong[i] == '0' ? '1' : '0';
		assert_false(store_session_token_check(f->s, wrong, &found));
	}
	memcpy(wrong, of_other, sizeof(wrong));
	memcpy(wrong, token, 36);
	assert_false(store_session_token_check(f->s, wrong, &found));
	memcpy(wrong, token, sizeof(wrong));
	memcpy(wrong, "rhr_", 4);
	assert_false(store_session_token_check(f->s, wrong, &found));
	expect_token(f->s, wrong, NULL);
	fixture_reopen(f);
	assert_true(store_session_token_check(f->s, token, &found));
	fixture_close(f);
	unlink(f->db);
	fixture_open(f);
	assert_false(store_session_token_check(f->s, token, &found));
}

static void a_change_writes_what_it_names(void **state)
{
	struct fixture *f = *state;
	runner_id id = make_runner(f->s, "a"), nobody = {.u = uuid_v7()};
	struct runner_change change = {
	    .status = "busy",
	    .roots = "[{\"here\":\"/w\",\"host\":\"/h\"}]",
	    .made = "{\"image\":\"x\"}",
	    .job_id = "0195",
	    .container_id = "c0ffee",
	};
	struct err err = ERR_INIT;
	struct runner r;

	ASSERT_OK(store_runner_change(f->s, id, &change, &err));
	r = get_runner(f->s, id);
	assert_string_equal(r.status, "busy");
	assert_string_equal(r.labels, "[\"x64\"]");
	assert_string_equal(r.roots, change.roots);
	assert_string_equal(r.made, change.made);
	assert_string_equal(r.job_id, "0195");
	assert_string_equal(r.container_id, "c0ffee");
	runner_fini(&r);
	change = (struct runner_change){
	    .labels = "", .roots = "", .made = "", .job_id = ""};
	ASSERT_OK(store_runner_change(f->s, id, &change, &err));
	r = get_runner(f->s, id);
	assert_string_equal(r.labels, "[]");
	assert_string_equal(r.roots, "[]");
	assert_null(r.made);
	assert_null(r.job_id);
	assert_string_equal(r.container_id, "c0ffee");
	runner_fini(&r);
	assert_int_equal(store_runner_change(f->s, nobody, &change, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void a_heartbeat_is_no_change(void **state)
{
	struct fixture *f = *state;
	struct runner_change beat = {.heartbeat = true, .status = "idle"};
	struct err err = ERR_INIT;
	runner_id id;
	struct runner r;

	clock_fake_set(1, 1000 * CLOCK_NS_PER_S);
	id = make_runner(f->s, "a");
	clock_fake_set(1, 2000 * CLOCK_NS_PER_S);
	ASSERT_OK(store_runner_change(f->s, id, &beat, &err));
	r = get_runner(f->s, id);
	assert_int_equal(r.last_heartbeat, 2000 * CLOCK_NS_PER_S);
	assert_int_equal(r.updated_at, 1000 * CLOCK_NS_PER_S);
	runner_fini(&r);
	beat = (struct runner_change){.job_id = "j"};
	ASSERT_OK(store_runner_change(f->s, id, &beat, &err));
	clock_fake_set(-1, 0);
	r = get_runner(f->s, id);
	assert_int_equal(r.updated_at, 2000 * CLOCK_NS_PER_S);
	runner_fini(&r);
}

static void a_runner_is_found_by_name(void **state)
{
	struct fixture *f = *state;
	runner_id id = make_runner(f->s, "a");
	struct err err = ERR_INIT;
	struct runner r = {0};

	assert_int_equal(store_runner_by_name(f->s, "a", &r, &err), 1);
	assert_true(uuid_equal(r.id.u, id.u));
	assert_string_equal(r.roots, "[]");
	runner_fini(&r);
	assert_int_equal(store_runner_by_name(f->s, "A", &r, &err), 0);
}

/* -- jobs of runners and of sessions ------------------------------------ */

static job_id insert_of(struct store *s, const char *external_id,
    const char *runner, const char *parent)
{
	struct job_new n = sample(external_id);

	n.job.runner_id = (char *)runner;
	n.job.parent_id = (char *)parent;
	n.job.is_session = true;
	return insert_and_wait(s, &n).id;
}

static void expect_jobs(
    struct store *s, struct job_filter filter, const char *names)
{
	struct job_list l = {0};
	struct err err = ERR_INIT;
	char all[256] = "";

	filter.page = 1;
	filter.limit = 9;
	ASSERT_OK(store_job_list(s, &filter, &l, &err));
	for (size_t i = 0; i < l.n; i++)
		strncat(all, l.items[i].external_id, 32);
	assert_string_equal(all, names);
	assert_int_equal(l.total, strlen(names));
	job_list_free(&l);
}

static void jobs_are_listed_by_runner_and_parent(void **state)
{
	struct fixture *f = *state;
	job_id of_a;

	of_a = insert_of(f->s, "1", "ra", NULL);
	insert_of(f->s, "2", "rb", NULL);
	insert_of(f->s, "3", NULL, "p");
	insert_of(f->s, "4", "ra", "p");
	insert_of(f->s, "5", NULL, NULL);
	run_to_end(f->s, of_a, JOB_COMPLETED);
	expect_jobs(f->s, (struct job_filter){.runner_id = "ra"}, "41");
	expect_jobs(f->s, (struct job_filter){.parent_id = "p"}, "43");
	expect_jobs(f->s,
	    (struct job_filter){.runner_id = "ra", .parent_id = "p"}, "4");
	expect_jobs(f->s,
	    (struct job_filter){.runner_id = "ra", .status = JOB_COMPLETED},
	    "1");
	expect_jobs(f->s,
	    (struct job_filter){.parent_id = "p", .repository = "test/repo"},
	    "43");
	expect_jobs(f->s,
	    (struct job_filter){.runner_id = "ra", .repository = "no/where"},
	    "");
	expect_jobs(f->s, (struct job_filter){.runner_id = "rc"}, "");
	expect_jobs(f->s, (struct job_filter){0}, "54321");
}

static void a_job_keeps_parent_runner_and_session(void **state)
{
	struct fixture *f = *state;
	struct job_change note = {.session = "{\"network\":\"n\"}"};
	job_id id = insert_of(f->s, "1", "ra", "p");
	struct err err = ERR_INIT;
	struct job j = get(f->s, id);

	assert_string_equal(j.runner_id, "ra");
	assert_string_equal(j.parent_id, "p");
	assert_null(j.session);
	job_fini(&j);
	ASSERT_OK(store_job_note(f->s, id, &note, NULL, &err));
	move(f->s, id, JOB_ASSIGNED);
	j = get(f->s, id);
	assert_string_equal(j.session, "{\"network\":\"n\"}");
	job_fini(&j);
}

static void a_session_has_keys_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct job_new again = sample("1");
	job_id outside = insert_of(f->s, "1", "ra", NULL), inside, found;

	inside = insert_of(f->s, "1", NULL, "p");
	assert_false(uuid_equal(outside.u, inside.u));
	found = insert_of(f->s, "1", NULL, "q");
	assert_false(uuid_equal(inside.u, found.u));
	found = insert_of(f->s, "1", NULL, "p");
	assert_true(uuid_equal(inside.u, found.u));
	again.spec_hash++;
	again.job.parent_id = (char *)"p";
	assert_int_equal(
	    insert_and_wait(f->s, &again).result, JOB_INSERT_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(a_runner_has_one_token_the_last),
	    STORE_TEST(a_wrong_token_of_a_runner_is_nobodys),
	    STORE_TEST(a_sessions_token_follows_from_job_and_key),
	    STORE_TEST(a_change_writes_what_it_names),
	    STORE_TEST(a_heartbeat_is_no_change),
	    STORE_TEST(a_runner_is_found_by_name),
	    STORE_TEST(jobs_are_listed_by_runner_and_parent),
	    STORE_TEST(a_job_keeps_parent_runner_and_session),
	    STORE_TEST(a_session_has_keys_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
