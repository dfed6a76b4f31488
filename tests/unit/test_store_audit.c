/* store/: the audit log, its pages, and what its chain shows. */
#include "store_fixture.h"

#include <sqlite3.h>

#include "store/audit.h"
#include "store/rotate.h"

static void add(struct store *s, const char *actor, const char *action,
    const char *object, const char *result)
{
	const struct audit_entry e = {.at = clock_wall_ns(),
	    .actor = (char *)actor,
	    .address = (char *)"127.0.0.1:4711",
	    .action = (char *)action,
	    .object = (char *)object,
	    .result = (char *)result,
	    .request = (char *)"r-1",
	    .status = 200};

	store_audit_add(s, &e);
}

/* Rows are written behind us: a durable write comes after all of them. */
static void settle(struct store *s)
{
	struct err err = ERR_INIT;

	ASSERT_OK(store_check(s, &err));
}

static void add_some(struct store *s, int n)
{
	char object[16];

	for (int i = 1; i <= n; i++) {
		snprintf(object, sizeof(object), "job-%d", i);
		add(s, i % 2 ? "key" : "runner:a", "job.delegate", object,
		    i % 3 ? "ok" : "refused");
	}
	settle(s);
}

static struct audit_report verify(struct store *s, const char *noted)
{
	struct audit_report r;
	struct err err = ERR_INIT;

	ASSERT_OK(store_audit_verify(s, noted, &r, &err));
	return r;
}

/* While the store is closed, as somebody with the file would. */
static void meddle(struct fixture *f, const char *sql)
{
	sqlite3 *db;

	fixture_close(f);
	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
	fixture_open(f);
}

static void expect_broken(struct fixture *f, const char *sql, int64_t at)
{
	struct audit_report r;

	meddle(f, sql);
	r = verify(f->s, NULL);
	assert_false(r.intact);
	assert_int_equal(r.broken_at, at);
	assert_string_not_equal(r.problem, "");
}

static void an_empty_log_is_intact(void **state)
{
	struct fixture *f = *state;
	struct audit_list l;
	struct err err = ERR_INIT;
	struct audit_report r = verify(f->s, NULL);

	assert_true(r.intact);
	assert_int_equal(r.n, 0);
	ASSERT_OK(store_audit_list(
	    f->s, &(struct audit_filter){.limit = 10}, &l, &err));
	assert_int_equal(l.n, 0);
	assert_int_equal(l.next, 0);
	audit_list_free(&l);
}

static void rows_are_chained_over_restarts(void **state)
{
	struct fixture *f = *state;
	struct audit_report r, later;
	char noted[128];

	add_some(f->s, 7);
	r = verify(f->s, NULL);
	assert_true(r.intact);
	assert_int_equal(r.n, 7);
	assert_int_equal(r.last, 7);
	fixture_reopen(f);
	add_some(f->s, 3);
	snprintf(noted, sizeof(noted), "7:%s", r.head);
	later = verify(f->s, noted);
	assert_true(later.intact);
	assert_int_equal(later.n, 10);
	assert_string_not_equal(later.head, r.head);
}

static void every_change_shows(void **state)
{
	static const struct {
		const char *sql;
		int64_t at;
	} cases[] = {
	    {"UPDATE audit_logs SET actor = 'nobody' WHERE seq = 3", 3},
	    {"UPDATE audit_logs SET object = NULL WHERE seq = 4", 4},
	    {"UPDATE audit_logs SET status = 403 WHERE seq = 2", 2},
	    {"UPDATE audit_logs SET created_at = '2001-01-01T00:00:00.000Z'"
	     " WHERE seq = 5",
		5},
	    /* one text's end moved to the next one's beginning */
	    {"UPDATE audit_logs SET action = 'job.delegat',"
	     " object = 'e' || object WHERE seq = 2",
		2},
	    {"DELETE FROM audit_logs WHERE seq = 3", 3},
	    {"DELETE FROM audit_logs WHERE seq <= 2", 1},
	    {"DELETE FROM audit_logs WHERE seq >= 5", 5},
	    {"INSERT INTO audit_logs SELECT 9, created_at, actor, address,"
	     " action, object, result, status, request_id, detail, hash"
	     " FROM audit_logs WHERE seq = 6",
		7},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		void *fresh = NULL;

		assert_int_equal(fixture_setup(&fresh), 0);
		add_some(((struct fixture *)fresh)->s, 6);
		assert_true(verify(((struct fixture *)fresh)->s, NULL).intact);
		expect_broken(fresh, cases[i].sql, cases[i].at);
		assert_int_equal(fixture_teardown(&fresh), 0);
	}
	(void)state;
}

static void a_copy_put_back_shows_by_a_noted_head(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct audit_report r;
	char noted[128];

	add_some(f->s, 4);
	snprintf(noted, sizeof(noted), "6:%s", verify(f->s, NULL).head);
	r = verify(f->s, noted); /* as if two rows had been there */
	assert_false(r.intact);
	assert_int_equal(r.broken_at, 6);
	snprintf(noted, sizeof(noted), "3:%s", verify(f->s, NULL).head);
	r = verify(f->s, noted); /* the hash of another row */
	assert_false(r.intact);
	assert_int_equal(r.broken_at, 3);
	assert_int_equal(store_audit_verify(f->s, "3:xyz", &r, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
}

static void pages_go_both_ways(void **state)
{
	struct fixture *f = *state;
	struct audit_filter filter = {.limit = 4};
	struct audit_list l;
	struct err err = ERR_INIT;

	add_some(f->s, 10);
	ASSERT_OK(store_audit_list(f->s, &filter, &l, &err));
	assert_int_equal(l.n, 4);
	assert_int_equal(l.items[0].seq, 10);
	assert_int_equal(l.next, 7);
	audit_list_free(&l);
	filter.before = 3;
	ASSERT_OK(store_audit_list(f->s, &filter, &l, &err));
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[1].object, "job-1");
	assert_int_equal(l.next, 0);
	audit_list_free(&l);
	filter =
	    (struct audit_filter){.limit = 100, .ascending = true, .after = 8};
	ASSERT_OK(store_audit_list(f->s, &filter, &l, &err));
	assert_int_equal(l.n, 2);
	assert_int_equal(l.items[0].seq, 9);
	audit_list_free(&l);
	filter = (struct audit_filter){
	    .limit = 100, .actor = "key", .result = "refused"};
	ASSERT_OK(store_audit_list(f->s, &filter, &l, &err));
	assert_int_equal(l.n, 2); /* 3 and 9 */
	assert_string_equal(l.items[0].object, "job-9");
	audit_list_free(&l);
}

static void old_rows_go_and_the_rest_is_intact(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct audit_report r;

	add_some(f->s, 5);
	assert_int_equal(store_audit_purge(f->s, 1, &err), 0);
	assert_int_equal(
	    store_audit_purge(f->s, clock_wall_ns() + 1000000000, &err), 4);
	fixture_reopen(f);
	add_some(f->s, 2);
	r = verify(f->s, NULL);
	assert_true(r.intact);
	assert_int_equal(r.first, 5);
	assert_int_equal(r.last, 7);
	expect_broken(f, "DELETE FROM audit_logs WHERE seq = 5", 5);
}

static void a_key_that_is_given_up_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct audit_report r;

	add_some(f->s, 3);
	fixture_close(f);
	f->config.encryption_key = "quite another key, this one";
	ASSERT_OK(store_give_up(&f->config, &err)); /* is row 4 */
	fixture_open(f);
	add_some(f->s, 2);
	r = verify(f->s, NULL);
	assert_true(r.intact);
	assert_int_equal(r.first, 4);
	assert_int_equal(r.last, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(an_empty_log_is_intact),
	    STORE_TEST(rows_are_chained_over_restarts),
	    STORE_TEST(every_change_shows),
	    STORE_TEST(a_copy_put_back_shows_by_a_noted_head),
	    STORE_TEST(pages_go_both_ways),
	    STORE_TEST(old_rows_go_and_the_rest_is_intact),
	    STORE_TEST(a_key_that_is_given_up_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
