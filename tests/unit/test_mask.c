/* The masker against a naive whole-text one, over random chunk splits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mask.h"
#include "base/mask_forms.h"
#include "base/mem.h"

#define TEXT_MAX 100000

static uint32_t random_state = 12345;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

static void assert_masked(
    const struct mask_set *m, const char *text, const char *want)
{
	struct buf out;

	buf_init(&out, TEXT_MAX);
	mask_text(m, text, strlen(text), &out);
	assert_false(out.overflow);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&out);
}

static struct mask_set *set_of(const char *value)
{
	struct mask_set *m = mask_set_new();

	mask_add(m, value, strlen(value));
	return m;
}

static void masks_value_and_encodings(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"x s3cr3t/+ y", "x *** y"},
	    /* base64 of "s3cr3t/+" after 0, 1 and 2 bytes */
	    {"czNjcjN0Lys=", "***s="},
	    {"YXMzY3IzdC8r", "YX***"},
	    {"YWFzM2NyM3QvKw==", "YWF***w=="},
	    {"czNjcjN0Lys", "***s"},
	    {"7333637233742f2b", "***"},
	    {"7333637233742F2B", "***"},
	    {"a=s3cr3t%2F%2B&b", "a=***&b"},
	    {"a=s3cr3t%2f%2b&b", "a=***&b"},
	    {"{\"k\":\"s3cr3t\\/+\"}", "{\"k\":\"***\"}"},
	    {"s3cr3t/", "s3cr3t/"},
	    {"s3cr3t/+s3cr3t/+", "***"},
	    {"", ""},
	};
	struct mask_set *m = set_of("s3cr3t/+");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_masked(m, cases[i].text, cases[i].want);
	mask_set_free(m);
}

static void masks_url_alphabet_and_json(void **state)
{
	struct mask_set *m = set_of("\xff\xef\xbe\"q\" <\xc3\xa9>");

	(void)state;
	/* base64: /+++InEiIDzDqT4 */
	assert_masked(m, "/+++InEiIDzDqT4=", "***4=");
	assert_masked(m, "_---InEiIDzDqT4=", "***4=");
	mask_set_free(m);
	m = set_of("\"q\" <\xc3\xa9\xf0\x9f\x94\x91>");
	assert_masked(
	    m, "[\"\\\"q\\\" <\xc3\xa9\xf0\x9f\x94\x91>\"]", "[\"***\"]");
	assert_masked(
	    m, "[\"\\\"q\\\" <\\u00e9\\ud83d\\udd11>\"]", "[\"***\"]");
	assert_masked(
	    m, "\\\"q\\\" \\u003c\xc3\xa9\xf0\x9f\x94\x91\\u003e", "***");
	assert_masked(m, "%22q%22+%3C%C3%A9%F0%9F%94%91%3E", "***");
	mask_set_free(m);
}

static void masks_lines_of_a_long_value(void **state)
{
	struct mask_set *m = set_of("first line\r\nab\nlast line\n");

	(void)state;
	assert_masked(m, "first line\nab\nlast line\n", "***\nab\n***\n");
	assert_masked(m, "first line\\r\\nab\\nlast line", "***");
	/* the whole value in one base64 */
	assert_masked(m, "Zmlyc3QgbGluZQ0KYWIKbGFzdCBsaW5lCg==", "***g==");
	mask_set_free(m);
}

static void overlapping_values_become_one(void **state)
{
	struct mask_set *m = set_of("abcd");

	(void)state;
	mask_add(m, "cdef", 4);
	assert_masked(m, "abcdef", "***");
	assert_masked(m, "xabcdcdefy", "x***y");
	assert_masked(m, "abcxdef", "abcxdef");
	mask_set_free(m);
}

static void short_and_empty_values_are_no_masks(void **state)
{
	struct mask_set *m = mask_set_new();

	(void)state;
	mask_add(m, "", 0);
	mask_add(m, "ab", 2);
	mask_add(m, "\n\n\nx\n", 5);
	assert_masked(m, "ab x \n", "ab x \n");
	mask_set_free(m);
	m = mask_set_new();
	assert_true(mask_is_empty(m));
	assert_int_equal(mask_held_max(m), 0);
	assert_masked(m, "anything", "anything");
	mask_set_free(m);
}

static void huge_values_are_masked_in_pieces(void **state)
{
	size_t len = 3 * MASK_PIECE_MAX + 7;
	char *value = mem_alloc(len + 1);
	struct mask_set *m;

	(void)state;
	for (size_t i = 0; i < len; i++)
		value[i] = (char)('a' + random_below(26));
	value[len] = '\0';
	m = set_of(value);
	assert_true(mask_held_max(m) <= 6 * MASK_PIECE_MAX);
	assert_masked(m, value, "***");
	mask_set_free(m);
	mem_free(value);
}

static void holds_back_only_what_may_be_secret(void **state)
{
	struct mask_set *m = set_of("topsecret");
	struct mask_stream s;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	mask_stream_init(&s, m);
	mask_feed(&s, "hello tops", 10, false, &out);
	assert_string_equal(buf_str(&out), "hello ");
	mask_feed(&s, "oil\n", 4, false, &out);
	assert_string_equal(buf_str(&out), "hello topsoil\n");
	mask_feed(&s, "tops", 4, false, &out);
	mask_feed(&s, "\n", 1, false, &out);
	assert_string_equal(buf_str(&out), "hello topsoil\ntops\n");
	mask_feed(&s, "topsecre", 8, false, &out);
	mask_feed(&s, "", 0, true, &out);
	assert_string_equal(buf_str(&out), "hello topsoil\ntops\ntopsecre");
	mask_stream_fini(&s);
	buf_fini(&out);
	mask_set_free(m);
}

/* ---- against the naive one ---- */

struct forms {
	char *form[4096];
	size_t len[4096];
	size_t n;
};

static void collect(void *arg, const char *form, size_t len)
{
	struct forms *f = arg;

	assert_true(f->n < ARRAY_LEN(f->form));
	if (len < 3)
		return;
	f->form[f->n] = mem_strndup(form, len);
	f->len[f->n++] = len;
}

/* Marks every byte of every occurrence; each marked run becomes "***". */
static void naive_mask(
    const struct forms *f, const char *text, size_t len, struct buf *out)
{
	char *cover = mem_zalloc(len + 1);

	for (size_t k = 0; k < f->n; k++) {
		for (size_t i = 0; i + f->len[k] <= len; i++) {
			if (memcmp(text + i, f->form[k], f->len[k]) == 0)
				memset(cover + i, 1, f->len[k]);
		}
	}
	for (size_t i = 0; i < len; i++) {
		if (cover[i] == 0)
			assert_int_equal(buf_append(out, &text[i], 1), 0);
		else if (i == 0 || cover[i - 1] == 0)
			assert_int_equal(buf_append(out, "***", 3), 0);
	}
	mem_free(cover);
}

/* Text over a tiny alphabet, with whole and broken forms strewn in. */
static size_t random_text(const struct forms *f, char *text, size_t max)
{
	size_t len = 0;

	while (len + 400 < max) {
		uint32_t what = random_below(10);
		size_t k = random_below((uint32_t)f->n);
		size_t n = f->len[k] < 300 ? f->len[k] : 300;

		if (what < 2)
			n = random_below((uint32_t)n + 1);
		if (what < 4) {
			memcpy(text + len, f->form[k], n);
			len += n;
		} else {
			text[len++] = "ab=\n c"[random_below(6)];
		}
	}
	return len;
}

static void feed_in_chunks(const struct mask_set *m, const char *text,
    size_t len, uint32_t chunk_max, struct buf *out)
{
	struct mask_stream s;
	size_t n;

	mask_stream_init(&s, m);
	for (size_t i = 0; i < len; i += n) {
		n = 1 + random_below(chunk_max);
		if (n > len - i)
			n = len - i;
		mask_feed(&s, text + i, n, false, out);
		assert_true(s.held.len <= mask_held_max(m));
	}
	mask_feed(&s, "", 0, true, out);
	mask_stream_fini(&s);
}

static void one_random_round(void)
{
	static char text[4000];
	static struct forms forms;
	struct mask_set *m = mask_set_new();
	struct buf want, got;
	size_t len, values = 1 + random_below(6);
	char value[40];

	forms.n = 0;
	for (size_t i = 0; i < values; i++) {
		size_t n = 3 + random_below(i == 0 ? 30 : 6);

		for (size_t k = 0; k < n; k++)
			value[k] = "aab=c "[random_below(6)];
		mask_add(m, value, n);
		mask_forms_each(value, n, collect, &forms);
	}
	len = random_text(&forms, text, sizeof(text));
	buf_init(&want, TEXT_MAX);
	buf_init(&got, TEXT_MAX);
	naive_mask(&forms, text, len, &want);
	feed_in_chunks(m, text, len, 1 + random_below(200), &got);
	assert_int_equal(want.len, got.len);
	assert_memory_equal(want.data, got.data, want.len);
	buf_fini(&want);
	buf_fini(&got);
	for (size_t i = 0; i < forms.n; i++)
		mem_free(forms.form[i]);
	mask_set_free(m);
}

static void agrees_with_the_naive_masker(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		one_random_round();
}

/* Not a limit, a number to read: MB/s with 20 secrets and no hit. */
static void prints_its_speed(void **state)
{
	size_t len = 1024 * 1024, rounds = 16;
	char *text = mem_alloc(len);
	struct mask_set *m = mask_set_new();
	struct buf out;
	int64_t start;
	char value[33];

	(void)state;
	for (int i = 0; i < 20; i++) {
		for (size_t k = 0; k < 32; k++)
			value[k] =
			    "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[random_below(
				32)];
		mask_add(m, value, 32);
	}
	for (size_t i = 0; i < len; i++)
		text[i] =
		    random_below(80) == 0
			? '\n'
			: "abcdefghijklmnop qrstuvwxyz/.:-"[random_below(31)];
	buf_init(&out, 2 * len);
	start = clock_mono_ns();
	for (size_t i = 0; i < rounds; i++) {
		buf_clear(&out);
		mask_text(m, text, len, &out);
		assert_int_equal(out.len, len);
	}
	print_message(
	    "mask: %lld MB/s\n", (long long)((int64_t)(len * rounds) * 1000 /
					     (clock_mono_ns() - start)));
	assert_memory_equal(out.data, text, len);
	buf_fini(&out);
	mask_set_free(m);
	mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(masks_value_and_encodings),
	    cmocka_unit_test(masks_url_alphabet_and_json),
	    cmocka_unit_test(masks_lines_of_a_long_value),
	    cmocka_unit_test(overlapping_values_become_one),
	    cmocka_unit_test(short_and_empty_values_are_no_masks),
	    cmocka_unit_test(huge_values_are_masked_in_pieces),
	    cmocka_unit_test(holds_back_only_what_may_be_secret),
	    cmocka_unit_test(agrees_with_the_naive_masker),
	    cmocka_unit_test(prints_its_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
