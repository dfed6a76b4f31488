/* JSON in UTF-16LE, read in place: see scan.h. Used by message.c. */
#include "worker/scan.h"

#include <stdbool.h>
#include <string.h>

enum { DEPTH_MAX = 32, NAME_MAX_LEN = 128 };

/* -- code units -------------------------------------------------------- */

struct scan scan_begin(const uint8_t *utf16le, size_t len)
{
	struct scan s = {.at = utf16le, .end = utf16le + (len & ~(size_t)1)};

	if (len >= 2 && utf16le[0] == 0xff && utf16le[1] == 0xfe)
		s.at += 2; /* a byte order mark */
	return s;
}

static int look(const struct scan *s)
{
	return s->end - s->at < 2 ? -1 : s->at[0] | s->at[1] << 8;
}

static int take(struct scan *s)
{
	int u = look(s);

	if (u >= 0)
		s->at += 2;
	return u;
}

int scan_peek(struct scan *s)
{
	int u = look(s);

	while (u == ' ' || u == '\t' || u == '\n' || u == '\r') {
		s->at += 2;
		u = look(s);
	}
	return u;
}

/* The next one if it is `want`, white space before it passed over. */
static bool accept(struct scan *s, int want)
{
	if (scan_peek(s) != want)
		return false;
	s->at += 2;
	return true;
}

/* -- strings ----------------------------------------------------------- */

struct text {
	char *out;
	size_t len, cap;
	bool full;
	unsigned high; /* the first half of a pair, waiting for the second */
};

static size_t utf8_encode(unsigned c, unsigned char b[4])
{
	if (c < 0x80) {
		b[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		b[0] = (unsigned char)(0xc0 | c >> 6);
		b[1] = (unsigned char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		b[0] = (unsigned char)(0xe0 | c >> 12);
		b[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		b[2] = (unsigned char)(0x80 | (c & 0x3f));
		return 3;
	}
	b[0] = (unsigned char)(0xf0 | c >> 18);
	b[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
	b[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
	b[3] = (unsigned char)(0x80 | (c & 0x3f));
	return 4;
}

static void put(struct text *t, unsigned c)
{
	unsigned char b[4];
	size_t n = utf8_encode(c < 0x20 || c == 0x7f ? ' ' : c, b);

	if (t->out == NULL || t->full)
		return;
	if (t->len + n >= t->cap) {
		t->full = true;
		return;
	}
	memcpy(t->out + t->len, b, n);
	t->len += n;
}

/* A code unit of the string, pairs put together. */
static void put_unit(struct text *t, unsigned u)
{
	unsigned high = t->high;

	t->high = 0;
	if (u >= 0xdc00 && u <= 0xdfff) {
		put(t, high != 0
			   ? 0x10000 + ((high & 0x3ff) << 10) + (u & 0x3ff)
			   : 0xfffd);
		return;
	}
	if (high != 0)
		put(t, 0xfffd);
	if (u >= 0xd800 && u <= 0xdbff)
		t->high = u;
	else
		put(t, u);
}

static int hex_digit(int u)
{
	if (u >= '0' && u <= '9')
		return u - '0';
	if ((u >= 'a' && u <= 'f') || (u >= 'A' && u <= 'F'))
		return (u | 0x20) - 'a' + 10;
	return -1;
}

/* Behind a backslash. */
static int take_escape(struct scan *s)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	int u = take(s), value = 0, digit;
	const char *at;

	if (u == 'u') {
		for (int i = 0; i < 4; i++) {
			digit = hex_digit(take(s));
			if (digit < 0)
				return -1;
			value = value << 4 | digit;
		}
		return value;
	}
	at = u > 0 && u < 0x80 ? strchr(from, u) : NULL;
	return at != NULL ? to[at - from] : -1;
}

int scan_string(struct scan *s, char *out, size_t cap)
{
	struct text t = {.out = out, .cap = cap};
	int u;

	if (out != NULL)
		out[0] = '\0';
	if (!accept(s, '"'))
		return -1;
	while ((u = take(s)) != '"') {
		if (u == '\\')
			u = take_escape(s);
		if (u < 0) {
			if (out != NULL)
				out[0] = '\0';
			return -1;
		}
		put_unit(&t, (unsigned)u);
	}
	if (t.high != 0)
		put(&t, 0xfffd);
	if (out != NULL)
		out[t.len] = '\0';
	return 0;
}

/* -- values ------------------------------------------------------------ */

/* A number or word: up to what cannot be part of one. */
static void take_bare(struct scan *s, char *out, size_t cap)
{
	size_t n = 0;
	int u;

	for (u = look(s); u > ' ' && u < 0x7f && strchr(",:]}[{\"", u) == NULL;
	     u = look(s)) {
		if (n + 1 < cap)
			out[n++] = (char)u;
		s->at += 2;
	}
	out[n] = '\0';
}

int scan_skip(struct scan *s)
{
	size_t open = 0; /* brackets: any count, no recursion */
	char bare[8];
	int u;

	do {
		u = scan_peek(s);
		if (u < 0)
			return -1;
		if (u == '"') {
			if (scan_string(s, NULL, 0) < 0)
				return -1;
		} else if (u == '{' || u == '[') {
			open++;
			s->at += 2;
		} else if (open > 0 && (u == '}' || u == ']')) {
			open--;
			s->at += 2;
		} else if (open > 0 && (u == ',' || u == ':')) {
			s->at += 2;
		} else {
			const uint8_t *before = s->at;

			take_bare(s, bare, sizeof(bare));
			if (s->at == before)
				return -1;
		}
	} while (open > 0);
	return 0;
}

int scan_text(struct scan *s, char *out, size_t cap)
{
	int u = scan_peek(s);

	out[0] = '\0';
	if (u == '"')
		return scan_string(s, out, cap);
	if (u == '{' || u == '[')
		return scan_skip(s);
	take_bare(s, out, cap);
	if (out[0] == '\0')
		return -1;
	if (strcmp(out, "null") == 0)
		out[0] = '\0';
	return 0;
}

int scan_members(struct scan *s,
    int (*fn)(void *arg, struct scan *s, const char *name), void *arg)
{
	char name[NAME_MAX_LEN];

	if (scan_peek(s) != '{')
		return scan_skip(s);
	s->at += 2;
	if (accept(s, '}'))
		return 0;
	if (++s->depth > DEPTH_MAX)
		return -1;
	do {
		if (scan_string(s, name, sizeof(name)) < 0 || !accept(s, ':') ||
		    fn(arg, s, name) < 0)
			return -1;
	} while (accept(s, ','));
	s->depth--;
	return accept(s, '}') ? 0 : -1;
}

int scan_items(struct scan *s, int (*fn)(void *arg, struct scan *s), void *arg)
{
	if (scan_peek(s) != '[')
		return scan_skip(s);
	s->at += 2;
	if (accept(s, ']'))
		return 0;
	if (++s->depth > DEPTH_MAX)
		return -1;
	do {
		if (fn(arg, s) < 0)
			return -1;
	} while (accept(s, ','));
	s->depth--;
	return accept(s, ']') ? 0 : -1;
}
