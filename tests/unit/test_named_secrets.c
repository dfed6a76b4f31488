/* store/: named secrets are sealed, listed by name alone, and bounded. */
#include "store_fixture.h"

#include <sqlite3.h>

#include "base/buf.h"
#include "base/fs.h"
#include "store/named_secrets.h"

static const char VALUE[] = "correct horse battery staple";

static int put_bytes(struct store *s, const char *name, const char *value,
    size_t len, struct err *err)
{
	return store_named_secret_put(s,
	    &(struct named_secret_new){
		.name = name, .value = value, .len = len},
	    err);
}

static void put(struct store *s, const char *name, const char *value)
{
	struct err err = ERR_INIT;

	ASSERT_OK(put_bytes(s, name, value, strlen(value), &err));
}

static void expect(struct store *s, const char *name, const char *value)
{
	CLEANUP(buf_fini) struct buf b = {.max = NAMED_SECRET_VALUE_MAX};
	struct err err = ERR_INIT;
	int rc = store_named_secret_get(s, name, &b, NULL, &err);

	if (rc < 0)
		fail_msg("%s: %s", name, err.msg);
	assert_int_equal(rc, value != NULL);
	if (value != NULL)
		assert_string_equal(buf_str(&b), value);
}

static void sql(const struct fixture *f, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static bool on_disk(const struct fixture *f, const char *text)
{
	static const char *const suffixes[] = {"", "-wal"};
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		CLEANUP(buf_fini) struct buf b = {.max = 64 * 1024 * 1024};
		struct err err = ERR_INIT;
		char path[128];

		snprintf(path, sizeof(path), "%s%s", f->db, suffixes[i]);
		if (access(path, F_OK) < 0)
			continue;
		ASSERT_OK(fs_read_file(path, &b, &err));
		found |= memmem(buf_str(&b), b.len, text, strlen(text)) != NULL;
	}
	return found;
}

static void a_value_comes_back_but_never_lies_plain(void **state)
{
	struct fixture *f = *state;

	put(f->s, "API_TOKEN", VALUE);
	for (int i = 0; i < 2; i++) {
		expect(f->s, "API_TOKEN", VALUE);
		expect(f->s, "api_token", NULL);
		assert_false(on_disk(f, "battery"));
		assert_true(on_disk(f, "API_TOKEN"));
		fixture_reopen(f);
	}
}

static void a_new_value_replaces_the_old(void **state)
{
	struct fixture *f = *state;
	CLEANUP(named_secret_list_free) struct named_secret_list l = {0};
	struct err err = ERR_INIT;
	int64_t then = INT64_C(1700000000) * CLOCK_NS_PER_S;

	clock_fake_set(1, then);
	put(f->s, "A", "one");
	clock_fake_set(2, then + CLOCK_NS_PER_S);
	put(f->s, "A", "two");
	clock_fake_set(-1, 0);
	expect(f->s, "A", "two");
	ASSERT_OK(store_named_secret_list(f->s, NULL, 9, &l, &err));
	assert_int_equal(l.n, 1);
	assert_int_equal(l.items[0].created_at, then);
	assert_int_equal(l.items[0].updated_at, then + CLOCK_NS_PER_S);
}

static void a_deleted_one_is_gone(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	put(f->s, "GONE_TOKEN", VALUE);
	assert_true(on_disk(f, "GONE_TOKEN"));
	assert_int_equal(
	    store_named_secret_delete(f->s, "GONE_TOKEN", &err), 1);
	assert_int_equal(
	    store_named_secret_delete(f->s, "GONE_TOKEN", &err), 0);
	expect(f->s, "GONE_TOKEN", NULL);
	fixture_reopen(f); /* folds the log into the file */
	assert_false(on_disk(f, "GONE_TOKEN"));
}

static void lists_go_by_name_and_page(void **state)
{
	static const char *const names[] = {"a", "B", "_c", "a.b", "a-b"};
	static const char *const sorted[] = {"B", "_c", "a", "a-b", "a.b"};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	const char *after = NULL;
	char last[8];

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		put(f->s, names[i], VALUE);
	for (size_t i = 0; i < ARRAY_LEN(sorted); i += 2) {
		CLEANUP(named_secret_list_free)
		struct named_secret_list l = {0};

		ASSERT_OK(store_named_secret_list(f->s, after, 2, &l, &err));
		assert_int_equal(l.n, i + 2 <= ARRAY_LEN(sorted) ? 2 : 1);
		for (size_t k = 0; k < l.n; k++)
			assert_string_equal(l.items[k].name, sorted[i + k]);
		snprintf(last, sizeof(last), "%s", l.items[l.n - 1].name);
		after = last;
	}
}

static void bad_names_and_values_are_refused(void **state)
{
	static const char *const bad[] = {
	    "", "1A", "-a", ".a", "a b", "a/b", "a=b", "\xc3\xa4", "a\n"};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char name[NAMED_SECRET_NAME_MAX + 2] = "";
	CLEANUP(mem_free) char *big = mem_alloc(NAMED_SECRET_VALUE_MAX + 1);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(named_secret_name_is_valid(bad[i]));
		assert_int_equal(put_bytes(f->s, bad[i], "v", 1, &err), -1);
		assert_string_equal(err.code, "invalid_name");
	}
	memset(name, 'n', NAMED_SECRET_NAME_MAX);
	assert_true(named_secret_name_is_valid(name));
	name[NAMED_SECRET_NAME_MAX] = 'n';
	assert_false(named_secret_name_is_valid(name));
	memset(big, 'v', NAMED_SECRET_VALUE_MAX + 1);
	ASSERT_OK(put_bytes(f->s, "A", big, NAMED_SECRET_VALUE_MAX, &err));
	assert_int_equal(
	    put_bytes(f->s, "A", big, NAMED_SECRET_VALUE_MAX + 1, &err), -1);
	assert_int_equal(put_bytes(f->s, "A", "", 0, &err), -1);
	assert_int_equal(put_bytes(f->s, "A", "a\0b", 3, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_null(strstr(err.msg, "a\\0b"));
}

static void a_row_opens_under_its_own_name_alone(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf b = {.max = NAMED_SECRET_VALUE_MAX};
	struct err err = ERR_INIT;

	put(f->s, "A", VALUE);
	sql(f, "UPDATE named_secrets SET name = 'B'");
	assert_int_equal(store_named_secret_get(f->s, "B", &b, NULL, &err), -1);
	assert_string_equal(err.code, "wrong_key");
	assert_non_null(strstr(err.msg, "secret B"));
	assert_int_equal(b.len, 0);
}

static void no_room_for_the_value_is_an_error(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf b = {.max = 4};
	struct err err = ERR_INIT;

	put(f->s, "A", VALUE);
	assert_int_equal(store_named_secret_get(f->s, "A", &b, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void there_is_a_limit(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	sql(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
	       " FROM n WHERE i < 9999) INSERT INTO named_secrets"
	       " SELECT 'n' || i, X'00', '2026-01-01', '2026-01-01',"
	       " 'jobs', '' FROM n");
	put(f->s, "last", VALUE);
	assert_int_equal(put_bytes(f->s, "more", VALUE, 1, &err), -1);
	assert_string_equal(err.code, "too_many_secrets");
	put(f->s, "last", "another value");
	expect(f->s, "last", "another value");
}

static void expect_rule(
    struct store *s, const char *use, const char *repositories)
{
	CLEANUP(buf_fini) struct buf b = {.max = NAMED_SECRET_VALUE_MAX};
	struct secret_rule rule;
	struct err err = ERR_INIT;

	assert_int_equal(store_named_secret_get(s, "A", &b, &rule, &err), 1);
	assert_string_equal(secret_use_name(rule.use), use);
	assert_string_equal(rule.repositories, repositories);
}

static int put_rule(
    struct store *s, const char *use, const char *repositories, struct err *err)
{
	return store_named_secret_put(s,
	    &(struct named_secret_new){.name = "A",
		.value = VALUE,
		.len = 1,
		.use = use,
		.repositories = repositories},
	    err);
}

static void a_rule_stays_until_another_is_given(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	put(f->s, "A", VALUE);
	expect_rule(f->s, "components", "");
	ASSERT_OK(put_rule(f->s, "jobs", "acme/*, other/one", &err));
	expect_rule(f->s, "jobs", "acme/*,other/one");
	put(f->s, "A", "another value");
	expect_rule(f->s, "jobs", "acme/*,other/one");
	ASSERT_OK(put_rule(f->s, "both", NULL, &err));
	expect_rule(f->s, "both", "acme/*,other/one");
	ASSERT_OK(put_rule(f->s, NULL, "", &err));
	expect_rule(f->s, "both", "");
	assert_int_equal(put_rule(f->s, "all", NULL, &err), -1);
	assert_string_equal(err.code, "invalid_use");
	err_clear(&err);
	assert_int_equal(put_rule(f->s, NULL, "acme", &err), -1);
	assert_string_equal(err.code, "invalid_repositories");
}

static void a_rule_names_repositories(void **state)
{
	static const struct {
		const char *rule, *repository;
		bool ok;
	} cases[] = {{"", "any/one", true}, {"a/b", "a/b", true},
	    {"a/b", "A/B", true}, {"a/b", "a/bc", false},
	    {"a/b", "xa/b", false}, {"a/*", "a/b", true},
	    {"a/*", "ab/c", false}, {"a/*", "b/a", false},
	    {"x/y,a/b", "a/b", true}, {"x/y,a/b", "y/a", false}};
	static const char *const bad[] = {
	    "a", "a/", "/b", "a/b/c", "*/*", "a/b*", ",a/b", "a b/c"};
	struct secret_rule r = {.use = SECRET_JOBS};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ASSERT_OK(
		    secret_rule_set_repositories(&r, cases[i].rule, &err));
		assert_int_equal(
		    secret_rule_allows(&r, SECRET_JOBS, cases[i].repository),
		    cases[i].ok);
		assert_false(secret_rule_allows(
		    &r, SECRET_COMPONENTS, cases[i].repository));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (secret_rule_set_repositories(&r, bad[i], &err) == 0)
			fail_msg("taken: %s", bad[i]);
		err_clear(&err);
	}
}

static void another_key_is_refused_while_they_are_kept(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	put(f->s, "A", VALUE);
	fixture_close(f);
	f->config.encryption_key = "the key of somebody else";
	assert_int_equal(store_open(&f->s, &f->config, &err), -1);
	assert_string_equal(err.code, "wrong_key");
	f->config.encryption_key = NULL;
	fixture_open(f);
	expect(f->s, "A", VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(a_value_comes_back_but_never_lies_plain),
	    STORE_TEST(a_new_value_replaces_the_old),
	    STORE_TEST(a_deleted_one_is_gone),
	    STORE_TEST(lists_go_by_name_and_page),
	    STORE_TEST(bad_names_and_values_are_refused),
	    STORE_TEST(a_row_opens_under_its_own_name_alone),
	    STORE_TEST(no_room_for_the_value_is_an_error),
	    STORE_TEST(there_is_a_limit),
	    STORE_TEST(a_rule_stays_until_another_is_given),
	    STORE_TEST(a_rule_names_repositories),
	    STORE_TEST(another_key_is_refused_while_they_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
