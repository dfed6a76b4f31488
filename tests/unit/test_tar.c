/* The tar writer, byte by byte where readers look. That real readers take
 * what it makes is shown by the integration tests (the engine unpacks it). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/tar.h"

/* POSIX: the sum of the header's bytes with the field itself as spaces. */
static void check_sum(const char *h)
{
	unsigned sum = 8 * ' ', told = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i < 148 || i > 155 ? (unsigned char)h[i] : 0;
	for (const char *c = h + 148; *c != '\0'; c++)
		told = told * 8 + (unsigned)(*c - '0');
	assert_int_equal(told, sum);
}

static void a_file(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 65536};
	const struct tar_entry e = {
	    .name = "bin/agent", .type = TAR_FILE, .mode = 0755, .size = 513};

	(void)state;
	tar_put_entry(&out, &e);
	assert_int_equal(out.len, TAR_BLOCK);
	assert_string_equal(out.data, "bin/agent");
	assert_string_equal(out.data + 100, "0000755");
	assert_string_equal(out.data + 124, "00000001001");
	assert_memory_equal(out.data + 156, "0", 1);
	assert_memory_equal(out.data + 257, "ustar\00000", 8);
	check_sum(out.data);
	tar_put_padding(&out, 513);
	assert_int_equal(out.len, TAR_BLOCK + 511);
	tar_put_padding(&out, 1024);
	assert_int_equal(out.len, TAR_BLOCK + 511);
	tar_put_end(&out);
	assert_int_equal(out.len, 3 * TAR_BLOCK + 511);
	assert_false(out.overflow);
}

static void long_names_come_before(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 65536};
	char name[600];
	const struct tar_entry e = {
	    .name = name, .type = TAR_SYMLINK, .mode = 0777, .link = name};

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	tar_put_entry(&out, &e);
	assert_int_equal(out.len, 7 * TAR_BLOCK);
	assert_string_equal(out.data, "././@LongLink");
	assert_int_equal(out.data[156], 'L');
	assert_string_equal(out.data + TAR_BLOCK, name);
	assert_int_equal(out.data[3 * TAR_BLOCK + 156], 'K');
	assert_string_equal(out.data + 4 * TAR_BLOCK, name);
	assert_int_equal(out.data[6 * TAR_BLOCK + 156], '2');
	check_sum(out.data);
	check_sum(out.data + 3 * TAR_BLOCK);
	check_sum(out.data + 6 * TAR_BLOCK);
}

/* A name of exactly the field's length has no NUL in it. */
static void a_name_that_just_fits(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 65536};
	char name[101];
	const struct tar_entry e = {.name = name, .type = TAR_DIRECTORY};

	(void)state;
	memset(name, 'n', 100);
	name[100] = '\0';
	tar_put_entry(&out, &e);
	assert_int_equal(out.len, TAR_BLOCK);
	assert_memory_equal(out.data, name, 100);
	assert_string_equal(out.data + 100, "0000000");
}

static void a_huge_file(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 65536};
	const struct tar_entry e = {
	    .name = "huge", .type = TAR_FILE, .size = UINT64_C(1) << 40};

	(void)state;
	tar_put_entry(&out, &e);
	assert_memory_equal(out.data + 124, "\x80\0\0\0\0\0\x01\0\0\0\0\0", 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file),
	    cmocka_unit_test(long_names_come_before),
	    cmocka_unit_test(a_name_that_just_fits),
	    cmocka_unit_test(a_huge_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
