/* Jobs in hand, reached from other threads: jobs/live.h. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/live.h"
#include "jobs/session.h"

static struct sandbox sandbox_with_fd(void)
{
	return (struct sandbox){.magic = SANDBOX_MAGIC,
	    .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
}

static bool was_woken(const struct sandbox *sb)
{
	uint64_t n;

	return read(sb->wake_fd, &n, sizeof(n)) == sizeof(n);
}

static void enter(struct live_set *s, struct live *l, bool session)
{
	struct err err = ERR_INIT;

	*l = (struct live){.id = {uuid_v4()}, .is_session = session};
	assert_int_equal(live_enter(s, l, &err), 0);
}

static void test_cancel_reaches_the_job(void **state)
{
	struct live_set *s = live_set_new();
	struct sandbox sb = sandbox_with_fd();
	struct live l;

	(void)state;
	enter(s, &l, false);
	assert_true(live_is_in_hand(s, l.id));
	assert_int_equal(live_count(s), 1);
	assert_true(live_cancel(s, l.id, NULL));
	assert_true(atomic_load(&l.cancel_requested));
	assert_true(cancel_is_set(&l.cancel));
	live_set_sandbox(s, &l, &sb); /* it was cancelled before it had one */
	assert_true(was_woken(&sb));
	assert_true(live_cancel(s, l.id, NULL)); /* said twice, woken once */
	assert_false(was_woken(&sb));
	live_set_sandbox(s, &l, NULL);
	live_leave(s, &l);
	assert_false(live_cancel(s, l.id, NULL));
	assert_int_equal(live_count(s), 0);
	close(sb.wake_fd);
	live_set_free(s);
}

/* Calls are never answered here: who takes them frees them. */
static void free_calls(struct session_call *call)
{
	struct session_call *next;

	for (; call != NULL; call = next) {
		next = call->next;
		session_call_free(call);
	}
}

static size_t count_calls(const struct session_call *call)
{
	size_t n = 0;

	for (; call != NULL; call = call->next)
		n++;
	return n;
}

static enum live_posted post(struct live_set *s, job_id id, size_t len)
{
	struct session_call *call = mem_zalloc(sizeof(*call));
	enum live_posted r;

	call->kind = SESSION_INPUT;
	call->len = len;
	call->data = mem_zalloc(len + 1);
	r = live_post(s, id, call);
	if (r != LIVE_POSTED)
		session_call_free(call);
	return r;
}

static enum live_posted post_step(
    struct live_set *s, job_id id, size_t body_len)
{
	struct session_call *call = mem_zalloc(sizeof(*call));
	enum live_posted r;

	call->kind = SESSION_STEP;
	call->body_len = body_len;
	r = live_post(s, id, call);
	if (r != LIVE_POSTED)
		session_call_free(call);
	return r;
}

static void test_sessions(void **state)
{
	static const struct live_end failed = {
	    .status = JOB_FAILED, .code = "session_failed", .words = "first"};
	static const struct live_end done = {.status = JOB_COMPLETED};
	struct live_set *s = live_set_new();
	struct sandbox sb = sandbox_with_fd();
	struct live l, job;
	bool stale;

	(void)state;
	enter(s, &l, true);
	enter(s, &job, false);
	live_set_sandbox(s, &l, &sb);
	assert_false(was_woken(&sb));
	atomic_store(&l.lease_until, 9000); /* until the first call */
	assert_true(live_renew(s, l.id, 500, 100, &stale));
	assert_int_equal(atomic_load(&l.lease_until), 500);
	assert_true(stale); /* nothing of it stands in the store */
	assert_true(atomic_load(&l.driven));
	assert_true(was_woken(&sb));
	assert_true(live_renew(s, l.id, 400, 100, &stale)); /* never shorter */
	assert_false(stale);
	assert_int_equal(atomic_load(&l.lease_until), 500);
	assert_true(live_renew(s, l.id, 599, 100, &stale));
	assert_false(stale);
	assert_true(live_renew(s, l.id, 600, 100, &stale));
	assert_true(stale);
	assert_false(was_woken(&sb)); /* it is told once */
	assert_false(live_end_session(s, job.id, &done));
	assert_int_equal(atomic_load(&job.session_end), 0);
	assert_true(live_end_session(s, l.id, &failed));
	assert_true(live_end_session(s, l.id, &done)); /* too late */
	assert_int_equal(atomic_load(&l.session_end), JOB_FAILED);
	assert_string_equal(l.end.words, "first");
	assert_true(was_woken(&sb));
	live_set_sandbox(s, &l, NULL);
	live_leave(s, &l);
	live_leave(s, &job);
	assert_false(live_renew(s, l.id, 600, 100, &stale));
	assert_false(live_end_session(s, l.id, &failed));
	close(sb.wake_fd);
	live_set_free(s);
}

/* A session that starts is not held up by what its start waits for. */
static void test_an_end_interrupts_the_start(void **state)
{
	static const struct live_end end = {.status = JOB_CANCELLED};
	struct live_set *s = live_set_new();
	struct sandbox sb = sandbox_with_fd();
	struct live l;

	(void)state;
	enter(s, &l, true);
	assert_true(live_end_session(s, l.id, &end));
	assert_true(cancel_is_set(&l.cancel));
	live_set_sandbox(s, &l, &sb); /* nor by what comes then */
	assert_true(was_woken(&sb));
	live_leave(s, &l);
	close(sb.wake_fd);
	live_set_free(s);
}

static void test_mailbox(void **state)
{
	struct live_set *s = live_set_new();
	struct sandbox sb = sandbox_with_fd();
	struct live l, job;

	(void)state;
	enter(s, &l, true);
	enter(s, &job, false);
	live_set_sandbox(s, &l, &sb);
	assert_int_equal(post(s, l.id, 1), LIVE_ABSENT); /* not open yet */
	live_open_door(s, &l);
	live_open_door(s, &job);
	assert_int_equal(post(s, job.id, 1), LIVE_ABSENT); /* no session */
	assert_false(was_woken(&sb));
	for (int i = 0; i < LIVE_CALLS_MAX; i++)
		assert_int_equal(post(s, l.id, 1), LIVE_POSTED);
	assert_int_equal(post(s, l.id, 1), LIVE_FULL);
	assert_true(was_woken(&sb));
	assert_true(atomic_load(&l.called));
	{
		struct session_call *all = live_take_calls(s, &l);

		assert_int_equal(count_calls(all), LIVE_CALLS_MAX);
		free_calls(all);
	}
	assert_false(atomic_load(&l.called));
	assert_null(live_take_calls(s, &l));
	/* one call may be as large as it is, several are bounded */
	assert_int_equal(post(s, l.id, LIVE_CALL_BYTES_MAX + 1), LIVE_POSTED);
	assert_int_equal(post(s, l.id, 1), LIVE_FULL);
	free_calls(live_take_calls(s, &l));
	/* steps with their bodies, too */
	assert_int_equal(post_step(s, l.id, LIVE_CALL_BYTES_MAX), LIVE_POSTED);
	assert_int_equal(post_step(s, l.id, 1), LIVE_FULL);
	free_calls(live_shut_door(s, &l, LIVE_OVER));
	assert_int_equal(post(s, l.id, 1), LIVE_REFUSED_OVER);
	assert_null(live_shut_door(s, &l, LIVE_LEFT));
	assert_int_equal(post(s, l.id, 1), LIVE_REFUSED_LEFT);
	live_leave(s, &l);
	live_leave(s, &job);
	assert_int_equal(post(s, l.id, 1), LIVE_ABSENT);
	close(sb.wake_fd);
	live_set_free(s);
}

static void test_children(void **state)
{
	static const struct live_end end = {.status = JOB_CANCELLED};
	struct live_set *s = live_set_new();
	struct live parent, child[3], other;
	char id[UUID_TEXT_LEN];

	(void)state;
	enter(s, &parent, true);
	enter(s, &other, true);
	uuid_text(parent.id.u, id);
	for (int i = 0; i < 3; i++) {
		enter(s, &child[i], true);
		live_set_parent(s, &child[i], id);
	}
	live_end_children(s, id, &end);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    atomic_load(&child[i].session_end), JOB_CANCELLED);
	assert_int_equal(atomic_load(&parent.session_end), 0);
	assert_int_equal(atomic_load(&other.session_end), 0);
	assert_false(live_wait_children(s, id, clock_mono_ns()));
	for (int i = 0; i < 3; i++)
		live_leave(s, &child[i]);
	assert_true(live_wait_children(s, id, clock_mono_ns()));
	live_leave(s, &parent);
	live_leave(s, &other);
	live_set_free(s);
}

static void test_one_hand_for_a_job(void **state)
{
	struct live_set *s = live_set_new();
	struct err err = ERR_INIT;
	struct live l, twin;

	(void)state;
	enter(s, &l, false);
	twin = (struct live){.id = l.id};
	assert_int_equal(live_enter(s, &twin, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(live_count(s), 1);
	live_leave(s, &l);
	assert_int_equal(live_enter(s, &twin, &err), 0);
	live_leave(s, &twin);
	live_set_free(s);
}

static void test_stop_reaches_all_also_later_ones(void **state)
{
	struct live_set *s = live_set_new();
	struct sandbox sb = sandbox_with_fd();
	struct live early, late;

	(void)state;
	enter(s, &early, false);
	live_set_sandbox(s, &early, &sb);
	live_stop_all(s);
	assert_true(atomic_load(&early.stopping));
	assert_true(cancel_is_set(&early.cancel));
	assert_true(was_woken(&sb));
	enter(s, &late, false);
	assert_true(atomic_load(&late.stopping));
	assert_true(cancel_is_set(&late.cancel));
	assert_false(live_wait_empty(s, clock_mono_ns()));
	live_set_sandbox(s, &early, NULL);
	live_leave(s, &early);
	live_leave(s, &late);
	assert_true(live_wait_empty(s, clock_mono_ns()));
	close(sb.wake_fd);
	live_set_free(s);
}

/* -- threads -------------------------------------------------------------- */

enum { CARRIERS = 4, ROUNDS = 300 };

struct crew {
	struct live_set *s;
	job_id ids[CARRIERS];
	atomic_int done;
};
struct member {
	struct crew *crew;
	size_t at;
};

/* Holds a job until somebody cancels it, again and again. */
static void *carry(void *arg)
{
	struct member *m = arg;
	struct err err = ERR_INIT;

	for (int i = 0; i < ROUNDS; i++) {
		struct live l = {.id = m->crew->ids[m->at]};
		struct sandbox sb = sandbox_with_fd();
		struct pollfd p = {.fd = sb.wake_fd, .events = POLLIN};

		assert_int_equal(live_enter(m->crew->s, &l, &err), 0);
		live_set_sandbox(m->crew->s, &l, &sb);
		while (!atomic_load(&l.cancel_requested))
			poll(&p, 1, -1);
		live_set_sandbox(m->crew->s, &l, NULL);
		live_leave(m->crew->s, &l);
		close(sb.wake_fd);
	}
	atomic_fetch_add(&m->crew->done, 1);
	return NULL;
}

static void test_cancels_against_carriers(void **state)
{
	struct crew crew = {.s = live_set_new()};
	bool stale;
	struct member members[CARRIERS];
	pthread_t threads[CARRIERS];
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < CARRIERS; i++) {
		crew.ids[i] = (job_id){uuid_v4()};
		members[i] = (struct member){&crew, i};
		assert_int_equal(thread_start(&threads[i], "carry", carry,
				     &members[i], &err),
		    0);
	}
	while (atomic_load(&crew.done) < CARRIERS)
		for (size_t i = 0; i < CARRIERS; i++) {
			live_renew(crew.s, crew.ids[i], 1, 1, &stale);
			live_cancel(crew.s, crew.ids[i], NULL);
		}
	assert_true(live_wait_empty(crew.s, CLOCK_NO_DEADLINE));
	for (size_t i = 0; i < CARRIERS; i++)
		thread_join(threads[i]);
	live_set_free(crew.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cancel_reaches_the_job),
	    cmocka_unit_test(test_sessions),
	    cmocka_unit_test(test_an_end_interrupts_the_start),
	    cmocka_unit_test(test_mailbox),
	    cmocka_unit_test(test_children),
	    cmocka_unit_test(test_one_hand_for_a_job),
	    cmocka_unit_test(test_stop_reaches_all_also_later_ones),
	    cmocka_unit_test(test_cancels_against_carriers),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
