/*
 * spool/ from many threads: followers in every shape get exactly what the
 * writers wrote, while others ask, sync, end, remove and count. Worth most
 * under the thread sanitizer.
 */
#include "base/thread.h"
#include "spool/spool_internal.h"
#include "spool_fixture.h"

#define LOGS      4
#define FOLLOWERS 3 /* per log: one in each shape */
#define BATCHES   600

struct follower {
	struct fixture *f;
	const char *id;
	enum spool_format format;
	struct mtx mtx;
	struct cond cond;
	bool woken; /* guarded by mtx */
	struct buf got;
};

static const char *const ids[LOGS] = {
    "01890000-0000-7000-8000-000000000011",
    "01890000-0000-7000-8000-000000000022",
    "01890000-0000-7000-8000-000000000033",
    "01890000-0000-7000-8000-000000000122", /* shares a directory */
};

static void wake(void *arg)
{
	struct follower *w = arg;

	mtx_lock(&w->mtx);
	w->woken = true;
	cond_signal(&w->cond);
	mtx_unlock(&w->mtx);
}

/* Panics instead of failing: cmocka knows one thread only. */
static void *follow(void *arg)
{
	struct follower *w = arg;
	struct spool_watch watch = {.wake = wake, .arg = w};
	struct spool_cursor *c;
	struct err err = ERR_INIT;
	bool end = false;
	size_t before;

	spool_watch(w->f->spool, w->id, &watch);
	ASSERT(
	    spool_cursor_open(w->f->spool, w->id, 0, w->format, &c, &err) == 0);
	while (!end) {
		before = w->got.len;
		ASSERT(spool_cursor_read(c, 4096, &w->got, &end, &err) == 0);
		if (w->got.len > before || end)
			continue;
		mtx_lock(&w->mtx);
		while (!w->woken)
			cond_wait(&w->cond, &w->mtx);
		w->woken = false;
		mtx_unlock(&w->mtx);
	}
	spool_cursor_close(c);
	spool_unwatch(w->f->spool, &watch);
	return NULL;
}

struct writer {
	struct fixture *f;
	const char *id;
};

/* Closes and opens again on its way, as a hub that restarts does. */
static void *write_log(void *arg)
{
	struct writer *w = arg;
	struct spool_log *log;
	struct err err = ERR_INIT;
	char lines[3][40];
	struct spool_record recs[4];
	uint64_t off;

	ASSERT(spool_log_open(w->f->spool, w->id, &log, &off, &err) == 0);
	for (uint64_t n = 0; n < BATCHES; n++) {
		for (int i = 0; i < 3; i++) {
			snprintf(lines[i], sizeof(lines[i]), "batch %d.%d%s",
			    (int)n, i, i == 1 ? "" : "\n");
			recs[i] = out_record(lines[i], T0 + (int64_t)n, n + 1);
		}
		recs[3] = (struct spool_record){
		    .kind = SPOOL_NOTE, .time_ns = T0, .data = "n", .len = 1};
		ASSERT(spool_append(log, recs, 4, &err) == 0);
		if (n % 100 == 50)
			ASSERT(spool_sync(log, &err) == 0);
		if (n % 200 == 150) {
			spool_log_close(log);
			ASSERT(spool_log_open(
				   w->f->spool, w->id, &log, &off, &err) == 0);
			ASSERT(off == n + 1);
		}
	}
	spool_log_finish(log, T0);
	return NULL;
}

struct asker {
	struct fixture *f;
	struct mtx mtx;
	bool stop; /* guarded by mtx */
};

static bool must_stop(struct asker *a)
{
	bool r;

	mtx_lock(&a->mtx);
	r = a->stop;
	mtx_unlock(&a->mtx);
	return r;
}

/* All that a hub asks of the spool besides following. */
static void *ask(void *arg)
{
	struct asker *a = arg;
	struct spool *s = a->f->spool;
	struct spool_totals totals;
	struct spool_stat st;
	struct spool_log *log;
	struct err err = ERR_INIT;
	uint64_t off;

	for (unsigned n = 0; !must_stop(a); n++) {
		ASSERT(spool_stat(s, ids[n % LOGS], &st, &err) == 0);
		ASSERT(spool_tail_offset(s, ids[n % LOGS], 5, &off, &err) == 0);
		ASSERT(off <= st.text_bytes + 1000000);
		spool_totals(s, &totals);
		ASSERT(spool_retain(s, T0, &err) >= 0);
		/* A short life beside: made, ended, removed. */
		ASSERT(spool_log_open(s, ID_A, &log, &off, &err) == 0);
		spool_log_finish(log, T0);
		ASSERT(spool_remove(s, ID_A, &err) == 0);
	}
	return NULL;
}

static void start(pthread_t *t, void *(*fn)(void *), void *arg)
{
	OK(thread_start(t, "test", fn, arg, &test_err));
}

static void check_followers(struct fixture *f, struct follower *followers)
{
	for (int i = 0; i < LOGS * FOLLOWERS; i++) {
		struct follower *w = &followers[i];
		char *want = read_cursor(f, w->id, 0, w->format, 65536, NULL);

		assert_int_equal(strlen(want), w->got.len);
		assert_memory_equal(want, w->got.data, w->got.len);
		mem_free(want);
		buf_fini(&w->got);
		cond_fini(&w->cond);
		mtx_fini(&w->mtx);
	}
}

static void followers_get_what_writers_write(void **state)
{
	struct fixture *f = *state;
	struct follower followers[LOGS * FOLLOWERS];
	pthread_t follower_threads[LOGS * FOLLOWERS], writer_threads[LOGS];
	pthread_t asker_thread;
	struct writer writers[LOGS];
	struct asker asker = {.f = f};
	struct spool_totals live, counted;

	mtx_init(&asker.mtx, "asker");
	for (int i = 0; i < LOGS * FOLLOWERS; i++) {
		struct follower *w = &followers[i];

		*w = (struct follower){.f = f,
		    .id = ids[i % LOGS],
		    .format = (enum spool_format)(i / LOGS)};
		mtx_init(&w->mtx, "follower");
		cond_init(&w->cond);
		buf_init(&w->got, 16 * 1024 * 1024);
		start(&follower_threads[i], follow, w);
	}
	start(&asker_thread, ask, &asker);
	for (int i = 0; i < LOGS; i++) {
		writers[i] = (struct writer){.f = f, .id = ids[i]};
		start(&writer_threads[i], write_log, &writers[i]);
	}
	for (int i = 0; i < LOGS; i++)
		thread_join(writer_threads[i]);
	for (int i = 0; i < LOGS * FOLLOWERS; i++)
		thread_join(follower_threads[i]);
	mtx_lock(&asker.mtx);
	asker.stop = true;
	mtx_unlock(&asker.mtx);
	thread_join(asker_thread);
	mtx_fini(&asker.mtx);
	check_followers(f, followers);
	/* The running account equals a fresh count. */
	spool_totals(f->spool, &live);
	fixture_reopen(f);
	OK(spool_retain(f->spool, T0, &test_err));
	spool_totals(f->spool, &counted);
	assert_int_equal(live.logs, LOGS);
	assert_int_equal(live.logs, counted.logs);
	assert_int_equal(live.stored_bytes, counted.stored_bytes);
}

/* Watches come and go while their log is written. */
struct comer {
	struct fixture *f;
	unsigned rounds;
};

static void *come_and_go(void *arg)
{
	struct comer *c = arg;

	for (unsigned i = 0; i < c->rounds; i++) {
		/* On the heap: a call after unwatch would be found out. */
		struct follower *w = mem_zalloc(sizeof(*w));
		struct spool_watch watch = {.wake = wake, .arg = w};

		mtx_init(&w->mtx, "comer");
		cond_init(&w->cond);
		spool_watch(c->f->spool, ids[0], &watch);
		spool_unwatch(c->f->spool, &watch);
		cond_fini(&w->cond);
		mtx_fini(&w->mtx);
		mem_free(w);
	}
	return NULL;
}

static void no_wake_comes_after_unwatch(void **state)
{
	struct fixture *f = *state;
	struct comer comers[2];
	pthread_t threads[2], writer_thread;
	struct writer writer = {.f = f, .id = ids[0]};

	start(&writer_thread, write_log, &writer);
	for (int i = 0; i < 2; i++) {
		comers[i] = (struct comer){.f = f, .rounds = 3000};
		start(&threads[i], come_and_go, &comers[i]);
	}
	thread_join(writer_thread);
	for (int i = 0; i < 2; i++)
		thread_join(threads[i]);
	assert_true(stat_of(f, ids[0]).ended);
}

#define T(fn)                                                                  \
	cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(followers_get_what_writers_write),
	    T(no_wake_comes_after_unwatch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
