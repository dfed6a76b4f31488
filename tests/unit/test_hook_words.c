/* The hook's word splitter, against what a POSIX shell makes of the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "containers/words.h"

static const struct vector {
	const char *text;
	const char *words[8];
} vectors[] = {
    {"", {NULL}},
    {"  \t\n ", {NULL}},
    {"one", {"one"}},
    {" one  two\tthree\n", {"one", "two", "three"}},
    {"echo \"Mona the Octocat\"", {"echo", "Mona the Octocat"}},
    {"'single $x \\ \"'", {"single $x \\ \""}},
    {"\"double 'x' \\\" \\\\ \\$ \\` \\n\"", {"double 'x' \" \\ $ ` \\n"}},
    {"a\\ b \\\"c\\' \\\\", {"a b", "\"c'", "\\"}},
    {"join'ed'\"wo\"rds", {"joinedwords"}},
    {"'' \"\" x''", {"", "", "x"}},
    {"a\\\nb", {"ab"}},
    {"\"a\\\nb\"", {"ab"}},
    {"'a\nb'", {"a\nb"}},
    {"end\\", {"end\\"}},
    {"$HOME $(x) `y` *?[]{}~ a|b;c&d #e",
	{"$HOME", "$(x)", "`y`", "*?[]{}~", "a|b;c&d", "#e"}},
    {"-e K=\"a b\" --x='c d'", {"-e", "K=a b", "--x=c d"}},
    {"\xc3\xa9 '\xf0\x9f\xa6\x86 x'", {"\xc3\xa9", "\xf0\x9f\xa6\x86 x"}},
};

static void expect(const struct words *w, const char *const *wanted)
{
	size_t n = 0;

	for (; wanted[n] != NULL; n++) {
		assert_true(n < w->n);
		assert_string_equal(w->v[n], wanted[n]);
	}
	assert_int_equal(w->n, n);
	assert_null(w->v[n]);
}

static void splits_as_a_shell(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct err err = ERR_INIT;
		struct words w;

		assert_int_equal(words_split(vectors[i].text, &w, &err), 0);
		expect(&w, vectors[i].words);
		words_fini(&w);
	}
}

static void refuses_open_quotes(void **state)
{
	static const char *const open[] = {
	    "'", "\"", "a 'b", "a \"b\\\"", "\"'\"\"", "''' x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		struct err err = ERR_INIT;
		struct words w;

		assert_int_equal(words_split(open[i], &w, &err), -1);
		assert_string_equal(err.code, "unclosed_quote");
	}
}

/* The runner cuts `"Mona the Octocat"` at its spaces. */
static void joins_pieces_first(void **state)
{
	static const char *const pieces[] = {
	    "\"Mona", "the", "Octocat\"", "", "x", "\"\"", NULL};
	static const char *const wanted[] = {"Mona the Octocat", "x", "", NULL};
	static const char *const spaces[] = {"\"a", "", "", "b\"", NULL};
	static const char *const kept[] = {"a   b", NULL};
	static const char *const none[] = {NULL};
	struct err err = ERR_INIT;
	struct words w;

	(void)state;
	assert_int_equal(words_split_pieces(pieces, &w, &err), 0);
	expect(&w, wanted);
	words_fini(&w);
	assert_int_equal(words_split_pieces(spaces, &w, &err), 0);
	expect(&w, kept);
	words_fini(&w);
	assert_int_equal(words_split_pieces(NULL, &w, &err), 0);
	expect(&w, none);
	words_fini(&w);
}

static void bounds_the_number_of_words(void **state)
{
	static char text[2 * (WORDS_MAX + 1) + 1];
	struct err err = ERR_INIT;
	struct words w;

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "x ", 2);
	assert_int_equal(words_split(text, &w, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	text[2 * WORDS_MAX] = '\0';
	err_clear(&err);
	assert_int_equal(words_split(text, &w, &err), 0);
	assert_int_equal(w.n, WORDS_MAX);
	words_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits_as_a_shell),
	    cmocka_unit_test(refuses_open_quotes),
	    cmocka_unit_test(joins_pieces_first),
	    cmocka_unit_test(bounds_the_number_of_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
