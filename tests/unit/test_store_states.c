/* store/: the state machine, races, cancel, the history. */
#include "store_fixture.h"

/* The table of jobs.h, written down a second time. */
static const char *const legal[] = {"queued assigned", "queued pending",
    "queued failed", "queued cancelled", "assigned running", "assigned pending",
    "assigned failed", "assigned cancelled", "pending queued", "pending failed",
    "pending cancelled", "running completed", "running failed",
    "running cancelled"};

static bool is_legal(enum job_status from, enum job_status to)
{
	char pair[32];

	snprintf(pair, sizeof(pair), "%s %s", job_status_name(from),
	    job_status_name(to));
	for (size_t i = 0; i < ARRAY_LEN(legal); i++)
		if (strcmp(pair, legal[i]) == 0)
			return true;
	return false;
}

static job_id job_in(struct store *s, enum job_status want)
{
	static unsigned serial;
	char name[16];
	job_id id;

	snprintf(name, sizeof(name), "s%u", serial++);
	id = insert_one(s, name);
	if (want == JOB_QUEUED)
		return id;
	if (want == JOB_PENDING) {
		move(s, id, JOB_PENDING);
		return id;
	}
	move(s, id, JOB_ASSIGNED);
	if (want >= JOB_RUNNING)
		move(s, id, JOB_RUNNING);
	if (want > JOB_RUNNING)
		move(s, id, want);
	return id;
}

static void every_transition_is_allowed_or_refused(void **state)
{
	struct fixture *f = *state;

	for (int from = JOB_PENDING; from < JOB_STATUS_COUNT; from++) {
		for (int to = JOB_PENDING; to < JOB_STATUS_COUNT; to++) {
			job_id id = job_in(f->s, (enum job_status)from);
			struct err err = ERR_INIT;
			bool ok = is_legal(
			    (enum job_status)from, (enum job_status)to);
			int rc = try_move(f->s, id, (enum job_status)to, &err);

			assert_int_equal(rc, ok ? 0 : -1);
			assert_int_equal(
			    job_status_may_follow(
				(enum job_status)from, (enum job_status)to),
			    ok);
			assert_int_equal(status_of(f->s, id), ok ? to : from);
			if (!ok) {
				assert_int_equal(err.kind, ERR_CONFLICT);
				assert_non_null(strstr(err.msg,
				    job_status_name((enum job_status)from)));
			}
		}
	}
}

static void names_parse_back(void **state)
{
	enum job_status s;

	(void)state;
	for (int i = JOB_PENDING; i < JOB_STATUS_COUNT; i++) {
		assert_int_equal(
		    job_status_parse(job_status_name((enum job_status)i), &s),
		    0);
		assert_int_equal(s, i);
		assert_int_equal(job_status_is_final(s), i >= JOB_COMPLETED);
	}
	assert_int_equal(job_status_parse("Running", &s), -1);
	assert_int_equal(job_status_parse("", &s), -1);
}

static void a_transition_from_another_state_is_a_conflict(void **state)
{
	struct fixture *f = *state;
	struct job_change c = {
	    .from = {JOB_QUEUED, JOB_PENDING},
	    .to = JOB_CANCELLED,
	};
	struct err err = ERR_INIT;
	job_id id = job_in(f->s, JOB_RUNNING);

	assert_int_equal(store_job_transition(f->s, id, &c, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "running"));
	c.from[2] = JOB_RUNNING;
	ASSERT_OK(store_job_transition(f->s, id, &c, &err));
}

static void a_transition_writes_its_fields_and_leaves_others(void **state)
{
	struct fixture *f = *state;
	job_id id = insert_one(f->s, "j");
	struct job_change assigned = {
	    .to = JOB_ASSIGNED,
	    .image = "debian:12",
	    .sandbox_id = "sb",
	    .container_id = "ct",
	    .runner_id = "r",
	    .count_try = true,
	    .phases = {.assigned = 11, .created = 12},
	};
	struct job_change pending = {
	    .to = JOB_PENDING,
	    .reason_code = "engine_down",
	    .reason = "the engine does not answer",
	    .clear_container = true,
	    .not_before = 99,
	    .phases = {.created = 13},
	};
	struct err err = ERR_INIT;
	struct job j;

	ASSERT_OK(store_job_transition(f->s, id, &assigned, &err));
	ASSERT_OK(store_job_transition(f->s, id, &pending, &err));
	j = get(f->s, id);
	assert_string_equal(j.image, "debian:12");
	assert_string_equal(j.runner_id, "r");
	assert_null(j.sandbox_id);
	assert_null(j.container_id);
	assert_string_equal(j.reason_code, "engine_down");
	assert_string_equal(j.reason, "the engine does not answer");
	assert_int_equal(j.tries, 1);
	assert_int_equal(j.not_before, 99);
	assert_int_equal(j.phases.assigned, 11);
	assert_int_equal(j.phases.created, 13);
	job_fini(&j);
	move(f->s, id, JOB_QUEUED); /* without a reason: cleared */
	j = get(f->s, id);
	assert_null(j.reason_code);
	assert_null(j.reason);
	job_fini(&j);
}

static void the_end_writes_its_time_exit_code_and_result(void **state)
{
	struct fixture *f = *state;
	job_id id = insert_one(f->s, "j");
	int64_t end = INT64_C(1767225600123456789);
	struct job_change done = {
	    .to = JOB_FAILED,
	    .set_exit_code = true,
	    .exit_code = 3,
	    .result = "{\"oom\":false}",
	    .phases = {.ended = end},
	};
	struct err err = ERR_INIT;
	struct job j;

	move(f->s, id, JOB_ASSIGNED);
	j = get(f->s, id);
	assert_int_equal(j.started_at, 0);
	job_fini(&j);
	move(f->s, id, JOB_RUNNING);
	ASSERT_OK(store_job_transition(f->s, id, &done, &err));
	j = get(f->s, id);
	assert_true(j.started_at > 0);
	assert_int_equal(j.completed_at, end - end % CLOCK_NS_PER_MS);
	assert_int_equal(j.phases.ended, end);
	assert_true(j.has_exit_code);
	assert_int_equal(j.exit_code, 3);
	assert_string_equal(j.result, "{\"oom\":false}");
	job_fini(&j);
}

static void a_note_changes_fields_but_no_status(void **state)
{
	struct fixture *f = *state;
	job_id id = insert_one(f->s, "j");
	struct job_change note = {.image = "i:1",
	    .lease_until = 5,
	    .reason_code = "capacity",
	    .phases = {.removed = 7}};
	struct job_change wrong = {.from = {JOB_RUNNING}, .image = "i:2"};
	struct job_event_list events = {0};
	struct err err = ERR_INIT;
	struct job j;

	ASSERT_OK(store_job_note(f->s, id, &note, NULL, &err));
	note.event_data = "{\"step\":1}";
	ASSERT_OK(store_job_note(f->s, id, &note, "step", &err));
	assert_int_equal(store_job_note(f->s, id, &wrong, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	j = get(f->s, id);
	assert_int_equal(j.status, JOB_QUEUED);
	assert_string_equal(j.image, "i:1");
	assert_string_equal(j.reason_code, "capacity");
	assert_int_equal(j.lease_until, 5);
	assert_int_equal(j.phases.removed, 7);
	job_fini(&j);
	ASSERT_OK(store_job_events(f->s, id, 0, 10, &events, &err));
	assert_int_equal(events.n, 2);
	assert_string_equal(events.items[1].type, "step");
	assert_string_equal(events.items[1].data, "{\"step\":1}");
	assert_null(events.items[1].to);
	job_event_list_free(&events);
}

static void a_cancel_request_is_remembered_once(void **state)
{
	struct fixture *f = *state;
	job_id open = job_in(f->s, JOB_RUNNING);
	job_id ended = job_in(f->s, JOB_COMPLETED);
	struct job_event_list events = {0};
	struct err err = ERR_INIT;
	enum job_status found;
	struct job j;

	for (int i = 0; i < 2; i++) {
		ASSERT_OK(
		    store_job_request_cancel(f->s, open, "ann", &found, &err));
		assert_int_equal(found, JOB_RUNNING);
	}
	ASSERT_OK(store_job_request_cancel(f->s, ended, "ann", &found, &err));
	assert_int_equal(found, JOB_COMPLETED);
	j = get(f->s, open);
	assert_true(j.cancel_requested);
	job_fini(&j);
	j = get(f->s, ended);
	assert_false(j.cancel_requested);
	job_fini(&j);
	ASSERT_OK(store_job_events(f->s, open, 0, 10, &events, &err));
	assert_int_equal(events.n, 4);
	assert_string_equal(events.items[3].type, "cancel_requested");
	assert_string_equal(events.items[3].reason, "ann");
	job_event_list_free(&events);
}

/* -- races -------------------------------------------------------------------
 */

enum { RACERS = 16, ROUNDS = 40 };
struct race {
	struct store *s;
	job_id ids[ROUNDS];
	unsigned won; /* by this racer */
	pthread_t thread;
};

static void *race_main(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct err err = ERR_INIT;
		struct job_change c = {
		    .from = {JOB_QUEUED}, .to = JOB_ASSIGNED};

		if (store_job_transition(r->s, r->ids[i], &c, &err) == 0)
			r->won++;
		else
			ASSERT(err.kind == ERR_CONFLICT);
	}
	return NULL;
}

static void one_of_many_threads_wins_each_job(void **state)
{
	struct fixture *f = *state;
	struct race racers[RACERS] = {0};
	int64_t counts[JOB_STATUS_COUNT];
	struct err err = ERR_INIT;
	unsigned won = 0;

	for (int i = 0; i < ROUNDS; i++)
		racers[0].ids[i] = job_in(f->s, JOB_QUEUED);
	for (int i = 0; i < RACERS; i++) {
		memcpy(racers[i].ids, racers[0].ids, sizeof(racers[0].ids));
		racers[i].s = f->s;
		ASSERT_OK(thread_start(
		    &racers[i].thread, "racer", race_main, &racers[i], &err));
	}
	for (int i = 0; i < RACERS; i++) {
		thread_join(racers[i].thread);
		won += racers[i].won;
	}
	assert_int_equal(won, ROUNDS);
	ASSERT_OK(store_job_counts(f->s, counts, &err));
	assert_int_equal(counts[JOB_ASSIGNED], ROUNDS);
	assert_int_equal(counts[JOB_QUEUED], 0);
	assert_int_equal(store_last_event_seq(f->s), 2 * ROUNDS);
}

static void *reader_main(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct err err = ERR_INIT;
		struct job_filter filter = {.page = 1, .limit = 5};
		struct job_list l = {0};
		struct job j = {0};

		ASSERT(store_job_get(r->s, r->ids[i], &j, &err) == 1);
		ASSERT(j.status == JOB_QUEUED || j.status == JOB_ASSIGNED);
		ASSERT(store_job_list(r->s, &filter, &l, &err) == 0);
		ASSERT(l.n == 5);
		r->won++;
		job_fini(&j);
		job_list_free(&l);
	}
	return NULL;
}

/* More readers than connections: they wait for each other, not for the
 * writer. */
static void readers_and_writers_work_side_by_side(void **state)
{
	struct fixture *f = *state;
	struct race all[RACERS] = {0};
	struct err err = ERR_INIT;
	unsigned won = 0;

	for (int i = 0; i < ROUNDS; i++)
		all[0].ids[i] = job_in(f->s, JOB_QUEUED);
	for (int i = 0; i < RACERS; i++) {
		memcpy(all[i].ids, all[0].ids, sizeof(all[0].ids));
		all[i].s = f->s;
		ASSERT_OK(thread_start(&all[i].thread, "mixed",
		    i % 4 == 0 ? race_main : reader_main, &all[i], &err));
	}
	for (int i = 0; i < RACERS; i++) {
		thread_join(all[i].thread);
		won += all[i].won;
	}
	assert_int_equal(won, ROUNDS + RACERS / 4 * 3 * ROUNDS);
}

/* -- history ------------------------------------------------------------------
 */

struct heard {
	int64_t seqs[32];
	char types[32][24];
	size_t n;
};

static void hear(void *arg, const struct job_event *e)
{
	struct heard *h = arg;

	ASSERT(h->n < ARRAY_LEN(h->seqs));
	ASSERT(strcmp(e->repository, "test/repo") == 0);
	h->seqs[h->n] = e->seq;
	snprintf(h->types[h->n], sizeof(h->types[0]), "%s>%s",
	    e->from != NULL ? e->from : "", e->to != NULL ? e->to : "");
	h->n++;
}

static void events_come_in_order_after_the_commit(void **state)
{
	static const char *const want[] = {">queued", "queued>assigned",
	    "assigned>running", "running>completed"};
	struct fixture *f = *state;
	struct heard heard = {.n = 0};
	struct err err = ERR_INIT;
	job_id id;

	store_on_event(f->s, hear, &heard);
	id = insert_one(f->s, "j");
	run_to_end(f->s, id, JOB_COMPLETED);
	assert_int_equal(try_move(f->s, id, JOB_FAILED, &err), -1);
	fixture_close(f); /* joins the thread that writes `heard` */
	assert_int_equal(heard.n, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(heard.seqs[i], i + 1);
		assert_string_equal(heard.types[i], want[i]);
	}
	fixture_open(f);
}

static void the_history_resumes_after_any_number(void **state)
{
	struct fixture *f = *state;
	struct job_event_list l = {0};
	struct err err = ERR_INIT;
	struct job_new other = sample("o");
	job_id a = insert_one(f->s, "a");
	job_id b;

	other.job.repository = (char *)"test/other";
	b = insert_and_wait(f->s, &other).id;
	run_to_end(f->s, a, JOB_COMPLETED);
	move(f->s, b, JOB_CANCELLED);
	fixture_reopen(f);
	assert_int_equal(store_last_event_seq(f->s), 6);
	ASSERT_OK(store_events_after(f->s, 2, NULL, NULL, 3, &l, &err));
	assert_int_equal(l.n, 3);
	assert_int_equal(l.items[0].seq, 3);
	assert_int_equal(l.items[2].seq, 5);
	job_event_list_free(&l);
	ASSERT_OK(
	    store_events_after(f->s, 0, NULL, "test/other", 10, &l, &err));
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[0].type, "delegated");
	assert_string_equal(l.items[1].from, "queued");
	assert_string_equal(l.items[1].to, "cancelled");
	assert_int_equal(l.items[1].seq, 6);
	job_event_list_free(&l);
	ASSERT_OK(store_job_events(f->s, a, 1, 10, &l, &err));
	assert_int_equal(l.n, 3);
	assert_string_equal(l.items[2].to, "completed");
	assert_true(uuid_equal(l.items[2].job.u, a.u));
	job_event_list_free(&l);
	ASSERT_OK(store_events_after(f->s, 6, &a, "test/repo", 10, &l, &err));
	assert_int_equal(l.n, 0);
	job_event_list_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(every_transition_is_allowed_or_refused),
	    cmocka_unit_test(names_parse_back),
	    STORE_TEST(a_transition_from_another_state_is_a_conflict),
	    STORE_TEST(a_transition_writes_its_fields_and_leaves_others),
	    STORE_TEST(the_end_writes_its_time_exit_code_and_result),
	    STORE_TEST(a_note_changes_fields_but_no_status),
	    STORE_TEST(a_cancel_request_is_remembered_once),
	    STORE_TEST(one_of_many_threads_wins_each_job),
	    STORE_TEST(readers_and_writers_work_side_by_side),
	    STORE_TEST(events_come_in_order_after_the_commit),
	    STORE_TEST(the_history_resumes_after_any_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
