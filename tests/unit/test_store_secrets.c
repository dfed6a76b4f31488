/* store/: secrets are sealed, bound to their job, and gone at its end. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"

static const char PLAIN[] = "{\"TOKEN\":\"correct horse battery staple\"}";

static job_id insert_secret(struct store *s, const char *name)
{
	struct job_new n = sample(name);

	n.secrets = PLAIN;
	n.secrets_len = sizeof(PLAIN) - 1;
	assert_int_equal(insert_and_wait(s, &n).result, JOB_INSERTED);
	return n.job.id;
}

/* Is this run of bytes in the database or its log? */
static bool on_disk(const struct fixture *f, const void *bytes, size_t len)
{
	static const char *const suffixes[] = {"", "-wal"};
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		struct err err = ERR_INIT;
		struct buf b;
		char path[128];

		snprintf(path, sizeof(path), "%s%s", f->db, suffixes[i]);
		if (access(path, F_OK) < 0)
			continue;
		buf_init(&b, 64 * 1024 * 1024);
		ASSERT_OK(fs_read_file(path, &b, &err));
		found = found || memmem(buf_str(&b), b.len, bytes, len) != NULL;
		buf_fini(&b);
	}
	return found;
}

static void expect_plain(struct store *s, job_id id)
{
	CLEANUP(secret_free) struct secret *secret = NULL;
	struct err err = ERR_INIT;
	size_t len;

	ASSERT_OK(store_job_secrets(s, id, &secret, &err));
	assert_non_null(secret);
	assert_string_equal(secret_expose(secret, &len), PLAIN);
	assert_int_equal(len, sizeof(PLAIN) - 1);
}

static void expect_none(struct store *s, job_id id)
{
	struct secret *secret = NULL;
	struct err err = ERR_INIT;

	ASSERT_OK(store_job_secrets(s, id, &secret, &err));
	assert_null(secret);
}

/* Runs SQL behind the store's back. */
static void meddle(const struct fixture *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static size_t read_sealed(const struct fixture *f, uint8_t *out, size_t max)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	size_t len;

	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
			     "SELECT sealed FROM job_secrets", -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	len = (size_t)sqlite3_column_bytes(st, 0);
	assert_true(len <= max);
	memcpy(out, sqlite3_column_blob(st, 0), len);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return len;
}

static void secrets_open_again_but_never_lie_plain(void **state)
{
	struct fixture *f = *state;
	job_id with = insert_secret(f->s, "with");
	job_id without = insert_one(f->s, "without");

	for (int i = 0; i < 2; i++) {
		expect_plain(f->s, with);
		expect_none(f->s, without);
		assert_false(on_disk(f, "battery staple", 14));
		assert_true(on_disk(f, "self-hosted", 11));
		fixture_reopen(f);
	}
}

static void every_end_deletes_the_sealed_bytes(void **state)
{
	static const enum job_status ends[] = {
	    JOB_COMPLETED, JOB_FAILED, JOB_CANCELLED};
	struct fixture *f = *state;
	uint8_t sealed[256];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		job_id id = insert_secret(f->s, job_status_name(ends[i]));
		size_t len = read_sealed(f, sealed, sizeof(sealed));

		assert_true(on_disk(f, sealed, len));
		move(f->s, id, JOB_ASSIGNED);
		move(f->s, id, JOB_RUNNING);
		expect_plain(f->s, id);
		move(f->s, id, ends[i]);
		expect_none(f->s, id);
		fixture_reopen(f); /* folds the log into the file */
		expect_none(f->s, id);
		assert_false(on_disk(f, sealed, len));
	}
}

static void sealed_bytes_open_only_for_their_own_job(void **state)
{
	struct fixture *f = *state;
	struct secret *secret = NULL;
	struct err err = ERR_INIT;
	job_id a = insert_secret(f->s, "a");
	job_id b = insert_secret(f->s, "b");

	meddle(f,
	    "UPDATE job_secrets SET sealed = (SELECT sealed FROM job_secrets"
	    " ORDER BY job_id LIMIT 1)");
	expect_plain(f->s, a);
	assert_int_equal(store_job_secrets(f->s, b, &secret, &err), -1);
	assert_string_equal(err.code, "wrong_key");
	assert_null(secret);
}

static void a_job_whose_secrets_vanished_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct secret *secret = NULL;
	struct err err = ERR_INIT;
	job_id id = insert_secret(f->s, "a");

	meddle(f, "DELETE FROM job_secrets");
	assert_int_equal(store_job_secrets(f->s, id, &secret, &err), -1);
	assert_string_equal(err.code, "secrets_missing");
}

static int open_with(struct fixture *f, const char *key, struct err *err)
{
	fixture_close(f);
	f->config.encryption_key = key;
	return store_open(&f->s, &f->config, err);
}

static void another_key_is_refused(void **state)
{
	static const char one[] = "first key of the hub";
	static const char two[] = "second key of the hub";
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	job_id id;

	fixture_close(f);
	unlink(f->db);
	ASSERT_OK(open_with(f, one, &err));
	id = insert_secret(f->s, "a");
	assert_int_equal(open_with(f, two, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.code, "wrong_key");
	assert_non_null(strstr(err.msg, "ENCRYPTION_KEY"));
	assert_non_null(strstr(err.msg, f->db));
	assert_int_equal(open_with(f, NULL, &err), -1);
	ASSERT_OK(open_with(f, one, &err));
	expect_plain(f->s, id);
	move(f->s, id, JOB_CANCELLED); /* tokens hang on it still */
	assert_int_equal(open_with(f, two, &err), -1);
	f->s = NULL;
	ASSERT_OK(open_with(f, one, &err));
}

static void a_short_key_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	assert_int_equal(open_with(f, "fifteen bytes..", &err), -1);
	assert_string_equal(err.code, "key_too_short");
	unlink(f->db);
	ASSERT_OK(open_with(f, "sixteen bytes...", &err));
}

static void the_generated_key_is_private_and_kept(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct stat st;
	job_id id = insert_secret(f->s, "a");

	assert_int_equal(stat(f->key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(stat(f->db, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fixture_reopen(f);
	expect_plain(f->s, id);
	chmod(f->key, 0640);
	assert_int_equal(open_with(f, NULL, &err), -1);
	assert_string_equal(err.code, "key_file_open");
	chmod(f->key, 0600);
	assert_int_equal(truncate(f->key, 31), 0);
	assert_int_equal(open_with(f, NULL, &err), -1);
	assert_string_equal(err.code, "key_file_damaged");
}

static void a_content_hash_depends_on_content_and_store(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	uint64_t one = store_content_hash(f->s, "abc", 3);

	assert_true(one <= INT64_MAX);
	assert_true(one != store_content_hash(f->s, "abd", 3));
	fixture_reopen(f);
	assert_true(one == store_content_hash(f->s, "abc", 3));
	fixture_close(f);
	unlink(f->db);
	ASSERT_OK(open_with(f, NULL, &err));
	assert_true(one != store_content_hash(f->s, "abc", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(secrets_open_again_but_never_lie_plain),
	    STORE_TEST(every_end_deletes_the_sealed_bytes),
	    STORE_TEST(sealed_bytes_open_only_for_their_own_job),
	    STORE_TEST(a_job_whose_secrets_vanished_is_an_error),
	    STORE_TEST(another_key_is_refused),
	    STORE_TEST(a_short_key_is_refused),
	    STORE_TEST(a_content_hash_depends_on_content_and_store),
	    STORE_TEST(the_generated_key_is_private_and_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
