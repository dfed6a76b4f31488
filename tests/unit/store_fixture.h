/*
 * What the store's tests share: a store in a directory of its own, and the
 * shortest ways to insert, move and read a job. Every helper asserts.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"
#include "store/jobs.h"
#include "store/store.h"

struct fixture {
	struct store *s;
	char dir[64], db[96], key[96];
	struct store_config config;
};

UNUSED static void fixture_open(struct fixture *f)
{
	struct err err = ERR_INIT;

	if (store_open(&f->s, &f->config, &err) < 0)
		fail_msg("store_open: %s", err.msg);
}

UNUSED static void fixture_close(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
}

UNUSED static void fixture_reopen(struct fixture *f)
{
	fixture_close(f);
	fixture_open(f);
}

UNUSED static int fixture_setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/store-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->db, sizeof(f->db), "%s/hub.db", f->dir);
	snprintf(f->key, sizeof(f->key), "%s/hub.key", f->dir);
	f->config.path = f->db;
	f->config.key_path = f->key;
	fixture_open(f);
	*state = f;
	return 0;
}

UNUSED static int fixture_teardown(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
	struct fixture *f = *state;
	char path[128];

	fixture_close(f);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", f->db, suffixes[i]);
		unlink(path);
	}
	unlink(f->key);
	assert_int_equal(rmdir(f->dir), 0);
	mem_free(f);
	return 0;
}

/* A job as the API would hand it over; strings are constants. */
UNUSED static struct job_new sample(const char *external_id)
{
	struct job_new n = {
	    .job =
		{
		    .external_id = (char *)external_id,
		    .run_id = (char *)"run-1",
		    .attempt = 1,
		    .repository = (char *)"test/repo",
		    .workflow = (char *)"CI",
		    .runner_name = (char *)"proxy-1",
		    .labels = (char *)"[\"self-hosted\"]",
		    .metadata = (char *)"{\"sha\":\"abc\"}",
		    .spec = (char *)"{\"steps\":[]}",
		    .priority = 50,
		},
	    .spec_hash = 42,
	};

	n.job.id.u = uuid_v7();
	return n;
}

/* The outcome of one insert, waited for. */
struct outcome {
	struct mtx mtx;
	struct cond cond;
	bool done;
	enum job_insert_result result;
	job_id id;
	enum job_status status;
	struct err err;
};

UNUSED static void outcome_set(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct outcome *o = arg;

	mtx_lock(&o->mtx);
	o->done = true;
	o->result = r;
	o->id = id;
	o->status = status;
	if (err != NULL)
		o->err = *err;
	cond_signal(&o->cond);
	mtx_unlock(&o->mtx);
}

UNUSED static struct outcome insert_and_wait(
    struct store *s, const struct job_new *n)
{
	struct outcome o = {.done = false};
	struct err err = ERR_INIT;

	mtx_init(&o.mtx, "outcome");
	cond_init(&o.cond);
	if (store_job_insert(s, n, outcome_set, &o, &err) < 0)
		fail_msg("store_job_insert: %s", err.msg);
	mtx_lock(&o.mtx);
	while (!o.done)
		assert_true(
		    cond_wait_until(&o.cond, &o.mtx, clock_deadline_ms(60000)));
	mtx_unlock(&o.mtx);
	cond_fini(&o.cond);
	mtx_fini(&o.mtx);
	return o;
}

UNUSED static job_id insert_one(struct store *s, const char *external_id)
{
	struct job_new n = sample(external_id);
	struct outcome o = insert_and_wait(s, &n);

	assert_int_equal(o.result, JOB_INSERTED);
	return o.id;
}

UNUSED static int try_move(
    struct store *s, job_id id, enum job_status to, struct err *err)
{
	struct job_change c = {.to = to};

	return store_job_transition(s, id, &c, err);
}

UNUSED static void move(struct store *s, job_id id, enum job_status to)
{
	struct err err = ERR_INIT;

	if (try_move(s, id, to, &err) < 0)
		fail_msg("to %s: %s", job_status_name(to), err.msg);
}

UNUSED static void run_to_end(struct store *s, job_id id, enum job_status end)
{
	move(s, id, JOB_ASSIGNED);
	move(s, id, JOB_RUNNING);
	move(s, id, end);
}

/* To be freed with job_fini. */
UNUSED static struct job get(struct store *s, job_id id)
{
	struct err err = ERR_INIT;
	struct job j = {0};

	if (store_job_get(s, id, &j, &err) != 1)
		fail_msg("store_job_get: %s", err.msg);
	return j;
}

UNUSED static enum job_status status_of(struct store *s, job_id id)
{
	struct job j = get(s, id);
	enum job_status status = j.status;

	job_fini(&j);
	return status;
}

#define ASSERT_OK(expr)                                                        \
	do {                                                                   \
		if ((expr) != 0)                                               \
			fail_msg("%s: %s", #expr, err.msg);                    \
	} while (0)

#define STORE_TEST(fn)                                                         \
	cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

#endif
