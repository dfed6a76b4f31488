/* Trace contexts: see trace.h. Any thread. */
#include "base/trace.h"

#include <stdio.h>
#include <string.h>

#include "base/uuid.h"

enum { AT_ID = 3, AT_SPAN = 36, AT_FLAGS = 53, LEN = 55 };

static const char digits[] = "0123456789abcdef";

/* n hex digits in lower case, not all of them zero. */
static bool is_id(const char *text, size_t n)
{
	return strspn(text, digits) >= n && strspn(text, "0") < n;
}

/* 2 hex digits; -1: they are none. */
static int hex(const char *text)
{
	const char *high = memchr(digits, text[0], 16);
	const char *low = memchr(digits, text[1], 16);

	if (high == NULL || low == NULL)
		return -1;
	return (int)(high - digits) * 16 + (int)(low - digits);
}

/* Later versions may go on behind a dash; ours may not. */
static bool has_form(const char *text)
{
	size_t n = strnlen(text, LEN + 1);

	if (n < LEN || text[2] != '-' || text[AT_SPAN - 1] != '-' ||
	    text[AT_FLAGS - 1] != '-')
		return false;
	if (strncmp(text, "00", 2) == 0)
		return n == LEN;
	return hex(text) >= 0 && strncmp(text, "ff", 2) != 0 &&
	       (n == LEN || text[LEN] == '-');
}

int trace_parse(const char *text, struct trace *ret)
{
	if (!has_form(text) || !is_id(text + AT_ID, TRACE_ID_LEN - 1) ||
	    !is_id(text + AT_SPAN, TRACE_SPAN_LEN - 1) ||
	    hex(text + AT_FLAGS) < 0)
		return -1;
	*ret = (struct trace){.sampled = (hex(text + AT_FLAGS) & 1) != 0};
	memcpy(ret->id, text + AT_ID, TRACE_ID_LEN - 1);
	memcpy(ret->span, text + AT_SPAN, TRACE_SPAN_LEN - 1);
	return 0;
}

static void new_id(char *ret, size_t n)
{
	do
		random_hex(ret, (unsigned)n / 2);
	while (!is_id(ret, n));
}

void trace_take(struct trace *ret, const char *text)
{
	struct trace t = {.sampled = true};

	if (text == NULL || trace_parse(text, &t) < 0)
		new_id(t.id, TRACE_ID_LEN - 1);
	*ret = t;
	memcpy(ret->parent, t.span, TRACE_SPAN_LEN);
	new_id(ret->span, TRACE_SPAN_LEN - 1);
}

char *trace_text(const struct trace *t, char ret[TRACE_PARENT_LEN])
{
	snprintf(ret, TRACE_PARENT_LEN, "00-%s-%s-%02x", t->id, t->span,
	    (unsigned)t->sampled);
	return ret;
}

char *trace_call(const struct trace *t, char ret[TRACE_PARENT_LEN])
{
	struct trace call = *t;

	new_id(call.span, TRACE_SPAN_LEN - 1);
	return trace_text(&call, ret);
}
