/* spool/: which logs go, in what order, and what the totals say. */

#include <sys/wait.h>

#include "base/fault.h"
#include "spool/spool_internal.h"
#include "spool_fixture.h"

#define DAY_NS (INT64_C(86400) * CLOCK_NS_PER_S)

/* The n-th id of a test; spread over the directories. */
static char *id_of(unsigned n, char out[UUID_TEXT_LEN])
{
	snprintf(out, UUID_TEXT_LEN, "01890000-0000-7000-8000-%08x%04x", n,
	    n * 7919u % 0x10000u);
	return out;
}

/* A log of `len` bytes of text (and one entry) that ended at T0 + n days. */
static void write_ended(struct fixture *f, unsigned n, size_t len)
{
	char id[UUID_TEXT_LEN], *text = mem_alloc(len + 1);
	struct spool_log *log = log_open(f, id_of(n, id), NULL);

	memset(text, 'x', len);
	text[len] = '\0';
	append_text(log, text);
	spool_log_finish(log, T0 + n * DAY_NS);
	mem_free(text);
}

static bool exists(struct fixture *f, unsigned n)
{
	char id[UUID_TEXT_LEN];

	return stat_of(f, id_of(n, id)).exists;
}

static int retain(struct fixture *f, int64_t now_ns)
{
	int r;

	err_clear(&test_err);
	r = spool_retain(f->spool, now_ns, &test_err);
	if (r < 0)
		fail_msg("spool_retain: %s", test_err.msg);
	return r;
}

/* Waits for the count that follows the start. */
static struct spool_totals totals(struct fixture *f)
{
	struct spool_totals t;

	mtx_lock(&f->spool->mtx);
	while (f->spool->scanned_dirs < SPOOL_DIRS)
		cond_wait(&f->spool->scanned, &f->spool->mtx);
	mtx_unlock(&f->spool->mtx);
	spool_totals(f->spool, &t);
	return t;
}

static void without_limits_nothing_goes(void **state)
{
	struct fixture *f = *state;

	write_ended(f, 1, 100);
	assert_int_equal(retain(f, T0 + 10000 * DAY_NS), 0);
	assert_true(exists(f, 1));
}

static void old_logs_go_when_their_age_is_reached(void **state)
{
	struct fixture *f = *state;
	char path[256], id[UUID_TEXT_LEN];

	f->config.age_max_ms = 10 * DAY_NS / CLOCK_NS_PER_MS;
	fixture_reopen(f);
	for (unsigned n = 0; n < 5; n++)
		write_ended(f, n, 10);
	assert_int_equal(retain(f, T0 + 10 * DAY_NS), 0);
	assert_int_equal(retain(f, T0 + 12 * DAY_NS), 2);
	assert_false(exists(f, 0));
	assert_false(exists(f, 1));
	assert_true(exists(f, 2));
	for (int i = 0; i < FILE_COUNT; i++)
		assert_int_equal(
		    access(
			file_path(f, id_of(1, id), file_suffix[i], path), F_OK),
		    -1);
	/* One that ended meanwhile, earlier than those known, and a restart. */
	write_ended(f, 1, 10);
	assert_int_equal(retain(f, T0 + 12 * DAY_NS), 1);
	fixture_reopen(f);
	assert_int_equal(retain(f, T0 + 13 * DAY_NS), 1);
	assert_int_equal(retain(f, T0 + 100 * DAY_NS), 2);
	assert_int_equal(retain(f, T0 + 100 * DAY_NS), 0);
	assert_int_equal(totals(f).logs, 0);
	assert_int_equal(totals(f).stored_bytes, 0);
}

static void the_oldest_go_when_all_are_too_large(void **state)
{
	struct fixture *f = *state;
	/* Each: 872 bytes of text, a header and an entry. */
	f->config.total_bytes_max = 3000;
	fixture_reopen(f);
	write_ended(f, 3, 872);
	write_ended(f, 1, 872);
	write_ended(f, 2, 872);
	assert_int_equal(totals(f).stored_bytes, 3000);
	assert_int_equal(retain(f, T0), 0);
	write_ended(f, 4, 872);
	assert_int_equal(retain(f, T0), 1);
	assert_false(exists(f, 1));
	write_ended(f, 0, 872); /* older than all that are known */
	assert_int_equal(retain(f, T0), 1);
	assert_false(exists(f, 0));
	assert_true(exists(f, 2));
	assert_int_equal(totals(f).logs, 3);
}

static void a_log_that_is_written_stays(void **state)
{
	struct fixture *f = *state;
	char id[UUID_TEXT_LEN];
	struct spool_log *log;

	f->config.total_bytes_max = 1;
	f->config.age_max_ms = 1;
	fixture_reopen(f);
	write_ended(f, 1, 100);
	log = log_open(f, id_of(1, id), NULL); /* goes on after all */
	append_text(log, "more");
	assert_int_equal(retain(f, T0 + 1000 * DAY_NS), 0);
	spool_log_close(log); /* not ended: no */
	assert_int_equal(retain(f, T0 + 1000 * DAY_NS), 0);
	assert_true(exists(f, 1));
	spool_finish(f->spool, id, T0);
	assert_int_equal(retain(f, T0 + 1000 * DAY_NS), 1);
	assert_false(exists(f, 1));
}

/* More logs than one walk remembers. */
static void many_logs_are_removed_in_order(void **state)
{
	struct fixture *f = *state;
	unsigned n = CANDIDATES_MAX + 200;

	f->config.age_max_ms = 1;
	fixture_reopen(f);
	for (unsigned i = 0; i < n; i++)
		write_ended(f, i, 10);
	assert_int_equal(totals(f).logs, n);
	assert_int_equal(retain(f, T0 + (n - 100) * DAY_NS), n - 100);
	assert_false(exists(f, n - 101));
	assert_true(exists(f, n - 100));
	assert_int_equal(retain(f, T0 + n * DAY_NS), 100);
	assert_int_equal(totals(f).logs, 0);
}

static void a_follower_reads_a_removed_log_to_its_end(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct spool_cursor *c, *waiting;
	struct buf b;
	bool end;

	append_text(log, "one\ntwo\n");
	spool_log_finish(log, T0);
	buf_init(&b, 1000);
	OK(spool_cursor_open(
	    f->spool, ID_A, 0, SPOOL_TIMESTAMPED, &c, &test_err));
	OK(spool_cursor_read(c, 1, &b, &end, &test_err));
	assert_false(end);
	OK(spool_cursor_open(
	    f->spool, ID_B, 0, SPOOL_PLAIN, &waiting, &test_err));
	OK(spool_remove(f->spool, ID_A, &test_err));
	OK(spool_remove(f->spool, ID_B, &test_err));
	assert_false(stat_of(f, ID_A).exists);
	while (!end)
		OK(spool_cursor_read(c, 100, &b, &end, &test_err));
	assert_string_equal(buf_str(&b),
	    "2023-11-14T22:13:20.000Z one\n2023-11-14T22:13:20.000Z two\n");
	OK(spool_cursor_read(waiting, 100, &b, &end, &test_err));
	assert_true(end);
	/* The name is free again; the old log's reader does not see the new. */
	log = log_open(f, ID_A, NULL);
	append_text(log, "new\n");
	assert_text(f, ID_A, "new\n");
	spool_log_close(log);
	spool_cursor_close(c);
	spool_cursor_close(waiting);
	buf_fini(&b);
}

static void totals_follow_what_is_stored(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	struct spool_totals t;

	append_text(log, "0123456789");
	t = totals(f);
	assert_int_equal(t.logs, 1);
	assert_int_equal(t.stored_bytes, 10 + 64 + 64);
	assert_int_equal(t.bytes_written, 10 + 64);
	assert_true(t.disk_free_bytes > 0);
	spool_log_finish(log, T0);
	assert_int_equal(totals(f).stored_bytes, 138);
	assert_int_equal(totals(f).bytes_written, 74);
	fixture_reopen(f);
	assert_int_equal(totals(f).stored_bytes, 138);
	assert_int_equal(totals(f).bytes_written, 0);
	log = log_open(f, ID_A, NULL);
	assert_int_equal(totals(f).stored_bytes, 138);
	assert_int_equal(totals(f).logs, 1);
	spool_log_close(log);
	OK(spool_remove(f->spool, ID_A, &test_err));
	assert_int_equal(totals(f).stored_bytes, 0);
	assert_int_equal(totals(f).logs, 0);
}

/* Files that are not ours are neither counted nor removed. */
static void strangers_in_the_directory_are_left_alone(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"a1", "a1/README",
	    "a1/01890000-0000-7000-8000-0000000000b2.idx",
	    "a1/01890000-0000-7000-8000-0000000000A1.idx",
	    "a1/01890000-0000-7000-8000-0000000000a1.idx.bak"};
	char path[256];

	f->config.age_max_ms = 1;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		if (i == 0)
			assert_int_equal(mkdir(path, 0700), 0);
		else
			fclose(fopen(path, "w"));
	}
	fixture_reopen(f);
	assert_int_equal(totals(f).logs, 0);
	assert_int_equal(retain(f, T0 + 1000 * DAY_NS), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		assert_int_equal(access(path, F_OK), 0);
	}
}

/* A log that a death left half removed goes with the next try. */
static void a_death_while_removing_leaves_nothing_for_ever(void **state)
{
	struct fixture *f = *state;
	static const char *const points[] = {
	    "spool_remove:1", "spool_remove:2", "spool_remove:3"};
	char id[UUID_TEXT_LEN];
	int status;

	for (unsigned n = 0; n < ARRAY_LEN(points); n++) {
		pid_t pid;

		write_ended(f, n, 10);
		spool_close(f->spool);
		pid = fork();
		if (pid == 0) {
			setenv("RUNNERHUB_FAULT", points[n], 1);
			fault_setup();
			fixture_open(f);
			IGNORE(spool_remove(f->spool, id_of(n, id), &test_err));
			_exit(0); /* it was to be killed before */
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		fixture_open(f);
		OK(spool_remove(f->spool, id_of(n, id), &test_err));
		assert_false(exists(f, n));
		assert_int_equal(totals(f).logs, 0);
	}
}

struct found {
	unsigned n;
	char last[UUID_TEXT_LEN];
};

static void note_unended(void *arg, const char *id)
{
	struct found *found = arg;

	found->n++;
	memcpy(found->last, id, UUID_TEXT_LEN);
}

static void a_log_left_open_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct found found = {.n = 0};
	char id[UUID_TEXT_LEN];

	write_ended(f, 1, 10);
	spool_log_close(log_open(f, id_of(2, id), NULL));
	spool_close(f->spool);
	fixture_open(f);
	totals(f); /* the count is through */
	assert_true(spool_each_unended(f->spool, note_unended, &found));
	assert_int_equal(found.n, 1);
	assert_string_equal(found.last, id);
	spool_finish(f->spool, found.last, T0);
	assert_true(stat_of(f, id).ended);
	assert_true(spool_each_unended(f->spool, note_unended, &found));
	assert_int_equal(found.n, 1);
}

#define T(fn)                                                                  \
	cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(without_limits_nothing_goes),
	    T(old_logs_go_when_their_age_is_reached),
	    T(the_oldest_go_when_all_are_too_large),
	    T(a_log_that_is_written_stays),
	    T(many_logs_are_removed_in_order),
	    T(a_follower_reads_a_removed_log_to_its_end),
	    T(totals_follow_what_is_stored),
	    T(strangers_in_the_directory_are_left_alone),
	    T(a_death_while_removing_leaves_nothing_for_ever),
	    T(a_log_left_open_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
