/*
 * store/: a database that an older release wrote opens with all its jobs,
 * secrets and history; and the queries that operators keep still work.
 */
#include "store_fixture.h"

#include <sqlite3.h>

#include "store/instances.h"
#include "store/runners.h"

static const char SCHEMA_1[] =
#include "store_schema_1.inc"
    ;
static const char SCHEMA_2[] =
#include "store_schema_2.inc"
    ;
static const char SCHEMA_3[] =
#include "store_schema_3.inc"
    ;

static void load(const char *path, const char *sql)
{
	char *message = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s", message);
	sqlite3_close(db);
}

/* Opens a store on the fixture instead of an empty one. */
static int setup_schema(void **state, const char *sql, const char *key)
{
	struct fixture *f;

	assert_int_equal(fixture_setup(state), 0);
	f = *state;
	fixture_close(f);
	unlink(f->db);
	load(f->db, sql);
	f->config.encryption_key = key;
	fixture_open(f);
	return 0;
}

static int setup_schema_1(void **state)
{
	return setup_schema(state, SCHEMA_1, "the key of schema one");
}

static int setup_schema_2(void **state)
{
	return setup_schema(state, SCHEMA_2, "the key of schema two");
}

static int setup_schema_3(void **state)
{
	return setup_schema(state, SCHEMA_3, "the key of schema three");
}

static struct job_list by_status(struct store *s, enum job_status status)
{
	struct job_filter filter = {.status = status, .page = 1, .limit = 9};
	struct job_list l = {0};
	struct err err = ERR_INIT;

	ASSERT_OK(store_job_list(s, &filter, &l, &err));
	assert_int_equal(l.n, 1);
	assert_int_equal(l.total, 1);
	return l;
}

static void an_ended_job_of_schema_1_reads_back(void **state)
{
	struct fixture *f = *state;
	struct job_list l = by_status(f->s, JOB_COMPLETED);
	struct job_event_list events = {0};
	struct err err = ERR_INIT;

	assert_string_equal(l.items[0].external_id, "ended");
	assert_string_equal(l.items[0].image, "debian:12");
	assert_string_equal(l.items[0].container_id, "c0ffee");
	assert_true(l.items[0].has_exit_code);
	assert_string_equal(
	    l.items[0].result, "{\"steps\":[{\"exitCode\":0}]}");
	assert_true(l.items[0].completed_at >= l.items[0].started_at);
	assert_true(l.items[0].started_at > 0);
	ASSERT_OK(store_job_events(f->s, l.items[0].id, 0, 10, &events, &err));
	assert_int_equal(events.n, 4);
	assert_string_equal(events.items[3].to, "completed");
	job_event_list_free(&events);
	job_list_free(&l);
}

static void a_running_job_of_schema_1_goes_on(void **state)
{
	struct fixture *f = *state;
	struct job_list l = by_status(f->s, JOB_RUNNING);
	CLEANUP(secret_free) struct secret *plain = NULL;
	struct err err = ERR_INIT;
	int64_t seq = store_last_event_seq(f->s);

	assert_int_equal(l.items[0].github_job_id, INT64_C(12345678901));
	assert_true(l.items[0].cancel_requested);
	assert_int_equal(l.items[0].tries, 1);
	ASSERT_OK(store_job_secrets(f->s, l.items[0].id, &plain, &err));
	assert_string_equal(
	    secret_expose(plain, NULL), "{\"TOKEN\":\"from schema one\"}");
	move(f->s, l.items[0].id, JOB_CANCELLED);
	assert_int_equal(store_last_event_seq(f->s), seq + 1);
	job_list_free(&l);
}

static void a_repeat_of_a_job_of_schema_1_finds_it(void **state)
{
	struct fixture *f = *state;
	struct job_new n = sample("queued");
	struct outcome o = insert_and_wait(f->s, &n);

	assert_int_equal(o.result, JOB_EXISTED);
	assert_int_equal(o.status, JOB_QUEUED);
}

static void runners_of_schema_1_are_there(void **state)
{
	struct fixture *f = *state;
	struct runner_filter filter = {.page = 1, .limit = 9};
	struct runner_list l = {0};
	struct err err = ERR_INIT;

	ASSERT_OK(store_runner_list(f->s, &filter, &l, &err));
	assert_int_equal(l.n, 1);
	assert_string_equal(l.items[0].name, "proxy-1");
	assert_true(l.items[0].last_heartbeat > 0);
	assert_string_equal(l.items[0].roots, "[]");
	assert_null(l.items[0].made);
	runner_list_free(&l);
}

/* -- schema 2 ---------------------------------------------------------- */

static struct job_list of_runner(struct store *s, const struct runner *r)
{
	char id[UUID_TEXT_LEN];
	struct job_filter filter = {
	    .runner_id = uuid_text(r->id.u, id), .page = 1, .limit = 9};
	struct job_list l = {0};
	struct err err = ERR_INIT;

	ASSERT_OK(store_job_list(s, &filter, &l, &err));
	assert_int_equal(l.n, 1);
	return l;
}

static void a_session_of_schema_2_goes_on(void **state)
{
	struct fixture *f = *state;
	struct job_list sessions, children = {0};
	struct job_filter inside = {.page = 1, .limit = 9};
	char id[UUID_TEXT_LEN];
	struct runner r = {0};
	struct err err = ERR_INIT;
	const struct job *job;

	assert_int_equal(store_runner_by_name(f->s, "proxy-2", &r, &err), 1);
	sessions = of_runner(f->s, &r);
	job = &sessions.items[0];
	uuid_text(job->id.u, id);
	assert_int_equal(job->status, JOB_RUNNING);
	assert_true(job->is_session);
	assert_int_equal(job->lease_until, INT64_C(1795288336876420363));
	assert_string_equal(job->session, "{\"network\":\"net-1\"}");
	assert_string_equal(r.job_id, id);
	assert_string_equal(r.made, "{\"image\":\"runner:1\"}");
	assert_string_equal(r.roots,
	    "[{\"here\":\"/w\",\"host\":\"/srv/w\",\"readOnly\":false}]");
	inside.parent_id = id;
	ASSERT_OK(store_job_list(f->s, &inside, &children, &err));
	assert_int_equal(children.n, 1);
	assert_string_equal(children.items[0].external_id, "session");
	job_list_free(&children);
	job_list_free(&sessions);
	runner_fini(&r);
}

static void tokens_of_schema_2_are_good(void **state)
{
	static const char runner_token[] =
	    "rhr_01a200338a5e7a7cb794434b0ac5fe12_c7d802147b641"
	    "7e858819edfdd49841135514c1592b770a2cf745a684499f0f5";
	static const char session_token[] =
	    "rhs_01a200338a6072b39e6f96274a7dbb8a_feb663ed2a370"
	    "5baecdaf5a55d88921ff33735ef5ff4757c3ad64584a122ed8e";
	struct fixture *f = *state;
	struct runner r = {0};
	struct job_list sessions;
	struct err err = ERR_INIT;
	struct uuid job;
	runner_id id;

	assert_int_equal(store_runner_by_name(f->s, "proxy-2", &r, &err), 1);
	assert_int_equal(
	    store_runner_by_token(f->s, runner_token, &id, &err), 1);
	assert_true(uuid_equal(id.u, r.id.u));
	sessions = of_runner(f->s, &r);
	assert_true(store_session_token_check(f->s, session_token, &job));
	assert_true(uuid_equal(job, sessions.items[0].id.u));
	job_list_free(&sessions);
	runner_fini(&r);
}

static void secrets_of_schema_2_open(void **state)
{
	struct fixture *f = *state;
	struct job_filter filter = {
	    .status = JOB_RUNNING, .page = 1, .limit = 9};
	CLEANUP(secret_free) struct secret *plain = NULL;
	struct job_list l = {0};
	struct err err = ERR_INIT;

	ASSERT_OK(store_job_list(f->s, &filter, &l, &err));
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[1].external_id, "running");
	ASSERT_OK(store_job_secrets(f->s, l.items[1].id, &plain, &err));
	assert_string_equal(
	    secret_expose(plain, NULL), "{\"TOKEN\":\"from schema two\"}");
	job_list_free(&l);
}

/* -- schema 3 ---------------------------------------------------------- */

static void instances_of_schema_3_are_there(void **state)
{
	struct fixture *f = *state;
	CLEANUP(instance_list_free) struct instance_list l = {0};
	const struct instance *failed, *runs;
	struct err err = ERR_INIT;

	ASSERT_OK(store_instance_list(f->s, false, 10, &l, &err));
	assert_int_equal(l.n, 2);
	failed = &l.items[0];
	assert_string_equal(failed->component_ref, "Component:default/failed");
	assert_int_equal(failed->status, INSTANCE_ERROR);
	assert_string_equal(failed->error_code, "DOCKER_BUILD_FAILED");
	assert_true(failed->has_exit_code && failed->exit_code == 3);
	assert_true(failed->oom_killed && failed->stopped_at > 0);
	runs = &l.items[1];
	assert_string_equal(runs->component_ref, "Component:default/Web");
	assert_int_equal(runs->status, INSTANCE_RUNNING);
	assert_string_equal(runs->container_id, "c0ffee");
	assert_string_equal(runs->ports, "[8080,9090]");
	assert_string_equal(runs->plan, "{\"stopGraceMs\":1500}");
	assert_true(runs->has_log_offset && runs->log_offset == 42);
	/* What came later. */
	assert_null(runs->owner);
	assert_null(runs->started_by);
	assert_int_equal(runs->restarts, 0);
}

static void a_component_of_schema_3_still_has_its_place(void **state)
{
	const struct instance_admission a = {
	    .component_ref = "Component:default/other", .max = 1};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	instance_id id;

	assert_int_equal(store_instance_admit(f->s, &a, &id, &err), -1);
	assert_string_equal(err.code, "component_running");
}

static int count_rows(void *arg, int n, char **values, char **names)
{
	(void)n;
	(void)values;
	(void)names;
	(*(int *)arg)++;
	return 0;
}

/* What the public contract promises to people with a database shell. */
static void the_operators_queries_work(void **state)
{
	static const struct {
		const char *sql;
		int rows;
	} queries[] = {
	    {"SELECT * FROM jobs WHERE status IN"
	     " ('queued','running','assigned') ORDER BY created_at DESC",
		2},
	    {"SELECT name, status, last_heartbeat FROM runners"
	     " WHERE type='proxy'",
		1},
	    {"SELECT github_job_id, repository, workflow_name, job_name,"
	     " runner_id, container_id, labels, metadata, started_at,"
	     " completed_at, created_at, updated_at FROM jobs"
	     " WHERE completed_at >= started_at",
		1},
	    {"SELECT id FROM jobs WHERE created_at GLOB"
	     " '20[0-9][0-9]-*T*.[0-9][0-9][0-9]Z'",
		3},
	    {"SELECT container_id, github_runner_id FROM runners", 1},
	};
	struct fixture *f = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		char *message = NULL;
		int rows = 0;

		if (sqlite3_exec(db, queries[i].sql, count_rows, &rows,
			&message) != SQLITE_OK)
			fail_msg("%s: %s", queries[i].sql, message);
		assert_int_equal(rows, queries[i].rows);
	}
	sqlite3_close(db);
}

#define SCHEMA_3_TEST(fn)                                                      \
	cmocka_unit_test_setup_teardown(fn, setup_schema_3, fixture_teardown)
#define SCHEMA_2_TEST(fn)                                                      \
	cmocka_unit_test_setup_teardown(fn, setup_schema_2, fixture_teardown)
#define SCHEMA_1_TEST(fn)                                                      \
	cmocka_unit_test_setup_teardown(fn, setup_schema_1, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SCHEMA_1_TEST(an_ended_job_of_schema_1_reads_back),
	    SCHEMA_1_TEST(a_running_job_of_schema_1_goes_on),
	    SCHEMA_1_TEST(a_repeat_of_a_job_of_schema_1_finds_it),
	    SCHEMA_1_TEST(runners_of_schema_1_are_there),
	    SCHEMA_1_TEST(the_operators_queries_work),
	    SCHEMA_2_TEST(a_session_of_schema_2_goes_on),
	    SCHEMA_2_TEST(tokens_of_schema_2_are_good),
	    SCHEMA_2_TEST(secrets_of_schema_2_open),
	    SCHEMA_3_TEST(instances_of_schema_3_are_there),
	    SCHEMA_3_TEST(a_component_of_schema_3_still_has_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
