/*
 * Any bytes as an event stream and as a job's output on a terminal: the same
 * events whole or byte by byte, and nothing that drives a terminal.
 */
#include <stdint.h>
#include <string.h>

#include "cmd/sse.h"
#include "cmd/ui.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_event(void *arg, const struct sse_event *ev, struct err *err)
{
	struct buf *log = arg;

	(void)err;
	IGNORE(buf_printf(log, "%s|%s|%s\n", ev->id, ev->type, ev->data));
	return 0;
}

static void parse(const char *data, size_t size, size_t piece, struct buf *log)
{
	struct err err = ERR_INIT;
	struct sse s;

	sse_init(&s, on_event, log);
	for (size_t i = 0; i < size; i += piece)
		if (sse_feed(&s, data + i, size - i < piece ? size - i : piece,
			&err) < 0)
			break;
	sse_fini(&s);
}

static void check_terminal(const char *data, size_t size)
{
	CLEANUP(buf_fini) struct buf out = {.max = size * 2 + 64};
	struct ui_filter f = {0};

	ui_filter_feed(&f, data, size, &out);
	ASSERT(!out.overflow);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.data[i];

		if (c == 0x1b) { /* a colour and nothing else */
			ASSERT(out.data[i + 1] == '[');
			i += 2 + strspn(out.data + i + 2, "0123456789;:");
			ASSERT(out.data[i] == 'm');
			continue;
		}
		ASSERT(c >= 0x20 || c == '\n' || c == '\r' || c == '\t');
		ASSERT(c != 0x7f);
		ASSERT(c != 0xc2 || (unsigned char)out.data[i + 1] >= 0xa0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_fini) struct buf whole = {.max = 64 << 20};
	CLEANUP(buf_fini) struct buf pieces = {.max = 64 << 20};

	if (size == 0 || size > SSE_LINE_MAX)
		return 0;
	parse((const char *)data, size, size, &whole);
	parse((const char *)data, size, 1, &pieces);
	ASSERT(strcmp(buf_str(&whole), buf_str(&pieces)) == 0);
	check_terminal((const char *)data, size);
	return 0;
}
