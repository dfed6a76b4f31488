/* Addresses of sources: every form that people and a catalog write, and those
 * that are refused, with what they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "components/locate.h"

static const char *const hosts[] = {
    "github.com", "GHE.example", "127.0.0.1:8443", "[::1]:9", NULL};

static void same(
    const char *text, const char *what, const char *got, const char *want)
{
	if (got == NULL && want == NULL)
		return;
	if (got == NULL || want == NULL || strcmp(got, want) != 0)
		fail_msg("%s: %s is %s, expected %s", text, what,
		    got != NULL ? got : "(none)",
		    want != NULL ? want : "(none)");
}

static void repositories(void **state)
{
	static const struct {
		const char *text, *host, *ref, *ref_and_path;
		bool is_file;
	} cases[] = {
	    /* what a catalog writes by itself */
	    {"url:https://github.com/o/r/tree/main/", "github.com", NULL,
		"main", false},
	    {"url:https://github.com/o/r/tree/main/services/a/", "github.com",
		NULL, "main/services/a", false},
	    {"url:https://github.com/o/r/tree/feature%2Fx/", "github.com", NULL,
		"feature/x", false},
	    {"url:https://github.com/o/r/tree/master/", "github.com", NULL,
		"master", false},
	    /* what people write */
	    {"url:https://github.com/o/r/", "github.com", NULL, NULL, false},
	    {"https://github.com/o/r", "github.com", NULL, NULL, false},
	    {"  https://github.com/o/r\n", "github.com", NULL, NULL, false},
	    {"https://github.com/o/r///", "github.com", NULL, NULL, false},
	    {"https://github.com//o//r", "github.com", NULL, NULL, false},
	    {"https://github.com/o/r/tree/dev/sub/dir/", "github.com", NULL,
		"dev/sub/dir", false},
	    {"https://github.com/o/r/tree/dev//sub", "github.com", NULL,
		"dev/sub", false},
	    {"https://github.com/o/r/tree/", "github.com", NULL, NULL, false},
	    {"url:https://github.com/o/r/blob/feature/x/catalog-info.yaml",
		"github.com", NULL, "feature/x/catalog-info.yaml", true},
	    {"https://github.com/o/r/blob/main", "github.com", NULL, "main",
		false},
	    {"https://github.com/o/r/blob/main/sub/", "github.com", NULL,
		"main/sub", false},
	    {"https://github.com/o/r/raw/main/a.yaml", "github.com", NULL,
		"main/a.yaml", true},
	    {"https://github.com/o/r/edit/main/a.yaml", "github.com", NULL,
		"main/a.yaml", true},
	    {"https://github.com/o/r/blame/main/a.yaml", "github.com", NULL,
		"main/a.yaml", true},
	    {"https://github.com/o/r/commits/main", "github.com", NULL, "main",
		false},
	    {"https://github.com/o/r/commit/0123456789abcdef0123456789abcdef"
	     "01234567",
		"github.com", "0123456789abcdef0123456789abcdef01234567", NULL,
		false},
	    {"https://github.com/o/r/releases/tag/v1.2", "github.com", "v1.2",
		NULL, false},
	    {"https://github.com/o/r/releases/tag/web/v1", "github.com",
		"web/v1", NULL, false},
	    {"https://github.com/o/r.git", "github.com", NULL, NULL, false},
	    {"https://github.com/o/r.git/", "github.com", NULL, NULL, false},
	    {"https://github.com/o/r.git/tree/main", "github.com", NULL, "main",
		false},
	    {"git+https://github.com/o/r.git", "github.com", NULL, NULL, false},
	    {"url:git@github.com:o/r.git", "github.com", NULL, NULL, false},
	    {"git@github.com:o/r", "github.com", NULL, NULL, false},
	    {"git@github.com:/o/r.git", "github.com", NULL, NULL, false},
	    {"org-1@github.com:o/r.git", "github.com", NULL, NULL, false},
	    {"git@github.com:o/r.git#dev", "github.com", "dev", NULL, false},
	    {"ssh://git@github.com/o/r", "github.com", NULL, NULL, false},
	    {"ssh://git@github.com:22/o/r.git", "github.com", NULL, NULL,
		false},
	    {"ssh://git@ssh.github.com:443/o/r.git", "github.com", NULL, NULL,
		false},
	    {"git+ssh://git@ghe.example:2222/o/r", "ghe.example", NULL, NULL,
		false},
	    {"github.com/o/r", "github.com", NULL, NULL, false},
	    {"github.com/o/r/tree/main/x", "github.com", NULL, "main/x", false},
	    {"http://github.com/o/r", "github.com", NULL, NULL, false},
	    {"HTTPS://WWW.GitHub.com/o/r", "github.com", NULL, NULL, false},
	    {"https://github.com:443/o/r", "github.com", NULL, NULL, false},
	    {"https://ghe.example/o/r/tree/main", "ghe.example", NULL, "main",
		false},
	    {"https://127.0.0.1:8443/o/r", "127.0.0.1:8443", NULL, NULL, false},
	    {"https://[::1]:9/o/r", "[::1]:9", NULL, NULL, false},
	    {"https://github.com/o/r?ref=dev", "github.com", "dev", NULL,
		false},
	    {"https://github.com/o/r/?tab=readme&ref=a%2Fb", "github.com",
		"a/b", NULL, false},
	    {"https://github.com/o/r#v1", "github.com", "v1", NULL, false},
	    {"https://github.com/o/r?ref=v1#v1", "github.com", "v1", NULL,
		false},
	    {"https://github.com/o/r#", "github.com", NULL, NULL, false},
	    {"https://github.com/o/r/blob/main/a.yaml?plain=1#L3", "github.com",
		NULL, "main/a.yaml", true},
	    {"https://raw.githubusercontent.com/o/r/main/a/b.yaml",
		"github.com", NULL, "main/a/b.yaml", true},
	    {"https://github.com/o/r/tree/main/a%20b/@scope", "github.com",
		NULL, "main/a b/@scope", false},
	    {"https://github.com/o/r/tree/main/100%25", "github.com", NULL,
		"main/100%", false},
	    {"https://github.com/o/r/tree/v1%252E0", "github.com", NULL,
		"v1%2E0", false},
	    {"https://github.com/o/r/tree/main/.config", "github.com", NULL,
		"main/.config", false},
	    {"https://github.com/o/r/tree/main/...", "github.com", NULL,
		"main/...", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(location_fini) struct location l = {0};
		struct err err = ERR_INIT;

		if (location_parse(cases[i].text, hosts, &l, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(l.kind, LOCATION_GITHUB);
		same(cases[i].text, "host", l.host, cases[i].host);
		same(cases[i].text, "owner", l.owner, "o");
		same(cases[i].text, "repo", l.repo, "r");
		same(cases[i].text, "ref", l.ref, cases[i].ref);
		same(cases[i].text, "ref_and_path", l.ref_and_path,
		    cases[i].ref_and_path);
		if (l.is_file != cases[i].is_file)
			fail_msg("%s: is_file %d", cases[i].text, l.is_file);
		assert_null(l.directory);
	}
}

static void directories(void **state)
{
	static const struct {
		const char *text, *directory;
	} cases[] = {{"file:/srv/app", "/srv/app"},
	    {"file:///srv/app/", "/srv/app"},
	    {"file://localhost/srv/app", "/srv/app"},
	    {"FILE:/srv//./app/", "/srv/app"}, {"dir:/srv/app", "/srv/app"},
	    {"url:file:///srv/app", "/srv/app"},
	    {"file:///srv/a%20b", "/srv/a b"},
	    {"file:/srv/a%20b", "/srv/a%20b"}, {"file:/srv/100%", "/srv/100%"},
	    {"file:/srv/app/catalog-info.yaml", "/srv/app"},
	    {"file:/srv/app/x.YML", "/srv/app"},
	    {"file:/srv/app/.yaml", "/srv/app"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(location_fini) struct location l = {0};
		struct err err = ERR_INIT;

		if (location_parse(cases[i].text, hosts, &l, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(l.kind, LOCATION_DIRECTORY);
		same(cases[i].text, "directory", l.directory,
		    cases[i].directory);
		assert_null(l.host);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {"", "it is empty"},
	    {" \n", "it is empty"},
	    {"url:", "it is empty"},
	    {"github", "names no repository"},
	    {"o/r", "neither a scheme nor a known host"},
	    {"host:o/r", "neither a scheme nor a known host"},
	    {"https://", "names no host"},
	    {"https:///o/r", "names no host"},
	    {"https://gitlab.com/o/r", "none of the GitHub integrations"},
	    {"https://github.com.evil.example/o/r", "none of the GitHub"},
	    {"https://evilgithub.com/o/r", "none of the GitHub"},
	    {"https://www.www.github.com/o/r", "none of the GitHub"},
	    {"https://127.0.0.1/o/r", "none of the GitHub"},
	    {"https://github.com", "names no repository"},
	    {"https://github.com/o", "names no repository"},
	    {"https://github.com/o/", "names no repository"},
	    {"https://github.com/o/.git", "letters, digits"},
	    {"https://github.com/o/..", "letters, digits"},
	    {"https://github.com/o%2Fx/r", "letters, digits"},
	    {"https://github.com/o x/r", "letters, digits"},
	    {"https://github.com/--help;/r", "letters, digits"},
	    {"https://user@github.com/o/r", "user or password"},
	    {"https://user:pw@github.com/o/r", "user or password"},
	    {"ssh://git:pw@github.com/o/r", "user or password"},
	    {"git:pw@github.com:o/r", "user or password"},
	    {"https://github.com/o/r/issues/3", "only tree, blob"},
	    {"https://github.com/o/r/pull/3/files", "only tree, blob"},
	    {"https://github.com/o/r/releases", "only tree, blob"},
	    {"https://github.com/o/r/releases/tag/", "only tree, blob"},
	    {"https://github.com/o/r/commit", "id of a commit"},
	    {"https://github.com/o/r/commit/main", "id of a commit"},
	    {"https://github.com/o/r/commit/0123456/x", "id of a commit"},
	    {"https://github.com/o/r/tree/main/../..", "not taken"},
	    {"https://github.com/o/r/tree/main/%2e%2e/x", "not taken"},
	    {"https://github.com/o/r/tree/main/a%2f..%2fb", "not taken"},
	    {"https://github.com/o/r/tree/main/./x", "not taken"},
	    {"https://github.com/o/r/tree/main/%00", "%-escape"},
	    {"https://github.com/o/r/tree/main/%0a", "%-escape"},
	    {"https://github.com/o/r/tree/main/%zz", "%-escape"},
	    {"https://github.com/o/r/tree/main/%", "%-escape"},
	    {"https://github.com/o/r/tree/main/%4", "%-escape"},
	    {"https://github.com/o/r/tree/main/%ff", "%-escape"},
	    {"https://github.com/o/r/tree/main?ref=dev", "two branches"},
	    {"https://github.com/o/r?ref=a#b", "two branches"},
	    {"https://github.com/o/r?ref=a..b", "cannot be the name"},
	    {"https://github.com/o/r?ref=-x", "cannot be the name"},
	    {"https://github.com/o/r?ref=a%20b", "cannot be the name"},
	    {"https://github.com/o/r#main:sub", "cannot be the name"},
	    {"git@github.com:o/r/tree/main", "ends with its repository"},
	    {"ftp://github.com/o/r", "not known"},
	    {"git://github.com/o/r", "not known"},
	    {"file:srv/app", "absolute"},
	    {"dir:.", "absolute"},
	    {"file://host/srv", "another machine"},
	    {"file:/", "root of this machine"},
	    {"file:/catalog-info.yaml", "root of this machine"},
	    {"file:/srv/../etc", "\"..\" is not taken"},
	    {"file:///srv/%2e%2e/etc", "\"..\" is not taken"},
	    {"file:///srv/%00", "%-escape"},
	    {"https://github.com/o/r\x01", "control characters"},
	    {"https://github.com/o/\xff", "not UTF-8"},
	    {"ht\xe4tps://x@github.com/o/r", "not UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct location l = {0};
		struct err err = ERR_INIT;

		if (location_parse(cases[i].text, hosts, &l, &err) == 0)
			fail_msg("\"%s\" was taken", cases[i].text);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.code, "INVALID_SOURCE_LOCATION");
		if (strstr(err.msg, cases[i].why) == NULL)
			fail_msg("\"%s\": %s", cases[i].text, err.msg);
		assert_non_null(strstr(err.msg, "github.com, GHE.example"));
		assert_null(strstr(err.msg, "pw"));
	}
}

static void a_message_tells_no_secret(void **state)
{
	static const char *const texts[] = {
	    "https://ghp_hunter2@github.com/o/r",
	    "https://x:hunter2@github.com/o/r", "https://x:hun/hunter2@g/o/r",
	    "x:hunter2@github.com/o/r", "ssh://x:a@hunter2@github.com/o/r",
	    "https://gitlab.com/o/r?token=hunter2",
	    "url:https://hunter2@gitlab.com/o/r"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct location l = {0};
		struct err err = ERR_INIT;

		assert_int_equal(location_parse(texts[i], hosts, &l, &err), -1);
		if (strstr(err.msg, "hunter2") != NULL)
			fail_msg("%s", err.msg);
		assert_non_null(strstr(err.msg, "..."));
	}
}

static void lengths_are_bounded(void **state)
{
	static const char *const none[] = {NULL};
	char text[4096] = "https://github.com/o/r/tree/main";
	struct location l = {0};
	struct err err = ERR_INIT;

	(void)state;
	while (strlen(text) < 1000)
		memcpy(text + strlen(text), "/a", 3);
	assert_int_equal(location_parse(text, hosts, &l, &err), -1);
	assert_non_null(strstr(err.msg, "too deep"));
	memset(text + strlen(text), 'a', 2000);
	assert_int_equal(location_parse(text, hosts, &l, &err), -1);
	assert_non_null(strstr(err.msg, "longer than 2048"));
	assert_non_null(strstr(err.msg, "file:/<directory>"));
	assert_int_equal(
	    location_parse("https://github.com/o/r", none, &l, &err), -1);
	assert_non_null(strstr(err.msg, "one of: none"));
	snprintf(text, sizeof(text), "https://github.com/o/%0101d", 1);
	assert_int_equal(location_parse(text, hosts, &l, &err), -1);
	snprintf(text, sizeof(text), "https://github.com/o/r#%0251d", 1);
	assert_int_equal(location_parse(text, hosts, &l, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(repositories),
	    cmocka_unit_test(directories), cmocka_unit_test(refused),
	    cmocka_unit_test(a_message_tells_no_secret),
	    cmocka_unit_test(lengths_are_bounded)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
