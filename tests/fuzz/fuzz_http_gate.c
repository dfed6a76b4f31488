/*
 * net/http_gate.h on any bytes: the verdict on a head does not depend on how
 * it is cut; what is accepted holds no control byte, no fold and no bare
 * line end; what is decoded is clean UTF-8 without ".." segments.
 * The first byte says where to cut. The row
 * ['http_gate', [net]] in meson.build builds it.
 */
#include <stdint.h>
#include <string.h>

#include "base/defs.h"
#include "base/utf8.h"
#include "net/http_gate.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_gate_verdict scan_cut(
    const char *text, size_t len, size_t cut, size_t *ret_used)
{
	struct http_gate g = {0};
	const char *why = NULL;
	enum http_gate_verdict v;
	size_t first = 0, second = 0;

	v = http_gate_scan(&g, text, cut, &first, &why);
	if (v == HTTP_GATE_MORE)
		v = http_gate_scan(&g, text + cut, len - cut, &second, &why);
	ASSERT(v != HTTP_GATE_BAD || why != NULL);
	*ret_used = first + second;
	return v;
}

/* Every line ends with CR LF, none begins with a blank, no control bytes. */
static void check_head(const char *head, size_t len)
{
	size_t i;

	ASSERT(len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0);
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)head[i];

		if (c == '\n') {
			ASSERT(i > 0 && head[i - 1] == '\r');
			ASSERT(i + 1 == len ||
			       (head[i + 1] != ' ' && head[i + 1] != '\t'));
		} else if (c == '\r') {
			ASSERT(i + 1 < len && head[i + 1] == '\n');
		} else {
			ASSERT(c >= ' ' || c == '\t');
			ASSERT(c != 0x7f);
		}
	}
}

static void check_decoded(const char *raw, size_t len, bool form)
{
	char out[TEXT_MAX + 1];
	const char *why = NULL;
	long n = http_gate_unescape(raw, len, form, out, &why);

	if (n < 0) {
		ASSERT(why != NULL);
		return;
	}
	ASSERT((size_t)n <= len && strlen(out) == (size_t)n);
	ASSERT(utf8_valid(out, (size_t)n));
	if (!form && http_gate_path_ok(out)) {
		ASSERT(strstr(out, "/../") == NULL);
		ASSERT(n < 3 || strcmp(out + n - 3, "/..") != 0);
	}
}

static void check_target(const char *head, size_t len)
{
	const char *from = memchr(head, ' ', len), *to;
	struct http_gate_target t;
	const char *why = NULL;

	ASSERT(from != NULL);
	from++;
	to = memchr(from, ' ', len - (size_t)(from - head));
	ASSERT(to != NULL && to > from);
	if (http_gate_target_split(from, (size_t)(to - from), &t, &why) != 0) {
		ASSERT(why != NULL);
		return;
	}
	ASSERT(t.path_len > 0 && t.path[0] == '/');
	check_decoded(t.path, t.path_len, false);
	if (t.query != NULL)
		check_decoded(t.query, t.query_len, true);
}

/* The header lines as pairs, as the server's parser makes them. */
static void check_pairs(const char *head, size_t len)
{
	char pairs[TEXT_MAX];
	const char *end = head + len - 2, *line, *colon, *stop;
	struct http_gate_facts facts;
	const char *why = NULL;
	size_t n = 0;
	int status = 0, r;

	line = memchr(head + 2, '\n', len - 2);
	while (line != NULL && ++line < end) {
		colon = memchr(line, ':', (size_t)(end - line));
		stop = memchr(line, '\r', (size_t)(end - line));
		if (colon == NULL || stop == NULL || colon > stop)
			break;
		memcpy(pairs + n, line, (size_t)(colon - line));
		n += (size_t)(colon - line);
		pairs[n++] = '\0';
		for (colon++; colon < stop && *colon == ' ';)
			colon++;
		memcpy(pairs + n, colon, (size_t)(stop - colon));
		n += (size_t)(stop - colon);
		pairs[n++] = '\0';
		line = stop + 1;
	}
	r = http_gate_headers(pairs, n, 1, &facts, &status, &why);
	if (r != 0)
		ASSERT(why != NULL && status >= 400);
	else
		ASSERT(!(facts.chunked && facts.has_length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX];
	enum http_gate_verdict whole;
	size_t used, again, len;

	if (size < 2 || size > TEXT_MAX)
		return 0;
	len = size - 1;
	memcpy(text, data + 1, len);
	whole = scan_cut(text, len, 0, &used);
	ASSERT(whole == scan_cut(text, len, data[0] % (len + 1), &again));
	if (whole == HTTP_GATE_BAD)
		return 0;
	ASSERT(used == again && used <= len);
	if (whole != HTTP_GATE_HEAD)
		return 0;
	check_head(text, used);
	check_target(text, used);
	check_pairs(text, used);
	return 0;
}
