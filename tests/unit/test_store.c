/* store/: delegation, reading, lists, counts, retention. */
#include "store_fixture.h"

static void an_inserted_job_reads_back_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct job_new n = sample("4711");
	struct outcome o;
	struct job j;

	n.job.has_github_job_id = true;
	n.job.github_job_id = 4711;
	n.job.is_session = true;
	n.job.priority = 7;
	n.job.lease_until = 123456789;
	o = insert_and_wait(f->s, &n);
	assert_int_equal(o.result, JOB_INSERTED);
	assert_true(uuid_equal(o.id.u, n.job.id.u));
	assert_int_equal(o.status, JOB_QUEUED);
	fixture_reopen(f);
	j = get(f->s, o.id);
	assert_string_equal(j.external_id, "4711");
	assert_true(j.has_github_job_id);
	assert_int_equal(j.github_job_id, 4711);
	assert_string_equal(j.run_id, "run-1");
	assert_int_equal(j.attempt, 1);
	assert_string_equal(j.repository, "test/repo");
	assert_string_equal(j.workflow, "CI");
	assert_string_equal(j.runner_name, "proxy-1");
	assert_null(j.runner_id);
	assert_string_equal(j.labels, "[\"self-hosted\"]");
	assert_string_equal(j.metadata, "{\"sha\":\"abc\"}");
	assert_string_equal(j.spec, "{\"steps\":[]}");
	assert_true(j.is_session);
	assert_int_equal(j.priority, 7);
	assert_int_equal(j.lease_until, 123456789);
	assert_int_equal(j.status, JOB_QUEUED);
	assert_null(j.container_id);
	assert_false(j.has_exit_code);
	assert_int_equal(j.started_at, 0);
	assert_int_equal(j.completed_at, 0);
	assert_true(j.phases.queued > 0);
	assert_in_range(
	    llabs(j.phases.queued - j.created_at), 0, 10 * CLOCK_NS_PER_S);
	job_fini(&j);
}

static void an_unknown_job_is_none(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct job j = {0};
	job_id id = {uuid_v7()};

	assert_int_equal(store_job_get(f->s, id, &j, &err), 0);
	assert_int_equal(try_move(f->s, id, JOB_ASSIGNED, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(an_inserted_job_reads_back_as_it_was),
	    STORE_TEST(an_unknown_job_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
