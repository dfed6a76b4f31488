/* Line splitter for the engine's streams: see lines.h. Pure. */
#include "engine/lines.h"

#include <string.h>

void lines_init(struct lines *l, size_t line_max)
{
	*l = (struct lines){.dropped = 0};
	buf_init(&l->part, line_max);
}

void lines_fini(struct lines *l)
{
	buf_fini(&l->part);
}

static void keep(struct lines *l, const char *data, size_t len)
{
	if (l->skipping || buf_append(&l->part, data, len) == 0)
		return;
	l->skipping = true;
	l->dropped++;
	buf_clear(&l->part);
}

static int deliver(struct lines *l,
    int (*line)(void *arg, const char *text, size_t len), void *arg)
{
	size_t len = l->part.len;
	int r = 0;

	if (len > 0 && l->part.data[len - 1] == '\r')
		l->part.data[--len] = '\0';
	if (!l->skipping && len > 0)
		r = line(arg, l->part.data, len);
	l->skipping = false;
	buf_clear(&l->part);
	return r;
}

int lines_feed(struct lines *l, const char *data, size_t len,
    int (*line)(void *arg, const char *text, size_t len), void *arg)
{
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t take = end != NULL ? (size_t)(end - data) : len;
		int r;

		keep(l, data, take);
		if (end == NULL)
			return 0;
		data += take + 1;
		len -= take + 1;
		r = deliver(l, line, arg);
		if (r != 0)
			return r;
	}
	return 0;
}

int lines_end(struct lines *l,
    int (*line)(void *arg, const char *text, size_t len), void *arg)
{
	return deliver(l, line, arg);
}
