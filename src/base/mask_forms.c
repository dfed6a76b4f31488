/*
 * Encodings of a secret: base64, hex, percent, JSON. Called by mask_add;
 * owns nothing beyond the call, and wipes what it held.
 */
#include "base/mask_forms.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mask.h"
#include "base/secret.h"
#include "base/utf8.h"

#define FORM_MAX (6 * MASK_PIECE_MAX + 64) /* JSON: \u00XX for each byte */

/* Tools break base64 into lines: coreutils and MIME at 76, PEM at 64. */
static const size_t wrap_columns[] = {76, 64};

struct form {
	struct buf text;
	mask_form_fn *emit;
	void *arg;
};

static void hand_out(struct form *f)
{
	if (!f->text.overflow && f->text.len > 0)
		f->emit(f->arg, f->text.data, f->text.len);
	buf_clear(&f->text);
}

static void put(struct form *f, const char *s, size_t len)
{
	IGNORE(buf_append(&f->text, s, len)); /* FORM_MAX holds the longest */
}

/* Bit `at` onwards, six of them, of `skip` unknown bytes and the value. */
static unsigned sextet(const uint8_t *value, size_t skip, size_t at)
{
	size_t byte = at / 8 - skip;
	unsigned shift = (unsigned)(at % 8);
	unsigned word = (unsigned)value[byte] << 8;

	if (shift > 2)
		word |= value[byte + 1];
	return word >> (10 - shift) & 63;
}

/*
 * Where a secret stands inside an encoded text, `skip` bytes before it share
 * its first group of three. Only the characters made of the secret's bits
 * alone are the same whatever stands around it.
 */
static void base64_at(struct form *f, const char *value, size_t len,
    size_t skip, const char *alphabet)
{
	size_t end = 8 * (skip + len);
	size_t first = (8 * skip + 5) / 6 * 6;

	for (size_t at = first; at + 6 <= end; at += 6)
		put(f, &alphabet[sextet((const uint8_t *)value, skip, at)], 1);
}

static void base64_wrapped(struct form *f, const char *value, size_t len,
    const char *alphabet, size_t columns)
{
	size_t bytes = columns / 4 * 3;
	size_t n;

	if (len <= bytes)
		return;
	for (; len > 0; value += n, len -= n) {
		n = len < bytes ? len : bytes;
		if (n < 6)
			return; /* a handful of letters would mask anything */
		base64_at(f, value, n, 0, alphabet);
		hand_out(f);
	}
}

static void base64_forms(struct form *f, const char *value, size_t len)
{
	static const char standard[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char url[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t skip = 0; skip < 3; skip++) {
		base64_at(f, value, len, skip, standard);
		hand_out(f);
		base64_at(f, value, len, skip, url);
		hand_out(f);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrap_columns); i++)
		base64_wrapped(f, value, len, standard, wrap_columns[i]);
}

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";

static void put_hex(struct form *f, uint8_t byte, const char *digits)
{
	put(f, &digits[byte >> 4], 1);
	put(f, &digits[byte & 15], 1);
}

static void hex_form(
    struct form *f, const char *value, size_t len, const char *digits)
{
	for (size_t i = 0; i < len; i++)
		put_hex(f, (uint8_t)value[i], digits);
	hand_out(f);
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

static void percent_form(struct form *f, const char *value, size_t len,
    const char *keep, bool plus_is_space, const char *digits)
{
	for (size_t i = 0; i < len; i++) {
		char c = value[i];

		if (is_alnum(c) || (c != '\0' && strchr(keep, c) != NULL)) {
			put(f, &c, 1);
		} else if (c == ' ' && plus_is_space) {
			put(f, "+", 1);
		} else {
			put(f, "%", 1);
			put_hex(f, (uint8_t)c, digits);
		}
	}
	hand_out(f);
}

static void percent_forms(struct form *f, const char *value, size_t len)
{
	/* RFC 3986; encodeURIComponent; a path; a form, where + is a space */
	static const struct {
		const char *keep;
		bool plus_is_space;
	} kinds[] = {{"-._~", false}, {"-._~!'()*", false}, {"-._~/", false},
	    {"-._*", true}};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		percent_form(f, value, len, kinds[i].keep,
		    kinds[i].plus_is_space, hex_upper);
		percent_form(f, value, len, kinds[i].keep,
		    kinds[i].plus_is_space, hex_lower);
	}
}

enum json_dialect { JSON_PLAIN, JSON_ASCII, JSON_HTML, JSON_SLASH };

static void put_u16_escape(struct form *f, unsigned code)
{
	put(f, "\\u", 2);
	put_hex(f, (uint8_t)(code >> 8), hex_lower);
	put_hex(f, (uint8_t)code, hex_lower);
}

static unsigned decode_utf8(const char *s, size_t len)
{
	unsigned code = (uint8_t)s[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((uint8_t)s[i] & 63u);
	return code;
}

static void put_json_wide(
    struct form *f, const char *s, size_t len, enum json_dialect dialect)
{
	unsigned code = decode_utf8(s, len);

	if (dialect != JSON_ASCII) {
		put(f, s, len);
	} else if (code < 0x10000) {
		put_u16_escape(f, code);
	} else {
		put_u16_escape(f, 0xd800 + ((code - 0x10000) >> 10));
		put_u16_escape(f, 0xdc00 + ((code - 0x10000) & 0x3ff));
	}
}

static void put_json_char(struct form *f, char c, enum json_dialect dialect)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char short_name[] = "\"\\bfnrt";
	const char *at = c != '\0' ? strchr(plain, c) : NULL;

	if (at != NULL) {
		put(f, "\\", 1);
		put(f, &short_name[at - plain], 1);
	} else if ((uint8_t)c < 0x20 ||
		   (dialect == JSON_HTML &&
		       (c == '<' || c == '>' || c == '&'))) {
		put_u16_escape(f, (uint8_t)c);
	} else if (c == '/' && dialect == JSON_SLASH) {
		put(f, "\\/", 2);
	} else {
		put(f, &c, 1);
	}
}

static void json_form(
    struct form *f, const char *value, size_t len, enum json_dialect dialect)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_sequence(value + i, len - i);
		if (n > 1) {
			put_json_wide(f, value + i, n, dialect);
			continue;
		}
		n = 1;
		put_json_char(f, value[i], dialect);
	}
	hand_out(f);
}

void mask_forms_each(
    const char *value, size_t len, mask_form_fn *emit, void *arg)
{
	struct form f = {.emit = emit, .arg = arg};
	const char *room;

	ASSERT(len <= MASK_PIECE_MAX);
	buf_init(&f.text, FORM_MAX);
	/* The whole room at once: a growing buffer would leave copies. */
	room = buf_reserve(&f.text, 6 * len + 64);
	ASSERT(room != NULL);
	emit(arg, value, len);
	base64_forms(&f, value, len);
	hex_form(&f, value, len, hex_lower);
	hex_form(&f, value, len, hex_upper);
	percent_forms(&f, value, len);
	for (int d = JSON_PLAIN; d <= JSON_SLASH; d++)
		json_form(&f, value, len, (enum json_dialect)d);
	secret_wipe(f.text.data, f.text.cap);
	buf_fini(&f.text);
}
