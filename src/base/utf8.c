/* UTF-8 validation: see utf8.h. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool cont(const unsigned char *p, size_t len, size_t i)
{
	return i < len && (p[i] & 0xc0) == 0x80;
}

size_t utf8_sequence(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return cont(p, len, 1) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		if (!cont(p, len, 1) || !cont(p, len, 2) ||
		    (p[0] == 0xe0 && p[1] < 0xa0) ||
		    (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (!cont(p, len, 1) || !cont(p, len, 2) || !cont(p, len, 3) ||
		    (p[0] == 0xf0 && p[1] < 0x90) ||
		    (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

bool utf8_valid(const char *s, size_t len)
{
	size_t n;

	while (len > 0) {
		n = utf8_sequence(s, len);
		if (n == 0)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

/* C0, DEL and C1 (0xc2 0x80-0x9f) drive terminals. */
static bool is_control(const char *s, size_t seq)
{
	return (unsigned char)s[0] < 0x20 || s[0] == 0x7f ||
	       (seq == 2 && (unsigned char)s[0] == 0xc2 &&
		   (unsigned char)s[1] < 0xa0);
}

const char *utf8_clean(const char *text, char *out, size_t max)
{
	size_t n = 0, seq, len = strlen(text);

	for (size_t i = 0; i < len; i += seq) {
		seq = utf8_sequence(text + i, len - i);
		if (n + (seq > 0 ? seq : 1) + 1 > max)
			break;
		if (seq == 0 || is_control(text + i, seq)) {
			out[n++] = text[i] == '\n' ? ' ' : '?';
			seq = seq > 0 ? seq : 1;
			continue;
		}
		memcpy(out + n, text + i, seq);
		n += seq;
	}
	out[n] = '\0';
	return out;
}
