/* Where GitHub's API is for which site, and what a scope may be called. That
 * calls reach it is shown by tests/integration/test_github.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "github/github_internal.h"

static void the_api_of_a_site(void **state)
{
	static const struct {
		const char *url, *site, *api;
	} cases[] = {
	    {"https://github.com", "https://github.com",
		"https://api.github.com"},
	    {"https://www.GitHub.com/", "https://www.GitHub.com",
		"https://api.github.com"},
	    {"https://acme.ghe.com", "https://acme.ghe.com",
		"https://api.acme.ghe.com"},
	    {"http://github.localhost", "http://github.localhost",
		"http://api.github.localhost"},
	    {"https://ghes.example:8443/", "https://ghes.example:8443",
		"https://ghes.example:8443/api/v3"},
	    {"http://127.0.0.1:9", "http://127.0.0.1:9",
		"http://127.0.0.1:9/api/v3"},
	    {"http://[::1]:9", "http://[::1]:9", "http://[::1]:9/api/v3"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free) char *site = NULL;
		CLEANUP(mem_free) char *api = NULL;
		struct err err = ERR_INIT;

		if (github_split_site(cases[i].url, &site, &api, &err) < 0)
			fail_msg("%s: %s", cases[i].url, err.msg);
		assert_string_equal(site, cases[i].site);
		assert_string_equal(api, cases[i].api);
	}
}

static void sites_that_are_refused(void **state)
{
	static const char *const urls[] = {"", "github.com", "ftp://github.com",
	    "https://", "https://user:pw@github.com", "https://github.com/org",
	    "http://ghes.example", "http://127.0.0.1.evil.example",
	    "http://localhost.evil", "https://gh es", "https://:443",
	    "https://a\r\nb"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		char *site = NULL, *api = NULL;
		struct err err = ERR_INIT;

		if (github_split_site(urls[i], &site, &api, &err) == 0)
			fail_msg("\"%s\" was taken as %s", urls[i], site);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

static void scopes(void **state)
{
	static const char *const good[] = {
	    "acme", "acme/app", "acme/app.js", "enterprises/big", "a-b/c_d"};
	static const char *const bad[] = {"", "/", "acme/", "/app", "a/b/c",
	    "..", "acme/..", ".", "acme/a b", "acme?x", "acme/%2e", "a/b#c"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(github_scope_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (github_scope_is_valid(bad[i]))
			fail_msg("\"%s\" was taken", bad[i]);
}

static void paths_of_scopes(void **state)
{
	static const struct {
		const char *scope, *path;
	} cases[] = {{"acme", "/orgs/acme"}, {"acme/app", "/repos/acme/app"},
	    {"enterprises/big", "/enterprises/big"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf path = {.max = 256};

		github_scope_path(cases[i].scope, &path);
		assert_string_equal(buf_str(&path), cases[i].path);
	}
}

static void urls_and_scopes(void **state)
{
	CLEANUP(github_close) struct github *g = NULL;
	CLEANUP(mem_free) char *scope = NULL;
	CLEANUP(mem_free) char *url = NULL;
	struct err err = ERR_INIT;
	char *none = NULL;

	(void)state;
	assert_int_equal(github_open(&g, "https://github.com", NULL, &err), 0);
	assert_false(github_has_token(g));
	assert_int_equal(github_scope_of_url(
			     g, "https://github.com/acme/app/", &scope, &err),
	    0);
	assert_string_equal(scope, "acme/app");
	url = github_url_of_scope(g, scope);
	assert_string_equal(url, "https://github.com/acme/app");
	/* Another host must never be sent our token. */
	assert_int_equal(
	    github_scope_of_url(g, "https://github.com.evil/acme", &none, &err),
	    -1);
	assert_int_equal(
	    github_scope_of_url(g, "https://ghes.example/acme", &none, &err),
	    -1);
	assert_int_equal(
	    github_scope_of_url(g, "https://github.com/", &none, &err), -1);
	assert_null(none);
}

static void without_a_token(void **state)
{
	CLEANUP(github_close) struct github *g = NULL;
	struct github_token token;
	struct ctx ctx = ctx_root();
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(github_open(&g, "https://github.com", NULL, &err), 0);
	assert_int_equal(
	    github_token_new(g, &ctx, "acme", GITHUB_REMOVE, &token, &err), -1);
	assert_string_equal(err.code, "github_no_token");
	github_close(STEAL(g));
	assert_int_equal(
	    github_open(&g, "https://github.com", "a\r\nHost: b", &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_api_of_a_site),
	    cmocka_unit_test(sites_that_are_refused), cmocka_unit_test(scopes),
	    cmocka_unit_test(paths_of_scopes),
	    cmocka_unit_test(urls_and_scopes),
	    cmocka_unit_test(without_a_token)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
