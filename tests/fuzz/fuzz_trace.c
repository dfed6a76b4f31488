/*
 * base/trace.h on any bytes: what is taken for a traceparent is hex in lower
 * case and not all zero, and what is told of it is taken again as the same. The
 * row ['trace', [base]] in meson.build builds it.
 */
#include <stdint.h>
#include <string.h>

#include "base/defs.h"
#include "base/mem.h"
#include "base/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(const char *id, size_t len)
{
	ASSERT(strlen(id) == len);
	ASSERT(strspn(id, "0123456789abcdef") == len);
	ASSERT(strspn(id, "0") < len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free) char *text = mem_strndup((const char *)data, size);
	char told[TRACE_PARENT_LEN];
	struct trace t = {.id = "as it was"}, again, taken;
	int rc = trace_parse(text, &t);

	trace_take(&taken, text);
	check_id(taken.id, TRACE_ID_LEN - 1);
	check_id(taken.span, TRACE_SPAN_LEN - 1);
	if (rc < 0) {
		ASSERT(strcmp(t.id, "as it was") == 0);
		ASSERT(*taken.parent == '\0');
		return 0;
	}
	check_id(t.id, TRACE_ID_LEN - 1);
	check_id(t.span, TRACE_SPAN_LEN - 1);
	ASSERT(
	    strcmp(taken.id, t.id) == 0 && strcmp(taken.parent, t.span) == 0);
	ASSERT(trace_parse(trace_text(&t, told), &again) == 0);
	ASSERT(memcmp(&again, &t, sizeof(t)) == 0);
	return 0;
}
