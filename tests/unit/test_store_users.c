/* store/: people, their passwords, logins, and tokens for programs. */
#include "store_fixture.h"

#include <sqlite3.h>

#include "store/users.h"

static const char PASSWORD[] = "correct horse battery";

static user_id add(struct store *s, const char *name, enum role role)
{
	struct err err = ERR_INIT;
	user_id id;

	ASSERT_OK(store_user_add(s, name, role, PASSWORD, false, &id, &err));
	return id;
}

static int check(struct store *s, const char *name, const char *password)
{
	CLEANUP(user_fini) struct user u = {0};
	struct err err = ERR_INIT;

	return store_user_check(s, name, password, &u, &err);
}

static void a_password_is_theirs_alone(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	user_id jane = add(f->s, "Jane", ROLE_ADMIN);

	add(f->s, "joe", ROLE_VIEWER);
	assert_int_equal(check(f->s, "jane", PASSWORD), 1);
	assert_int_equal(check(f->s, "JANE", PASSWORD), 1);
	assert_int_equal(check(f->s, "jane", "Correct horse battery"), 0);
	assert_int_equal(check(f->s, "jane", ""), 0);
	assert_int_equal(check(f->s, "nobody", PASSWORD), 0);
	assert_int_equal(check(f->s, "no body", PASSWORD), 0);
	assert_int_equal(check(f->s, "", PASSWORD), 0);
	ASSERT_OK(
	    store_user_set_password(f->s, jane, "another long one", &err));
	fixture_reopen(f);
	assert_int_equal(check(f->s, "jane", PASSWORD), 0);
	assert_int_equal(check(f->s, "jane", "another long one"), 1);
}

static void bad_names_and_passwords_are_refused(void **state)
{
	static const struct {
		const char *name, *password, *code;
	} cases[] = {
	    {"", PASSWORD, "invalid_name"},
	    {"a b", PASSWORD, "invalid_name"},
	    {"a\n", PASSWORD, "invalid_name"},
	    {"../x", PASSWORD, "invalid_name"},
	    {"ann", "short", "weak_password"},
	    {"administrator", "Administrator", "weak_password"},
	    {"JOE", PASSWORD, "user_exists"},
	};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	user_id id;

	add(f->s, "joe", ROLE_VIEWER);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		err_clear(&err);
		assert_int_equal(
		    store_user_add(f->s, cases[i].name, ROLE_VIEWER,
			cases[i].password, false, &id, &err),
		    -1);
		assert_string_equal(err.code, cases[i].code);
	}
	err_clear(&err);
	assert_int_equal(store_user_add(f->s, "first", ROLE_ADMIN, PASSWORD,
			     true, &id, &err),
	    -1);
	assert_string_equal(err.code, "not_first");
	err_clear(&err);
	assert_int_equal(store_user_count(f->s, &err), 1);
}

static void the_last_admin_stays(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	user_id ann = add(f->s, "ann", ROLE_ADMIN), bob;

	assert_int_equal(store_user_delete(f->s, ann, &err), -1);
	assert_string_equal(err.code, "last_admin");
	err_clear(&err);
	assert_int_equal(
	    store_user_change(f->s, ann,
		&(struct user_change){.set_disabled = true, .disabled = true},
		&err),
	    -1);
	err_clear(&err);
	assert_int_equal(
	    store_user_change(
		f->s, ann, &(struct user_change){.role = ROLE_OPERATOR}, &err),
	    -1);
	err_clear(&err);
	bob = add(f->s, "bob", ROLE_ADMIN);
	ASSERT_OK(store_user_change(
	    f->s, ann, &(struct user_change){.role = ROLE_VIEWER}, &err));
	assert_int_equal(store_user_delete(f->s, bob, &err), -1);
	err_clear(&err);
	ASSERT_OK(store_user_delete(f->s, ann, &err));
	err_clear(&err);
	assert_int_equal(store_user_delete(f->s, ann, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void users_are_listed_by_name(void **state)
{
	struct fixture *f = *state;
	struct user_list l;
	struct err err = ERR_INIT;

	add(f->s, "Zoe", ROLE_VIEWER);
	add(f->s, "ann", ROLE_OPERATOR);
	add(f->s, "Bob", ROLE_ADMIN);
	ASSERT_OK(store_user_list(f->s, NULL, 2, &l, &err));
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[0].name, "ann");
	assert_int_equal(l.items[0].role, ROLE_OPERATOR);
	user_list_free(&l);
	ASSERT_OK(store_user_list(f->s, "BOB", 2, &l, &err));
	assert_int_equal(l.n, 1);
	assert_string_equal(l.items[0].name, "Zoe");
	user_list_free(&l);
}

/* -- logins ------------------------------------------------------------ */

static struct login log_in(struct fixture *f, user_id user, char *token)
{
	struct err err = ERR_INIT;
	struct login l;

	ASSERT_OK(store_login_open(f->s, user, "127.0.0.1",
	    clock_wall_ns() + 3600 * CLOCK_NS_PER_S, &l, token, &err));
	return l;
}

static int is_in(struct fixture *f, struct uuid login)
{
	CLEANUP(user_fini) struct user u = {0};
	struct err err = ERR_INIT;

	return store_login_check(f->s, login, &u, &err);
}

static int renew(struct fixture *f, const char *token, char *next)
{
	struct err err = ERR_INIT;
	struct login l;

	return store_login_renew(f->s, token, &l, next, &err);
}

static void a_login_is_renewed_and_ends(void **state)
{
	struct fixture *f = *state;
	char first[LOGIN_TOKEN_LEN], second[LOGIN_TOKEN_LEN];
	char third[LOGIN_TOKEN_LEN];
	struct err err = ERR_INIT;
	struct login l = log_in(f, add(f->s, "ann", ROLE_ADMIN), first);

	assert_int_equal(is_in(f, l.id), 1);
	assert_int_equal(renew(f, first, second), 1);
	assert_string_not_equal(first, second);
	/* the same page in two tabs */
	assert_int_equal(renew(f, first, third), 1);
	fixture_reopen(f);
	assert_int_equal(is_in(f, l.id), 1);
	assert_int_equal(renew(f, third, second), 1);
	assert_int_equal(renew(f, "rhl_nonsense", third), 0);
	ASSERT_OK(store_login_close(f->s, l.id, &err));
	assert_int_equal(is_in(f, l.id), 0);
	assert_int_equal(renew(f, second, third), 0);
}

/* As if the last renewal were a minute ago. */
static void let_a_minute_pass(struct fixture *f)
{
	sqlite3 *db;

	fixture_close(f);
	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "UPDATE logins SET renewed_ns = renewed_ns"
			     " - 60000000000",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	fixture_open(f);
}

/* A thief who renewed twice at once left the owner with one of two before. */
static void the_token_before_the_last_ends_the_login(void **state)
{
	struct fixture *f = *state;
	char first[LOGIN_TOKEN_LEN], second[LOGIN_TOKEN_LEN];
	char third[LOGIN_TOKEN_LEN], none[LOGIN_TOKEN_LEN];
	struct login l = log_in(f, add(f->s, "tim", ROLE_ADMIN), first);

	assert_int_equal(renew(f, first, second), 1);
	assert_int_equal(renew(f, second, third), 1);
	assert_int_equal(renew(f, first, none), 0);
	assert_int_equal(is_in(f, l.id), 0);
	assert_int_equal(renew(f, third, none), 0);
}

static void a_token_that_was_used_ends_the_login(void **state)
{
	struct fixture *f = *state;
	char first[LOGIN_TOKEN_LEN], second[LOGIN_TOKEN_LEN];
	char third[LOGIN_TOKEN_LEN];
	struct login l = log_in(f, add(f->s, "ann", ROLE_ADMIN), first);

	assert_int_equal(renew(f, first, second), 1);
	let_a_minute_pass(f);
	assert_int_equal(is_in(f, l.id), 1);
	assert_int_equal(renew(f, first, third), 0);
	assert_int_equal(is_in(f, l.id), 0);
	assert_int_equal(renew(f, second, third), 0);
}

static void who_is_disabled_is_out(void **state)
{
	struct fixture *f = *state;
	char token[LOGIN_TOKEN_LEN], next[LOGIN_TOKEN_LEN];
	struct err err = ERR_INIT;
	user_id joe = add(f->s, "joe", ROLE_OPERATOR);
	struct login l = log_in(f, joe, token), other;
	const struct user_change off = {.set_disabled = true, .disabled = true};
	const struct user_change on = {.set_disabled = true};

	ASSERT_OK(store_user_change(f->s, joe, &off, &err));
	assert_int_equal(is_in(f, l.id), 0);
	assert_int_equal(check(f->s, "joe", PASSWORD), 0);
	assert_int_equal(renew(f, token, next), 0);
	assert_int_equal(
	    store_login_open(f->s, joe, "x", clock_wall_ns() + CLOCK_NS_PER_S,
		&other, next, &err),
	    -1);
	err_clear(&err);
	ASSERT_OK(store_user_change(f->s, joe, &on, &err));
	assert_int_equal(is_in(f, l.id), 0); /* not back by itself */
	l = log_in(f, joe, token);
	ASSERT_OK(store_user_set_password(f->s, joe, PASSWORD, &err));
	assert_int_equal(is_in(f, l.id), 0);
}

static void a_login_is_over_in_time(void **state)
{
	struct fixture *f = *state;
	char token[LOGIN_TOKEN_LEN], next[LOGIN_TOKEN_LEN];
	struct err err = ERR_INIT;
	struct login l;

	ASSERT_OK(store_login_open(f->s, add(f->s, "ann", ROLE_ADMIN), "x",
	    clock_wall_ns() - 1, &l, token, &err));
	assert_int_equal(is_in(f, l.id), 0);
	assert_int_equal(renew(f, token, next), 0);
}

/* -- tokens ------------------------------------------------------------ */

static struct uuid make_token(
    struct fixture *f, const struct api_token *t, char *token)
{
	struct err err = ERR_INIT;
	struct uuid id;

	ASSERT_OK(store_api_token_add(f->s, t, &id, token, &err));
	return id;
}

/* Its role, 0: not good. */
static int role_of(struct fixture *f, const char *token)
{
	CLEANUP(api_token_fini) struct api_token t = {0};
	struct err err = ERR_INIT;
	int rc = store_api_token_check(f->s, token, &t, &err);

	assert_true(rc >= 0);
	return rc == 1 ? (int)t.role : 0;
}

static void a_token_may_what_its_user_may(void **state)
{
	struct fixture *f = *state;
	char token[API_TOKEN_LEN];
	struct err err = ERR_INIT;
	user_id joe = add(f->s, "joe", ROLE_ADMIN);
	struct uuid id;

	add(f->s, "ann", ROLE_ADMIN);
	id = make_token(f,
	    &(struct api_token){
		.name = (char *)"ci", .user = joe, .role = ROLE_OPERATOR},
	    token);
	assert_memory_equal(token, "rha_", 4);
	assert_int_equal(role_of(f, token), ROLE_OPERATOR);
	ASSERT_OK(store_user_change(
	    f->s, joe, &(struct user_change){.role = ROLE_VIEWER}, &err));
	assert_int_equal(role_of(f, token), ROLE_VIEWER);
	token[50] = token[50] == '0' ? '1' : '0';
	assert_int_equal(role_of(f, token), 0);
	token[50] = token[50] == '0' ? '1' : '0';
	assert_int_equal(
	    store_api_token_delete(f->s, id, &(user_id){{{1}}}, &err), 0);
	assert_int_equal(store_api_token_delete(f->s, id, &joe, &err), 1);
	assert_int_equal(store_api_token_delete(f->s, id, NULL, &err), 0);
}

static void tokens_expire_and_go_with_their_user(void **state)
{
	struct fixture *f = *state;
	char token[API_TOKEN_LEN], hubs[API_TOKEN_LEN];
	struct api_token_list l;
	struct err err = ERR_INIT;
	user_id joe = add(f->s, "joe", ROLE_VIEWER);

	make_token(f,
	    &(struct api_token){.name = (char *)"old",
		.user = joe,
		.role = ROLE_VIEWER,
		.expires_at = clock_wall_ns() - 1},
	    token);
	assert_int_equal(role_of(f, token), 0);
	make_token(f,
	    &(struct api_token){
		.name = (char *)"new", .user = joe, .role = ROLE_VIEWER},
	    token);
	make_token(f,
	    &(struct api_token){.name = (char *)"hub", .role = ROLE_ADMIN},
	    hubs);
	assert_int_equal(role_of(f, hubs), ROLE_ADMIN);
	ASSERT_OK(store_api_token_list(f->s, NULL, NULL, 10, &l, &err));
	assert_int_equal(l.n, 3);
	api_token_list_free(&l);
	ASSERT_OK(store_api_token_list(f->s, &joe, NULL, 10, &l, &err));
	assert_int_equal(l.n, 2);
	api_token_list_free(&l);
	ASSERT_OK(store_user_delete(f->s, joe, &err));
	assert_int_equal(role_of(f, token), 0);
	assert_int_equal(role_of(f, hubs), ROLE_ADMIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(a_password_is_theirs_alone),
	    STORE_TEST(bad_names_and_passwords_are_refused),
	    STORE_TEST(the_last_admin_stays),
	    STORE_TEST(users_are_listed_by_name),
	    STORE_TEST(a_login_is_renewed_and_ends),
	    STORE_TEST(a_token_that_was_used_ends_the_login),
	    STORE_TEST(the_token_before_the_last_ends_the_login),
	    STORE_TEST(who_is_disabled_is_out),
	    STORE_TEST(a_login_is_over_in_time),
	    STORE_TEST(a_token_may_what_its_user_may),
	    STORE_TEST(tokens_expire_and_go_with_their_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
