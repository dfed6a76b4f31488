/* The file of service tokens: what is taken, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "config/service_tokens.h"

static char dir[] = "/tmp/service-tokens-XXXXXX", path[64];

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/tokens.yaml", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static int read_text(
    struct service_tokens **ret, const char *text, struct err *err)
{
	bool exposed;

	assert_int_equal(
	    fs_replace_file(path, text, strlen(text), 0600, err), 0);
	return service_tokens_read(ret, path, &exposed, err);
}

static void the_bearer_is_found(void **state)
{
	CLEANUP(service_tokens_free) struct service_tokens *t = NULL;
	struct err err = ERR_INIT;
	bool may_start = true;

	(void)state;
	assert_int_equal(read_text(&t,
			     "- {token: token-of-bot, subject: preview-bot, "
			     "allowStart: true}\n"
			     "- token: \"12345678\"\n  subject: look/er\n",
			     &err),
	    0);
	assert_string_equal(
	    service_tokens_subject(t, "token-of-bot", &may_start),
	    "external:preview-bot");
	assert_true(may_start);
	assert_string_equal(service_tokens_subject(t, "12345678", &may_start),
	    "external:look/er");
	assert_false(may_start);
	assert_null(service_tokens_subject(t, "token-of-bo", &may_start));
	assert_null(service_tokens_subject(t, "", &may_start));
	assert_null(service_tokens_subject(NULL, "12345678", &may_start));
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *where, *what;
	} cases[] = {
	    {"", ":1: ", "expected a list"},
	    {"token: abcdefgh\n", ":1: ", "expected a list"},
	    {"- just-words\n", ":1: ", "expected a map"},
	    {"- subject: a\n", ":1: ", "token: expected 8"},
	    {"- subject: a\n  token: short\n", ":2: ", "token: expected 8"},
	    {"- subject: a\n  token: with a blank\n", ":2: ", "without blanks"},
	    {"- token: abcdefgh\n", ":1: ", "subject: expected"},
	    {"- token: abcdefgh\n  subject: a b\n", ":2: ", "subject:"},
	    {"- token: abcdefgh\n  subject: a\n  allowStart: yes\n",
		":3: ", "true or false"},
	    {"- token: abcdefgh\n  subject: a\n  allowstart: true\n",
		":3: ", "unknown key"},
	    {"- {token: abcdefgh, subject: a}\n- {token: abcdefgh, subject: "
	     "b}\n",
		":2: ", "in line 1 already"},
	    {"- [\n", "tokens.yaml", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct service_tokens *t = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(read_text(&t, cases[i].text, &err), -1);
		assert_null(t);
		assert_non_null(strstr(err.msg, cases[i].where));
		assert_non_null(strstr(err.msg, cases[i].what));
		assert_null(strstr(err.msg, "abcdefgh"));
	}
}

static void a_file_that_others_may_read(void **state)
{
	CLEANUP(service_tokens_free) struct service_tokens *t = NULL;
	static const char text[] = "- {token: abcdefgh, subject: a}\n";
	struct err err = ERR_INIT;
	bool exposed = true;

	(void)state;
	assert_int_equal(read_text(&t, text, &err), 0);
	service_tokens_free(STEAL(t));
	assert_int_equal(service_tokens_read(&t, path, &exposed, &err), 0);
	assert_false(exposed);
	service_tokens_free(STEAL(t));
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(service_tokens_read(&t, path, &exposed, &err), 0);
	assert_true(exposed);
	service_tokens_free(STEAL(t));
	assert_int_equal(
	    service_tokens_read(&t, "/no/file", &exposed, &err), -1);
	assert_non_null(strstr(err.msg, "/no/file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_bearer_is_found),
	    cmocka_unit_test(what_is_wrong_is_told_with_its_line),
	    cmocka_unit_test(a_file_that_others_may_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
