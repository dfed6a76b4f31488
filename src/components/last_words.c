/* The end of an output as one line: see last_words.h. Pure; any thread. */
#include "components/last_words.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

#define CUT "..."

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes of the escape sequence at s: ESC [ ... letter, or ESC and one more. */
static size_t escape_length(const char *s, size_t len)
{
	size_t n = 2;

	if (len < 2 || s[1] != '[')
		return len < 2 ? len : 2;
	while (n < len && (unsigned char)s[n] >= 0x20 && s[n] < 0x40)
		n++;
	return n < len ? n + 1 : n;
}

/* One character, or one escape sequence, of which nothing is kept. */
static size_t put_one(struct buf *out, const char *s, size_t len)
{
	size_t n = utf8_sequence(s, len);
	bool steers = n == 2 && s[0] == '\xc2' && (unsigned char)s[1] < 0xa0;

	if (*s == '\033')
		return escape_length(s, len);
	if (n == 1 && (unsigned char)*s < ' ')
		buf_append_str(out, *s == '\r' ? "" : " ");
	else if (n == 0 || *s == '\x7f' || steers)
		buf_append_str(out, "?");
	else
		buf_append(out, s, n);
	return n == 0 ? 1 : n;
}

static void put_line(struct buf *out, const char *s, size_t len)
{
	size_t before = out->len, begin, n;

	if (before > 0)
		buf_append_str(out, " | ");
	begin = out->len;
	for (size_t i = 0; i < len; i += n)
		n = put_one(out, s + i, len - i);
	while (out->len > begin && out->data[out->len - 1] == ' ')
		out->len--;
	if (out->len == begin) /* an empty line says nothing */
		out->len = before;
}

static void put_end(const struct buf *from, char *out, size_t size)
{
	size_t at = 0;

	if (from->len < size) {
		memcpy(out, buf_str(from), from->len);
		out[from->len] = '\0';
		return;
	}
	at = from->len - (size - sizeof(CUT));
	while (at < from->len && continues(from->data[at]))
		at++;
	memcpy(out, CUT, strlen(CUT));
	memcpy(out + strlen(CUT), from->data + at, from->len - at);
	out[strlen(CUT) + from->len - at] = '\0';
}

void last_words(const char *text, size_t len, char *out, size_t size)
{
	CLEANUP(buf_fini) struct buf clean = {.max = 4 * len + 1};
	size_t at = 0, n;

	while (at < len && continues(text[at]))
		at++; /* the rest of a character that was cut */
	for (; at < len; at += n + 1) {
		const char *end = memchr(text + at, '\n', len - at);

		n = end != NULL ? (size_t)(end - (text + at)) : len - at;
		put_line(&clean, text + at, n);
	}
	put_end(&clean, out, size);
}
