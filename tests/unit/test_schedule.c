/* What runs next: order, fairness, limits, gates, and who is woken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "jobs/schedule.h"

#define GIB (INT64_C(1) << 30)

/* A take that should find a job and does not would wait for ever. */
enum { HANGS_AFTER_S = 120 };

static int64_t order; /* of creation: the age of the next job */

static int setup(void **state)
{
	(void)state;
	alarm(HANGS_AFTER_S);
	order = 1000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	clock_fake_set(-1, 0);
	alarm(0);
	return 0;
}

static struct schedule *open_with(struct schedule_config c)
{
	struct schedule *s;
	struct err err = ERR_INIT;

	if (c.sessions_idle_max == 0)
		c.sessions_idle_max = 1;
	if (c.queue_max == 0)
		c.queue_max = 100000;
	assert_int_equal(schedule_open(&s, &c, &err), 0);
	return s;
}

static struct schedule *open_slots(unsigned slots)
{
	return open_with((struct schedule_config){.slots = slots});
}

static struct schedule_job job_of(int priority)
{
	return (struct schedule_job){
	    .id = {uuid_v4()}, .priority = priority, .since = order++};
}

static job_id add(struct schedule *s, const char *repo, struct schedule_job job)
{
	struct err err = ERR_INIT;

	assert_int_equal(schedule_add(s, &job, repo, &err), 0);
	return job.id;
}

static struct schedule_grant take(struct schedule *s)
{
	struct schedule_grant g;

	assert_true(schedule_take(s, &g));
	return g;
}

static bool same(job_id a, job_id b)
{
	return uuid_equal(a.u, b.u);
}

static void assert_next(struct schedule *s, job_id want)
{
	struct schedule_grant g = take(s);

	assert_true(same(g.job.id, want));
	schedule_release(s, &g);
}

static void assert_waits(struct schedule *s, job_id id, const char *want_code,
    const char *want_words)
{
	char code[32], words[300];

	assert_true(schedule_explain(s, id, code, words, sizeof(words)));
	assert_string_equal(code, want_code);
	if (strstr(words, want_words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", words, want_words);
}

/* -- order ---------------------------------------------------------------- */

static void test_one_job_at_a_time_does_not_overtake_a_backlog(void **state)
{
	struct schedule *s = open_slots(1);
	struct schedule_grant g;
	unsigned backlog = 0;
	job_id one = add(s, "one/ata", job_of(50));

	(void)state;
	for (int i = 0; i < 100; i++)
		add(s, "back/log", job_of(50));
	for (int turn = 0; turn < 80; turn++) {
		g = take(s);
		backlog += !same(g.job.id, one);
		schedule_release(s, &g);
		/* Its repository was idle, and forgotten, in between. */
		if (same(g.job.id, one))
			one = add(s, "one/ata", job_of(50));
	}
	assert_in_range(backlog, 36, 50); /* every other turn, and the 8th */
	schedule_close(s);
}

static void test_priority_then_age(void **state)
{
	struct schedule *s = open_slots(1);
	job_id old_low = add(s, "a/a", job_of(10));
	job_id first = add(s, "a/a", job_of(50));
	job_id second = add(s, "a/a", job_of(50));
	job_id urgent = add(s, "a/a", job_of(90));

	(void)state;
	assert_next(s, urgent);
	assert_next(s, first);
	assert_next(s, second);
	assert_next(s, old_low);
	schedule_close(s);
}

static void test_same_age_is_ordered_by_id(void **state)
{
	struct schedule *s = open_slots(1);
	struct schedule_job a = job_of(50), b = job_of(50);

	(void)state;
	b.since = a.since;
	a.id.u.b[0] = 2;
	b.id.u.b[0] = 1;
	add(s, "a/a", a);
	add(s, "a/a", b);
	assert_next(s, b.id);
	assert_next(s, a.id);
	schedule_close(s);
}

static void test_one_slot_goes_round(void **state)
{
	struct schedule *s = open_slots(1);
	char got[8] = "";
	struct schedule_grant g;
	job_id a[6], b[3];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		a[i] = add(s, "a/a", job_of(50));
	for (size_t i = 0; i < 3; i++)
		b[i] = add(s, "b/b", job_of(50));
	for (size_t i = 0; i < 7; i++) {
		g = take(s);
		got[i] = 'b';
		for (size_t k = 0; k < 6; k++)
			if (same(g.job.id, a[k]))
				got[i] = 'a';
		schedule_release(s, &g);
	}
	(void)b;
	assert_string_equal(got, "abababa");
	schedule_close(s);
}

static void test_fewest_running_goes_first(void **state)
{
	struct schedule *s = open_slots(4);
	struct schedule_grant g[4];
	job_id b[2];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		add(s, "a/a", job_of(50));
	g[0] = take(s);
	g[1] = take(s);
	b[0] = add(s, "b/b", job_of(50));
	b[1] = add(s, "b/b", job_of(50));
	g[2] = take(s);
	g[3] = take(s);
	assert_true(same(g[2].job.id, b[0]));
	assert_true(same(g[3].job.id, b[1]));
	for (size_t i = 0; i < 4; i++)
		schedule_release(s, &g[i]);
	schedule_close(s);
}

static void test_every_eighth_pick_is_the_oldest(void **state)
{
	struct schedule *s = open_slots(1);
	job_id patient = add(s, "a/a", job_of(0));
	struct schedule_grant g;

	(void)state;
	for (int i = 1; i <= 8; i++) {
		add(s, "a/a", job_of(100));
		g = take(s);
		assert_int_equal(same(g.job.id, patient), i == 8);
		schedule_release(s, &g);
	}
	schedule_close(s);
}

/* -- delay ---------------------------------------------------------------- */

static void test_delay_passes_on_the_monotonic_clock(void **state)
{
	const int64_t mono = 1000 * CLOCK_NS_PER_S,
		      wall = 9000 * CLOCK_NS_PER_S;
	struct schedule *s = open_slots(1);
	struct schedule_job late = job_of(90);
	job_id now;

	(void)state;
	clock_fake_set(mono, wall);
	late.not_before = wall + 10 * CLOCK_NS_PER_S;
	add(s, "a/a", late);
	now = add(s, "a/a", job_of(50));
	assert_waits(s, late.id, "retry", "waits 10 s");
	assert_next(s, now);
	/* Somebody sets the wall clock back: the delay is over all the same. */
	clock_fake_set(
	    mono + 10 * CLOCK_NS_PER_S, wall - 3600 * CLOCK_NS_PER_S);
	assert_waits(s, late.id, "next", "in a moment");
	assert_next(s, late.id);
	schedule_close(s);
}

static void test_the_eighth_pick_passes_over_delayed(void **state)
{
	struct schedule *s = open_slots(1);
	struct schedule_job late = job_of(90);
	job_id other;

	(void)state;
	late.not_before = clock_wall_ns() + 3600 * CLOCK_NS_PER_S;
	add(s, "a/a", late);
	for (int i = 0; i < 9; i++) {
		other = add(s, "a/a", job_of(50));
		assert_next(s, other);
	}
	assert_true(schedule_remove(s, late.id));
	schedule_close(s);
}

/* -- limits --------------------------------------------------------------- */

static void test_idle_sessions_have_their_share(void **state)
{
	struct schedule *s = open_with(
	    (struct schedule_config){.slots = 8, .sessions_idle_max = 2});
	struct schedule_job leased[3] = {job_of(50), job_of(50), job_of(50)};
	struct schedule_grant g[4];
	struct schedule_stats st;
	job_id job;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		leased[i].session = true;
		add(s, "a/a", leased[i]);
	}
	job = add(s, "a/a", job_of(0));
	g[0] = take(s);
	g[1] = take(s);
	assert_waits(s, leased[2].id, "session_limit", "2 session");
	g[2] = take(s); /* a job of lower priority goes before it */
	assert_true(same(g[2].job.id, job));
	schedule_driven(s, &g[0]);
	schedule_driven(s, &g[0]); /* said twice, counted once */
	schedule_stats(s, &st);
	assert_int_equal(st.idle_sessions, 1);
	g[3] = take(s);
	assert_true(same(g[3].job.id, leased[2].id));
	for (size_t i = 0; i < 4; i++)
		schedule_release(s, &g[i]);
	schedule_stats(s, &st);
	assert_int_equal(st.idle_sessions, 0);
	assert_int_equal(st.running, 0);
	schedule_close(s);
}

static void test_a_large_job_keeps_its_turn(void **state)
{
	struct schedule *s = open_with(
	    (struct schedule_config){.slots = 8, .memory_bytes = 4 * GIB});
	struct schedule_job small = job_of(50), large = job_of(50),
			    late = job_of(50);
	struct schedule_grant g;

	(void)state;
	small.memory_bytes = late.memory_bytes = GIB;
	large.memory_bytes = 4 * GIB;
	add(s, "a/a", small);
	g = take(s);
	add(s, "a/a", large);
	add(s, "a/a", late);
	assert_waits(s, large.id, "memory", "it needs 4096 MiB; 1024 of 4096");
	assert_waits(
	    s, late.id, "memory", "the job whose turn it is needs 4096 MiB");
	schedule_release(s, &g);
	assert_next(s, large.id);
	assert_next(s, late.id);
	schedule_close(s);
}

static void test_alone_every_job_fits(void **state)
{
	struct schedule *s = open_with((struct schedule_config){.slots = 2});
	struct schedule_job large = job_of(50);

	(void)state;
	large.memory_bytes = 4 * GIB;
	add(s, "a/a", large);
	schedule_set_memory(s, GIB); /* a smaller host since yesterday */
	assert_next(s, large.id);
	schedule_close(s);
}

static void test_slots_are_explained(void **state)
{
	struct schedule *s = open_slots(1);
	struct schedule_grant g;
	job_id other, mine;

	(void)state;
	add(s, "a/a", job_of(50));
	g = take(s);
	other = add(s, "a/a", job_of(50));
	mine = add(s, "a/a", job_of(50));
	assert_waits(s, other, "capacity", "1 of 1 slots are in use");
	assert_waits(s, other, "capacity", "about 0 jobs are ahead");
	assert_waits(s, mine, "capacity", "about 1 job is ahead");
	for (int i = 0; i < 1500; i++)
		add(s, "b/b", job_of(90));
	assert_waits(s, mine, "capacity", "more than 999 jobs are ahead");
	schedule_release(s, &g);
	assert_waits(s, mine, "next", "in a moment");
	schedule_close(s);
}

static void test_gates(void **state)
{
	static const struct {
		enum schedule_gate gate;
		const char *code, *words;
	} gates[] = {{GATE_ENGINE_DOWN, "engine_down", "does not answer"},
	    {GATE_DISK_FULL, "disk_full", "free some space"},
	    {GATE_DRAINING, "draining", "shutting down"},
	    {GATE_STARTING, "hub_starting", "is starting"},
	    {GATE_PAUSED, "queue_paused", "queue resume"},
	    {GATE_EMPTYING, "queue_draining", "queue resume"}};
	struct schedule *s = open_slots(1);
	job_id id = add(s, "a/a", job_of(50));
	struct schedule_stats st;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
		schedule_close_gate(s, gates[i].gate);
		assert_waits(s, id, gates[i].code, gates[i].words);
		schedule_stats(s, &st);
		assert_int_equal(st.gates, gates[i].gate);
		schedule_open_gate(s, gates[i].gate);
	}
	assert_next(s, id);
	schedule_close(s);
}

static void test_queue_and_counts(void **state)
{
	struct schedule *s =
	    open_with((struct schedule_config){.slots = 2, .queue_max = 2});
	struct schedule_job a = job_of(50), b = job_of(50);
	struct schedule_stats st;
	struct schedule_grant g;
	struct err err = ERR_INIT;
	char code[32], words[8];

	(void)state;
	a.memory_bytes = GIB;
	add(s, "a/a", a);
	assert_true(schedule_has_room(s));
	add(s, "b/b", b);
	assert_false(schedule_has_room(s));
	assert_int_equal(schedule_add(s, &a, "a/a", &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	schedule_stats(s, &st);
	assert_int_equal(st.waiting, 2);
	assert_int_equal(st.oldest_since, a.since);
	assert_true(schedule_remove(s, b.id));
	assert_false(schedule_remove(s, b.id));
	assert_false(schedule_explain(s, b.id, code, words, sizeof(words)));
	g = take(s);
	assert_false(schedule_remove(s, a.id)); /* in hand */
	schedule_stats(s, &st);
	assert_int_equal(st.waiting, 0);
	assert_int_equal(st.running, 1);
	assert_int_equal(st.memory_used, GIB);
	assert_int_equal(st.oldest_since, 0);
	schedule_release(s, &g);
	schedule_close(s);
}

static void test_an_adopted_job_occupies_its_slot(void **state)
{
	struct schedule *s = open_slots(1);
	struct schedule_job adopted = job_of(50);
	struct schedule_grant g;
	job_id id;

	(void)state;
	schedule_occupy(s, &adopted, "a/a", &g);
	id = add(s, "a/a", job_of(50));
	assert_waits(s, id, "capacity", "1 of 1");
	schedule_release(s, &g);
	assert_next(s, id);
	schedule_close(s);
}

/* -- a long run against a model ------------------------------------------- */

enum { SIM_JOBS = 4000, SIM_REPOS = 7, SIM_SLOTS = 5 };

struct sim_job {
	job_id id;
	int repo, priority;
	bool waiting, served;
	int64_t added_at; /* picks by then */
};

struct sim {
	struct schedule *s;
	struct sim_job jobs[SIM_JOBS];
	struct schedule_grant running[SIM_SLOTS];
	int owner[SIM_SLOTS]; /* job of each slot, -1: free */
	int nrunning, nwaiting, added;
	int64_t picks;
	int repo_running[SIM_REPOS];
};

static void sim_add(struct sim *m)
{
	struct sim_job *j = &m->jobs[m->added];
	char repo[16];

	*j = (struct sim_job){.repo = rand() % SIM_REPOS,
	    .priority = rand() % 3 * 50,
	    .waiting = true,
	    .added_at = m->picks};
	snprintf(repo, sizeof(repo), "o/r%d", j->repo);
	j->id = add(m->s, repo, job_of(j->priority));
	m->added++;
	m->nwaiting++;
}

static int sim_find(const struct sim *m, job_id id)
{
	for (int i = 0; i < m->added; i++)
		if (same(m->jobs[i].id, id))
			return i;
	fail_msg("a job came that nobody added");
	return -1;
}

/* The documented order: nothing that waits should have gone before. */
static void sim_judge(const struct sim *m, const struct sim_job *got)
{
	bool oldest = true;

	for (int i = 0; i < m->added; i++) {
		const struct sim_job *j = &m->jobs[i];

		if (!j->waiting)
			continue;
		if (j < got)
			oldest = false;
		if ((m->picks + 1) % 8 == 0)
			continue;
		assert_true(j->priority <= got->priority);
		if (j->priority == got->priority)
			assert_true(m->repo_running[j->repo] >=
				    m->repo_running[got->repo]);
		if (j->priority == got->priority && j->repo == got->repo)
			assert_true(j >= got);
	}
	if ((m->picks + 1) % 8 == 0)
		assert_true(oldest);
}

static void sim_take(struct sim *m)
{
	struct schedule_grant g = take(m->s);
	int at = sim_find(m, g.job.id), slot = 0;
	struct sim_job *j = &m->jobs[at];

	assert_true(j->waiting);
	sim_judge(m, j);
	while (m->owner[slot] >= 0)
		slot++;
	m->owner[slot] = at;
	m->running[slot] = g;
	m->nrunning++;
	m->nwaiting--;
	m->repo_running[j->repo]++;
	m->picks++;
	j->waiting = false;
	j->served = true;
	/* Every 8th pick takes the oldest: nobody waits longer than 8 picks
	 * for each job that was there before it. */
	assert_true(m->picks - j->added_at <= 8 * (int64_t)(at + 1));
}

static void sim_end_one(struct sim *m)
{
	int slot = rand() % SIM_SLOTS;

	while (m->owner[slot] < 0)
		slot = (slot + 1) % SIM_SLOTS;
	m->repo_running[m->jobs[m->owner[slot]].repo]--;
	m->owner[slot] = -1;
	m->nrunning--;
	schedule_release(m->s, &m->running[slot]);
}

static void test_long_run(void **state)
{
	struct sim *m = calloc(1, sizeof(*m));

	(void)state;
	srand(20260131);
	m->s = open_slots(SIM_SLOTS);
	for (int i = 0; i < SIM_SLOTS; i++)
		m->owner[i] = -1;
	while (m->added < SIM_JOBS || m->nwaiting > 0 || m->nrunning > 0) {
		if (m->added < SIM_JOBS && rand() % 2 == 0)
			sim_add(m);
		/* Work conservation: a free slot and a job meet at once. */
		else if (m->nrunning < SIM_SLOTS && m->nwaiting > 0)
			sim_take(m);
		else if (m->nrunning > 0)
			sim_end_one(m);
	}
	for (int i = 0; i < SIM_JOBS; i++)
		assert_true(m->jobs[i].served);
	schedule_close(m->s);
	free(m);
}

/* -- threads -------------------------------------------------------------- */

enum { CREW = 6, CREW_JOBS = 3000 };

struct crew {
	struct schedule *s;
	atomic_int taken, at_once, most;
};

static void *work(void *arg)
{
	struct crew *c = arg;
	struct schedule_grant g;
	int now, most;

	while (schedule_take(c->s, &g)) {
		now = atomic_fetch_add(&c->at_once, 1) + 1;
		most = atomic_load(&c->most);
		while (now > most &&
		       !atomic_compare_exchange_weak(&c->most, &most, now))
			;
		if (g.idle_session)
			schedule_driven(c->s, &g);
		atomic_fetch_sub(&c->at_once, 1);
		schedule_release(c->s, &g);
		if (atomic_fetch_add(&c->taken, 1) + 1 == CREW_JOBS)
			schedule_stop(c->s);
	}
	return NULL;
}

static void start_crew(pthread_t *threads, size_t n, struct crew *c)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(
		    thread_start(&threads[i], "work", work, c, &err), 0);
}

static void test_many_takers(void **state)
{
	struct crew c = {.s = open_with((struct schedule_config){.slots = 3})};
	pthread_t threads[CREW];
	struct schedule_job job;
	char repo[16], code[32], words[200];

	(void)state;
	start_crew(threads, CREW, &c);
	for (int i = 0; i < CREW_JOBS; i++) {
		job = job_of(i % 100);
		job.session = i % 5 == 0;
		if (i % 7 == 0)
			job.not_before = clock_wall_ns() + CLOCK_NS_PER_MS;
		snprintf(repo, sizeof(repo), "o/r%d", i % 11);
		add(c.s, repo, job);
		schedule_explain(c.s, job.id, code, words, sizeof(words));
		if (i % 100 == 0)
			schedule_close_gate(c.s, GATE_DISK_FULL);
		if (i % 100 == 10)
			schedule_open_gate(c.s, GATE_DISK_FULL);
	}
	schedule_open_gate(c.s, GATE_DISK_FULL);
	for (size_t i = 0; i < CREW; i++)
		thread_join(threads[i]);
	assert_int_equal(atomic_load(&c.taken), CREW_JOBS);
	assert_true(atomic_load(&c.most) <= 3);
	schedule_close(c.s);
}

struct holder {
	struct schedule *s;
	struct schedule_grant g;
};

static void *take_and_hold(void *arg)
{
	struct holder *h = arg;

	assert_true(schedule_take(h->s, &h->g));
	return NULL;
}

/* Each taker holds its job: the second delayed job has to wake the other. */
static void test_each_delayed_job_wakes_a_taker(void **state)
{
	struct schedule *s = open_slots(3);
	struct holder h[3] = {{.s = s}, {.s = s}, {.s = s}};
	pthread_t threads[3];
	struct schedule_job job;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(thread_start(&threads[i], "take",
				     take_and_hold, &h[i], &err),
		    0);
	for (int i = 0; i < 3; i++) {
		job = job_of(50);
		job.not_before =
		    clock_wall_ns() + (i + 1) * 20 * CLOCK_NS_PER_MS;
		add(s, "a/a", job);
	}
	for (size_t i = 0; i < 3; i++)
		thread_join(threads[i]);
	for (size_t i = 0; i < 3; i++)
		schedule_release(s, &h[i].g);
	schedule_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* -- children ------------------------------------------------------------- */

static struct schedule_job child_of(job_id parent)
{
	struct schedule_job j = job_of(50);

	j.child = j.session = true;
	j.parent = parent;
	j.memory_bytes = GIB;
	return j;
}

static struct schedule_grant take_child(struct schedule *s)
{
	struct schedule_grant g;

	assert_true(schedule_take_child(s, &g));
	return g;
}

static void test_a_child_starts_beside_its_parent(void **state)
{
	struct schedule *s = open_with(
	    (struct schedule_config){.slots = 1, .memory_bytes = GIB});
	struct schedule_job big = job_of(50);
	struct schedule_grant parent, child;
	struct schedule_stats stats;
	job_id id, next;

	(void)state;
	big.memory_bytes = GIB;
	add(s, "o/r", big);
	parent = take(s);
	next = add(s, "o/r", big = job_of(90));
	id = add(s, "o/r", child_of(parent.job.id));
	assert_waits(s, id, "next", "in a moment");
	assert_waits(s, next, "capacity", "1 of 1 slots");
	child = take_child(s);
	assert_true(same(child.job.id, id));
	schedule_stats(s, &stats);
	assert_int_equal(stats.running, 1);
	assert_int_equal(stats.memory_used, GIB);
	assert_int_equal(stats.idle_sessions, 0);
	schedule_driven(s, &child);
	schedule_release(s, &parent);
	/* A free slot is never given to a child's taker, nor the reverse. */
	assert_next(s, next);
	schedule_release(s, &child);
	schedule_close(s);
}

static void test_children_of_one_parent_are_bounded(void **state)
{
	struct schedule *s = open_slots(1);
	job_id parent = {uuid_v4()}, other = {uuid_v4()}, id, found;
	struct schedule_grant g[SCHEDULE_CHILDREN_MAX];

	(void)state;
	for (int i = 0; i < SCHEDULE_CHILDREN_MAX; i++) {
		assert_true(schedule_reserve_child(s, parent));
		id = add(s, "o/r", child_of(parent));
		schedule_unreserve_child(s, parent);
	}
	assert_false(schedule_reserve_child(s, parent));
	assert_true(schedule_reserve_child(s, other));
	schedule_unreserve_child(s, other);
	assert_true(schedule_remove(s, id)); /* ended while it waited */
	assert_true(schedule_reserve_child(s, parent));
	assert_false(schedule_reserve_child(s, parent));
	schedule_unreserve_child(s, parent);
	for (int i = 0; i < SCHEDULE_CHILDREN_MAX - 1; i++) {
		assert_true(schedule_next_child(s, parent, &found));
		g[i] = take_child(s);
		assert_true(same(g[i].job.id, found));
	}
	assert_false(schedule_next_child(s, parent, &found));
	schedule_occupy(s,
	    &(struct schedule_job){
		.id = {uuid_v4()}, .child = true, .parent = parent},
	    "o/r", &g[SCHEDULE_CHILDREN_MAX - 1]);
	assert_false(schedule_reserve_child(s, parent));
	for (int i = 0; i < SCHEDULE_CHILDREN_MAX; i++)
		schedule_release(s, &g[i]);
	assert_true(schedule_reserve_child(s, parent));
	schedule_unreserve_child(s, parent);
	schedule_close(s);
}

struct child_taker {
	struct schedule *s;
	bool taken;
	struct schedule_grant g;
};

static void *take_one_child(void *arg)
{
	struct child_taker *t = arg;

	t->taken = schedule_take_child(t->s, &t->g);
	return NULL;
}

static void test_takers_of_children(void **state)
{
	struct child_taker t[2] = {{.s = open_slots(1)}, {0}};
	struct schedule *s = t[0].s;
	struct err err = ERR_INIT;
	pthread_t threads[2];
	job_id parent = {uuid_v4()};

	(void)state;
	t[1].s = s;
	assert_false(schedule_lacks_taker(s));
	schedule_close_gate(s, GATE_ENGINE_DOWN);
	add(s, "o/r", child_of(parent));
	assert_true(schedule_lacks_taker(s));
	for (int i = 0; i < 2; i++)
		assert_int_equal(thread_start(&threads[i], "taker",
				     take_one_child, &t[i], &err),
		    0);
	while (schedule_lacks_taker(s))
		;
	schedule_open_gate(s, GATE_ENGINE_DOWN);
	add(s, "o/r", child_of(parent));
	for (int i = 0; i < 2; i++) {
		thread_join(threads[i]);
		assert_true(t[i].taken);
		schedule_release(s, &t[i].g);
	}
	schedule_stop(s);
	assert_false(schedule_take_child(s, &t[0].g));
	schedule_close(s);
}

/* What runs shall come to its end, and may need them for that. */
static void test_children_pass_an_administrators_gates(void **state)
{
	struct schedule *s = open_slots(1);
	struct schedule_grant g;
	job_id parent = {uuid_v4()};

	(void)state;
	schedule_close_gate(s, GATE_PAUSED);
	schedule_close_gate(s, GATE_EMPTYING);
	add(s, "o/r", child_of(parent));
	assert_true(schedule_take_child(s, &g));
	schedule_release(s, &g);
	schedule_close(s);
}

static void test_shares_are_of_the_busiest(void **state)
{
	struct schedule *s = open_slots(3);
	struct schedule_share shares[3];
	struct schedule_grant held[2];
	char name[32];

	(void)state;
	assert_int_equal(schedule_shares(s, shares, 3), 0);
	add(s, "runs/two", job_of(100));
	add(s, "runs/two", job_of(100));
	held[0] = take(s);
	held[1] = take(s);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "waits/%d", i);
		for (int n = 0; n <= i; n++)
			add(s, name, job_of(50));
	}
	assert_int_equal(schedule_shares(s, shares, 3), 3);
	assert_string_equal(shares[0].repository, "waits/4");
	assert_int_equal(shares[0].waiting, 5);
	assert_string_equal(shares[2].repository, "waits/2");
	add(s, "runs/two", job_of(50));
	for (int n = 0; n < 4; n++) /* as many wait as of waits/4 */
		add(s, "runs/two", job_of(50));
	assert_int_equal(schedule_shares(s, shares, 3), 3);
	assert_string_equal(shares[0].repository, "runs/two");
	assert_int_equal(shares[0].running, 2);
	schedule_release(s, &held[0]);
	schedule_release(s, &held[1]);
	schedule_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_priority_then_age),
	    TEST(test_one_job_at_a_time_does_not_overtake_a_backlog),
	    TEST(test_same_age_is_ordered_by_id),
	    TEST(test_one_slot_goes_round),
	    TEST(test_fewest_running_goes_first),
	    TEST(test_every_eighth_pick_is_the_oldest),
	    TEST(test_delay_passes_on_the_monotonic_clock),
	    TEST(test_the_eighth_pick_passes_over_delayed),
	    TEST(test_idle_sessions_have_their_share),
	    TEST(test_a_large_job_keeps_its_turn),
	    TEST(test_alone_every_job_fits),
	    TEST(test_slots_are_explained),
	    TEST(test_gates),
	    TEST(test_children_pass_an_administrators_gates),
	    TEST(test_shares_are_of_the_busiest),
	    TEST(test_queue_and_counts),
	    TEST(test_an_adopted_job_occupies_its_slot),
	    TEST(test_long_run),
	    TEST(test_many_takers),
	    TEST(test_each_delayed_job_wakes_a_taker),
	    TEST(test_a_child_starts_beside_its_parent),
	    TEST(test_children_of_one_parent_are_bounded),
	    TEST(test_takers_of_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
