/* secrets/: which names and paths are taken from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "secrets/secrets.h"

static void names_and_fields_of_the_vault_are_taken(void **state)
{
	static const char *const good[] = {"A", "_a-b.c9", "vault:a#b",
	    "vault:a/b.c/d_e-f#value", "vault:...#x", "vault:a#b#c",
	    "vault:a#any field"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!secret_ref_is_valid(good[i]))
			fail_msg("refused: %s", good[i]);
}

static void what_leaves_the_prefix_is_not(void **state)
{
	static const char *const bad[] = {"", "9a", "-a", "a b", "a/b",
	    "vault:", "vault:a", "vault:a#", "vault:#b", "vault:/a#b",
	    "vault:a/#b", "vault:a//b#c", "vault:..#c", "vault:.#c",
	    "vault:a/../b#c", "vault:a/..#c", "vault:a?b#c", "vault:a%2fb#c",
	    "vault:a\n#c", "Vault:a#b"};
	char longest[SECRET_REF_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (secret_ref_is_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "vault:", 6);
	longest[SECRET_REF_MAX - 2] = '#';
	longest[SECRET_REF_MAX] = '\0';
	assert_true(secret_ref_is_valid(longest));
	longest[SECRET_REF_MAX] = 'a';
	longest[SECRET_REF_MAX + 1] = '\0';
	assert_false(secret_ref_is_valid(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_and_fields_of_the_vault_are_taken),
	    cmocka_unit_test(what_leaves_the_prefix_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
