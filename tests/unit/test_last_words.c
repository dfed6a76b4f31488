/* The end of an output for a message: one line, clean, the end kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "components/last_words.h"

static const char *words_of(const char *text, size_t size)
{
	static char out[256];

	last_words(text, strlen(text), out, size);
	assert_true(strlen(out) < size);
	return out;
}

static void test_lines_become_one(void **state)
{
	(void)state;
	assert_string_equal(words_of("", 100), "");
	assert_string_equal(words_of("one", 100), "one");
	assert_string_equal(words_of("one\ntwo\n", 100), "one | two");
	assert_string_equal(
	    words_of("\n\none \r\n\n\ttwo\n\n", 100), "one |  two");
}

static void test_nothing_steers_a_terminal(void **state)
{
	static const char *const cases[][2] = {
	    {"\033[91mred\033[0m\nplain", "red | plain"},
	    {"\033]0;title\007x", "0;title x"},
	    {"a\x07z\x7f", "a z?"},
	    {"\xc2\x9b"
	     "31m",
		"?31m"},
	    {"\033", ""},
	    {"\033[", ""},
	    {"\033[12;", ""},
	    {"bad \xff\xc3 end", "bad ?? end"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(words_of(cases[i][0], 100), cases[i][1]);
}

static void test_the_end_is_what_is_kept(void **state)
{
	char text[1000];

	(void)state;
	assert_string_equal(words_of("123456789", 10), "123456789");
	assert_string_equal(words_of("1234567890", 10), "...567890");
	assert_string_equal(
	    words_of("aa\xc3\xa4\xc3\xa4\xc3\xa4z", 9), "...\xc3\xa4\xc3\xa4z");
	assert_string_equal(words_of("\xa4 cut before", 100), " cut before");
	for (size_t size = 5; size < 200; size++) {
		memset(text, 'x', sizeof(text));
		text[sizeof(text) - 1] = '\0';
		assert_int_equal(strlen(words_of(text, size)), size - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines_become_one),
	    cmocka_unit_test(test_nothing_steers_a_terminal),
	    cmocka_unit_test(test_the_end_is_what_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
