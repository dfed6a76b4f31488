/*
 * store/: what it promises when things break: kill -9, a full disk, a full
 * queue, a newer or damaged database. The children of fork report through
 * pipes and exit codes.
 */
#include "store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* -- kill -9 ------------------------------------------------------------------
 */

enum { OUTSTANDING = 64 };

struct front {
	struct store *s;
	int report_fd;
	struct mtx mtx;
	struct cond cond;
	unsigned outstanding; /* guarded by mtx */
};

static void report_id(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct front *f = arg;

	(void)status;
	(void)err;
	ASSERT(r == JOB_INSERTED);
	ASSERT(write(f->report_fd, id.u.b, sizeof(id.u.b)) ==
	       (ssize_t)sizeof(id.u.b));
	mtx_lock(&f->mtx);
	f->outstanding--;
	cond_signal(&f->cond);
	mtx_unlock(&f->mtx);
}

/* Inserts until killed, keeping many outstanding. */
static void NORETURN insert_for_ever(struct front *f, unsigned round)
{
	for (unsigned i = 0;; i++) {
		struct err err = ERR_INIT;
		struct job_new n;
		char name[32];

		mtx_lock(&f->mtx);
		while (f->outstanding == OUTSTANDING)
			cond_wait(&f->cond, &f->mtx);
		f->outstanding++;
		mtx_unlock(&f->mtx);
		snprintf(name, sizeof(name), "r%u-%u", round, i);
		n = sample(name);
		n.secrets = "{\"A\":\"b\"}";
		n.secrets_len = 9;
		if (store_job_insert(f->s, &n, report_id, f, &err) < 0)
			_exit(1);
	}
}

static pid_t start_child(
    const struct store_config *config, unsigned round, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = ERR_INIT;
		struct front f = {.report_fd = fds[1]};

		mtx_init(&f.mtx, "front");
		cond_init(&f.cond);
		if (store_open(&f.s, config, &err) < 0)
			_exit(1);
		insert_for_ever(&f, round);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

/* Kills the child once it has acknowledged `enough`; all ids it did. */
static size_t collect_and_kill(
    pid_t pid, int fd, size_t enough, job_id *ids, size_t max)
{
	size_t n = 0;
	int status;

	while (n < max && read(fd, ids[n].u.b, 16) == 16)
		if (++n == enough)
			kill(pid, SIGKILL);
	close(fd);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_true(n >= enough);
	return n;
}

/* The counters say what counting says. */
static void expect_counters_true(struct store *s)
{
	struct job_filter counted = {.page = 1, .limit = 1, .from_ns = 1};
	struct job_filter kept = {.page = 1, .limit = 1};
	struct job_list a = {0}, b = {0};
	struct err err = ERR_INIT;

	ASSERT_OK(store_job_list(s, &counted, &a, &err));
	ASSERT_OK(store_job_list(s, &kept, &b, &err));
	assert_int_equal(a.total, b.total);
	assert_int_equal(store_last_event_seq(s), b.total);
	job_list_free(&a);
	job_list_free(&b);
}

static void kill_9_loses_no_acknowledged_job(void **state)
{
	static const size_t moments[] = {1, 7, 100, 500, 1500};
	enum { MAX = 20000 };
	struct fixture *f = *state;
	job_id *ids = mem_calloc(MAX, sizeof(*ids));

	for (unsigned i = 0; i < ARRAY_LEN(moments); i++) {
		pid_t pid;
		size_t n;
		int fd;

		fixture_close(f);
		pid = start_child(&f->config, i, &fd);
		n = collect_and_kill(pid, fd, moments[i], ids, MAX);
		fixture_open(f);
		for (size_t k = 0; k < n; k++) {
			CLEANUP(secret_free) struct secret *plain = NULL;
			struct err err = ERR_INIT;

			assert_int_equal(status_of(f->s, ids[k]), JOB_QUEUED);
			ASSERT_OK(
			    store_job_secrets(f->s, ids[k], &plain, &err));
			assert_non_null(plain);
		}
		expect_counters_true(f->s);
	}
	mem_free(ids);
}

/* -- full disk
 * -------------------------------------------------------------------- */

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	ASSERT(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

struct tally {
	struct mtx mtx;
	struct cond cond;
	unsigned ended, stored, full;
};

static void tally_add(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct tally *t = arg;

	(void)id;
	(void)status;
	mtx_lock(&t->mtx);
	t->ended++;
	if (r == JOB_INSERTED)
		t->stored++;
	else if (err->kind == ERR_UNAVAILABLE &&
		 strcmp(err->code, "disk_full") == 0)
		t->full++;
	else
		fprintf(stderr, "unexpected: %s\n", err->msg);
	cond_signal(&t->cond);
	mtx_unlock(&t->mtx);
}

static void submit_many(
    struct store *s, const char *prefix, unsigned count, struct tally *t)
{
	memset(t, 0, sizeof(*t));
	mtx_init(&t->mtx, "tally");
	cond_init(&t->cond);
	for (unsigned i = 0; i < count; i++) {
		struct err err = ERR_INIT;
		struct job_new n;
		char name[32];

		snprintf(name, sizeof(name), "%s%u", prefix, i);
		n = sample(name);
		ASSERT(store_job_insert(s, &n, tally_add, t, &err) == 0);
	}
	mtx_lock(&t->mtx);
	while (t->ended < count)
		ASSERT(cond_wait_until(
		    &t->cond, &t->mtx, clock_deadline_ms(60000)));
	mtx_unlock(&t->mtx);
}

static int64_t total_jobs(struct store *s)
{
	struct job_filter filter = {.page = 1, .limit = 1, .from_ns = 1};
	struct job_list l = {0};
	struct err err = ERR_INIT;
	int64_t total;

	ASSERT(store_job_list(s, &filter, &l, &err) == 0);
	total = l.total;
	job_list_free(&l);
	return total;
}

/* In a child of its own, since the limit holds for the whole process. */
static void fill_the_disk(const struct store_config *config)
{
	struct err err = ERR_INIT;
	struct store_stats stats;
	struct tally t;
	struct store *s;
	int64_t before;

	signal(SIGXFSZ, SIG_IGN);
	ASSERT(store_open(&s, config, &err) == 0);
	submit_many(s, "before", 200, &t);
	ASSERT(t.stored == 200);
	before = total_jobs(s);
	limit_file_size(4096); /* no file of ours can take another page */
	submit_many(s, "during", 300, &t);
	ASSERT(t.full == 300 && t.stored == 0);
	ASSERT(store_check(s, &err) < 0);
	ASSERT(strcmp(err.code, "disk_full") == 0);
	ASSERT(total_jobs(s) == before);
	store_stats(s, &stats);
	ASSERT(stats.failures > 0);
	limit_file_size(RLIM_INFINITY);
	ASSERT(store_check(s, &err) == 0);
	submit_many(s, "during", 300, &t); /* the refused ones again */
	ASSERT(t.stored == 300);
	ASSERT(total_jobs(s) == before + 300);
	store_close(s);
}

static void a_full_disk_fails_all_waiters_and_heals(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	fixture_close(f);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fill_the_disk(&f->config);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	fixture_open(f);
	assert_int_equal(total_jobs(f->s), 500);
	expect_counters_true(f->s);
}

/* -- full queue
 * ------------------------------------------------------------------- */

/* Another process's lock holds the writer; the queue fills behind it. */
static void a_full_queue_refuses_and_keeps_what_it_took(void **state)
{
	enum { MAX = 4, TRIES = 3 * MAX };
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	unsigned taken = 0;
	struct tally t = {.ended = 0};
	sqlite3 *other;

	fixture_close(f);
	f->config.queue_max = MAX;
	fixture_open(f);
	mtx_init(&t.mtx, "tally");
	cond_init(&t.cond);
	assert_int_equal(sqlite3_open(f->db, &other), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	for (unsigned i = 0; i < TRIES; i++) {
		struct job_new n;
		char name[16];

		snprintf(name, sizeof(name), "q%u", i);
		n = sample(name);
		taken += store_job_insert(f->s, &n, tally_add, &t, &err) == 0;
	}
	assert_in_range(taken, MAX, 2 * MAX);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_string_equal(err.code, "store_busy");
	assert_int_equal(
	    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	fixture_close(f); /* finishes what was submitted */
	assert_int_equal(t.stored, taken);
	fixture_open(f);
	assert_int_equal(total_jobs(f->s), taken);
}

/* -- files that are not ours
 * ---------------------------------------------------- */

static void meddle(const struct fixture *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	job_id id = insert_one(f->s, "j");
	CLEANUP(mem_free)
	char *back = mem_printf("UPDATE schema_version SET version = %d",
	    store_schema_version(f->s));

	fixture_close(f);
	meddle(f, "UPDATE schema_version SET version = 999");
	assert_int_equal(store_open(&f->s, &f->config, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.code, "schema_newer");
	assert_non_null(strstr(err.msg, "999"));
	assert_non_null(strstr(err.msg, f->db));
	meddle(f, back);
	fixture_open(f);
	assert_int_equal(status_of(f->s, id), JOB_QUEUED);
}

static void a_second_hub_on_the_same_store_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;
	struct err err = ERR_INIT;
	char pid[16];

	assert_int_equal(store_open(&second, &f->config, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.code, "store_in_use");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_non_null(strstr(err.msg, pid));
	insert_one(f->s, "the first goes on");
}

static void a_file_that_is_no_database_is_named(void **state)
{
	static const char junk[] = "This is a letter, not a database. It is "
				   "long enough to have a header of 100 bytes, "
				   "which the library looks at first of all.";
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	FILE *file;

	fixture_close(f);
	file = fopen(f->db, "w");
	assert_non_null(file);
	fputs(junk, file);
	fclose(file);
	assert_int_equal(store_open(&f->s, &f->config, &err), -1);
	assert_string_equal(err.code, "store_corrupt");
	assert_non_null(strstr(err.msg, f->db));
}

static void a_missing_directory_is_named(void **state)
{
	struct fixture *f = *state;
	struct store_config c = {
	    .path = "/nonexistent/runnerhub/hub.db",
	    .encryption_key = "sixteen bytes...",
	};
	struct store *s = NULL;
	struct err err = ERR_INIT;

	(void)f;
	assert_int_equal(store_open(&s, &c, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, c.path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(kill_9_loses_no_acknowledged_job),
	    STORE_TEST(a_full_disk_fails_all_waiters_and_heals),
	    STORE_TEST(a_full_queue_refuses_and_keeps_what_it_took),
	    STORE_TEST(a_newer_schema_is_refused_and_left_alone),
	    STORE_TEST(a_second_hub_on_the_same_store_is_refused),
	    STORE_TEST(a_file_that_is_no_database_is_named),
	    STORE_TEST(a_missing_directory_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
