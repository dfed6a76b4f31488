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

/* -- delegation twice --------------------------------------------------------
 */

static void the_same_key_with_the_same_content_existed(void **state)
{
	struct fixture *f = *state;
	struct job_new again = sample("j");
	struct job_event_list events = {0};
	struct err err = ERR_INIT;
	job_id id = insert_one(f->s, "j");
	struct outcome o;

	move(f->s, id, JOB_ASSIGNED);
	o = insert_and_wait(f->s, &again);
	assert_int_equal(o.result, JOB_EXISTED);
	assert_true(uuid_equal(o.id.u, id.u));
	assert_int_equal(o.status, JOB_ASSIGNED);
	ASSERT_OK(store_events_after(f->s, 0, NULL, NULL, 100, &events, &err));
	assert_int_equal(events.n, 2); /* delegated, assigned: no third */
	job_event_list_free(&events);
}

static void the_same_key_with_other_content_is_a_conflict(void **state)
{
	struct fixture *f = *state;
	struct job_new other = sample("j");
	job_id id = insert_one(f->s, "j");
	struct outcome o;

	other.spec_hash = 43;
	o = insert_and_wait(f->s, &other);
	assert_int_equal(o.result, JOB_INSERT_FAILED);
	assert_int_equal(o.err.kind, ERR_CONFLICT);
	assert_string_equal(o.err.code, "job_conflict");
	assert_true(uuid_equal(o.id.u, id.u));
	assert_non_null(strstr(o.err.msg, "run-1"));
}

static void another_attempt_run_or_repository_is_another_job(void **state)
{
	struct fixture *f = *state;
	struct job_new n[3] = {sample("j"), sample("j"), sample("j")};

	insert_one(f->s, "j");
	n[0].job.attempt = 2;
	n[1].job.run_id = (char *)"run-2";
	n[2].job.repository = (char *)"test/other";
	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		assert_int_equal(
		    insert_and_wait(f->s, &n[i]).result, JOB_INSERTED);
}

/* One bad write in a batch (an id used twice) fails alone. */
static void a_failing_write_does_not_touch_its_neighbours(void **state)
{
	struct fixture *f = *state;
	struct job_new twin = sample("twin");
	struct job j;
	struct outcome o;

	twin.job.id = insert_one(f->s, "first");
	o = insert_and_wait(f->s, &twin);
	assert_int_equal(o.result, JOB_INSERT_FAILED);
	assert_int_equal(o.err.kind, ERR_INTERNAL);
	j = get(f->s, twin.job.id);
	assert_string_equal(j.external_id, "first");
	job_fini(&j);
	insert_one(f->s, "second");
}

struct crowd {
	struct mtx mtx;
	struct cond cond;
	unsigned ended, inserted, failed;
};

static void count_outcome(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct crowd *c = arg;

	(void)id;
	(void)status;
	(void)err;
	mtx_lock(&c->mtx);
	c->ended++;
	c->inserted += r == JOB_INSERTED;
	c->failed += r == JOB_INSERT_FAILED;
	cond_signal(&c->cond);
	mtx_unlock(&c->mtx);
}

static void crowd_init(struct crowd *c)
{
	memset(c, 0, sizeof(*c));
	mtx_init(&c->mtx, "crowd");
	cond_init(&c->cond);
}

static void crowd_wait(struct crowd *c, unsigned n)
{
	mtx_lock(&c->mtx);
	while (c->ended < n)
		assert_true(cond_wait_until(
		    &c->cond, &c->mtx, clock_deadline_ms(60000)));
	mtx_unlock(&c->mtx);
	cond_fini(&c->cond);
	mtx_fini(&c->mtx);
}

static void a_batch_with_bad_writes_stores_all_good_ones(void **state)
{
	enum { N = 300 };
	struct fixture *f = *state;
	job_id used = insert_one(f->s, "used");
	int64_t counts[JOB_STATUS_COUNT];
	struct err err = ERR_INIT;
	struct crowd crowd;
	char names[N][16];

	crowd_init(&crowd);
	for (unsigned i = 0; i < N; i++) {
		struct job_new n;

		snprintf(names[i], sizeof(names[i]), "n%u", i);
		n = sample(names[i]);
		if (i % 10 == 5)
			n.job.id = used;
		ASSERT_OK(
		    store_job_insert(f->s, &n, count_outcome, &crowd, &err));
	}
	crowd_wait(&crowd, N);
	assert_int_equal(crowd.failed, N / 10);
	assert_int_equal(crowd.inserted, N - N / 10);
	ASSERT_OK(store_job_counts(f->s, counts, &err));
	assert_int_equal(counts[JOB_QUEUED], N - N / 10 + 1);
	assert_int_equal(store_last_event_seq(f->s), N - N / 10 + 1);
}

/* -- lists -------------------------------------------------------------------
 */

static struct job_list list(struct store *s, struct job_filter filter)
{
	struct job_list l = {0};
	struct err err = ERR_INIT;

	ASSERT_OK(store_job_list(s, &filter, &l, &err));
	return l;
}

static void expect_list(struct store *s, struct job_filter filter,
    const char *const *want, size_t n, int64_t total)
{
	struct job_list l = list(s, filter);

	assert_int_equal(l.total, total);
	assert_int_equal(l.n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(l.items[i].external_id, want[i]);
	job_list_free(&l);
}
#define EXPECT_LIST(s, total, filter, ...)                                     \
	expect_list((s), (struct job_filter)filter,                            \
	    (const char *const[]){__VA_ARGS__},                                \
	    ARRAY_LEN(((const char *const[]){__VA_ARGS__})), (total))
#define FILTER(...)                                                            \
	{                                                                      \
		.page = 1, .limit = 20, __VA_ARGS__                            \
	}

static job_id insert_into(struct store *s, const char *repo, const char *name)
{
	struct job_new n = sample(name);

	n.job.repository = (char *)repo;
	assert_int_equal(insert_and_wait(s, &n).result, JOB_INSERTED);
	return n.job.id;
}

static void lists_filter_and_page_newest_first(void **state)
{
	struct fixture *f = *state;
	struct job_filter third = {.page = 3, .limit = 2};
	struct job_filter beyond = {.page = 9, .limit = 2};
	job_id b, d;

	insert_into(f->s, "o/x", "a");
	b = insert_into(f->s, "o/x", "b");
	insert_into(f->s, "o/y", "c");
	d = insert_into(f->s, "o/y", "d");
	insert_into(f->s, "o/x", "e");
	run_to_end(f->s, b, JOB_FAILED);
	run_to_end(f->s, d, JOB_FAILED);
	for (int round = 0; round < 2; round++) {
		EXPECT_LIST(f->s, 5, FILTER(), "e", "d", "c", "b", "a");
		EXPECT_LIST(
		    f->s, 3, FILTER(.repository = "o/x"), "e", "b", "a");
		EXPECT_LIST(f->s, 2, FILTER(.status = JOB_FAILED), "d", "b");
		EXPECT_LIST(f->s, 1,
		    FILTER(.status = JOB_FAILED, .repository = "o/y"), "d");
		expect_list(f->s, third, (const char *const[]){"a"}, 1, 5);
		expect_list(f->s, beyond, NULL, 0, 5);
		expect_list(f->s,
		    (struct job_filter)FILTER(.status = JOB_RUNNING), NULL, 0,
		    0);
		fixture_reopen(f); /* the same from what is on disk */
	}
}

/* Ids carry the time; these are made for three chosen moments. */
static void lists_filter_by_creation_time(void **state)
{
	static const int64_t day[3] = {1767225600, 1767312000, 1767398400};
	static const char *const names[3] = {"jan1", "jan2", "jan3"};
	struct fixture *f = *state;
	const int64_t s = CLOCK_NS_PER_S;

	for (int i = 0; i < 3; i++) {
		struct job_new n = sample(names[i]);
		struct job j;

		for (int k = 0; k < 6; k++)
			n.job.id.u.b[k] =
			    (uint8_t)(day[i] * 1000 >> (40 - 8 * k));
		insert_and_wait(f->s, &n);
		j = get(f->s, n.job.id);
		assert_int_equal(j.created_at, day[i] * s);
		job_fini(&j);
	}
	EXPECT_LIST(f->s, 2, FILTER(.from_ns = day[1] * s), "jan3", "jan2");
	EXPECT_LIST(f->s, 2, FILTER(.to_ns = day[1] * s), "jan2", "jan1");
	EXPECT_LIST(f->s, 1,
	    FILTER(.from_ns = day[0] * s + 1, .to_ns = day[2] * s - 1), "jan2");
	EXPECT_LIST(f->s, 1,
	    FILTER(.repository = "test/repo", .from_ns = day[2] * s), "jan3");
}

static void a_page_or_limit_out_of_range_is_refused(void **state)
{
	static const int64_t bad[][2] = {
	    {0, 20}, {-1, 20}, {1, 0}, {1, -5}, {1, 1001}, {INT64_MAX, 20}};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct job_filter filter = {
		    .page = bad[i][0], .limit = bad[i][1]};
		struct job_list l = {0};
		struct err err = ERR_INIT;

		assert_int_equal(store_job_list(f->s, &filter, &l, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

static void open_jobs_come_oldest_first_page_by_page(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct job_list l = {0};
	job_id a = insert_one(f->s, "a"), b = insert_one(f->s, "b");
	job_id c = insert_one(f->s, "c"), d = insert_one(f->s, "d");

	run_to_end(f->s, b, JOB_COMPLETED);
	move(f->s, a, JOB_ASSIGNED);
	move(f->s, d, JOB_PENDING);
	ASSERT_OK(store_job_list_open(f->s, NULL, 2, &l, &err));
	assert_int_equal(l.n, 2);
	assert_true(uuid_equal(l.items[0].id.u, a.u));
	assert_true(uuid_equal(l.items[1].id.u, c.u));
	job_list_free(&l);
	ASSERT_OK(store_job_list_open(f->s, &c, 2, &l, &err));
	assert_int_equal(l.n, 1);
	assert_true(uuid_equal(l.items[0].id.u, d.u));
	assert_int_equal(l.items[0].status, JOB_PENDING);
	job_list_free(&l);
}

/* -- counts and retention
 * ------------------------------------------------------ */

static void note_purged(void *arg, job_id id)
{
	struct job_list *seen = arg;

	seen->items =
	    mem_realloc(seen->items, (seen->n + 1) * sizeof(seen->items[0]));
	memset(&seen->items[seen->n], 0, sizeof(seen->items[0]));
	seen->items[seen->n++].id = id;
}

static void purge_deletes_ended_jobs_with_their_history(void **state)
{
	struct fixture *f = *state;
	struct job_event_list events = {0};
	struct err err = ERR_INIT;
	struct job_list purged = {0};
	struct job j = {0};
	int64_t seq, counts[JOB_STATUS_COUNT];
	int64_t future = clock_wall_ns() + 3600 * CLOCK_NS_PER_S;
	job_id a = insert_one(f->s, "a"), b = insert_one(f->s, "b");

	run_to_end(f->s, b, JOB_COMPLETED);
	seq = store_last_event_seq(f->s);
	assert_int_equal(
	    store_job_purge(f->s, 1000, 10, note_purged, &purged, &err), 0);
	assert_int_equal(
	    store_job_purge(f->s, future, 10, note_purged, &purged, &err), 1);
	assert_int_equal(purged.n, 1);
	assert_true(uuid_equal(purged.items[0].id.u, b.u));
	job_list_free(&purged);
	assert_int_equal(store_job_get(f->s, b, &j, &err), 0);
	ASSERT_OK(store_job_events(f->s, b, 0, 10, &events, &err));
	assert_int_equal(events.n, 0);
	job_event_list_free(&events);
	assert_int_equal(status_of(f->s, a), JOB_QUEUED);
	fixture_reopen(f);
	ASSERT_OK(store_job_counts(f->s, counts, &err));
	assert_int_equal(counts[JOB_COMPLETED], 1); /* ever ended */
	EXPECT_LIST(f->s, 1, FILTER(), "a");
	expect_list(f->s, (struct job_filter)FILTER(.status = JOB_COMPLETED),
	    NULL, 0, 0); /* there now */
	insert_one(f->s, "c");
	assert_int_equal(store_last_event_seq(f->s), seq + 1);
}

static void purge_stops_at_its_limit(void **state)
{
	enum { N = 230, LIMIT = 205 }; /* more than one batch */
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int64_t future = clock_wall_ns() + 3600 * CLOCK_NS_PER_S;

	for (int i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		move(f->s, insert_one(f->s, name), JOB_CANCELLED);
	}
	assert_int_equal(
	    store_job_purge(f->s, future, LIMIT, NULL, NULL, &err), LIMIT);
	assert_int_equal(
	    store_job_purge(f->s, future, LIMIT, NULL, NULL, &err), N - LIMIT);
}

static void check_and_statistics_tell_of_commits(void **state)
{
	struct fixture *f = *state;
	struct store_stats before, after;
	struct err err = ERR_INIT;

	store_stats(f->s, &before);
	ASSERT_OK(store_check(f->s, &err));
	store_stats(f->s, &after);
	assert_int_equal(after.commits, before.commits + 1);
	assert_int_equal(after.writes, before.writes + 1);
	assert_int_equal(after.failures, 0);
	assert_true(after.file_bytes > 0);
	assert_true(store_schema_version(f->s) >= 1);
	assert_non_null(strchr(store_sqlite_version(), '.'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(an_inserted_job_reads_back_as_it_was),
	    STORE_TEST(an_unknown_job_is_none),
	    STORE_TEST(the_same_key_with_the_same_content_existed),
	    STORE_TEST(the_same_key_with_other_content_is_a_conflict),
	    STORE_TEST(another_attempt_run_or_repository_is_another_job),
	    STORE_TEST(a_failing_write_does_not_touch_its_neighbours),
	    STORE_TEST(a_batch_with_bad_writes_stores_all_good_ones),
	    STORE_TEST(lists_filter_and_page_newest_first),
	    STORE_TEST(lists_filter_by_creation_time),
	    STORE_TEST(a_page_or_limit_out_of_range_is_refused),
	    STORE_TEST(open_jobs_come_oldest_first_page_by_page),
	    STORE_TEST(purge_deletes_ended_jobs_with_their_history),
	    STORE_TEST(purge_stops_at_its_limit),
	    STORE_TEST(check_and_statistics_tell_of_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
