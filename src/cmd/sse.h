/*
 * Server-sent events (HTML standard, 9.2.6), as a client reads them: an
 * incremental parser with bounds.
 */
#ifndef CMD_SSE_H
#define CMD_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define SSE_LINE_MAX (1 << 20)
#define SSE_DATA_MAX (4 << 20)

struct sse_event {
	const char *id;   /* "" before the first */
	const char *type; /* "message" by default */
	const char *data;
};

struct sse {
	struct buf line, data;
	char id[64];      /* of the last event that was complete */
	char next_id[64]; /* of the one being read */
	char type[64];
	bool has_data, after_cr;
	int (*on_event)(void *arg, const struct sse_event *ev, struct err *err);
	void *arg;
};

void sse_init(struct sse *s,
    int (*on_event)(void *arg, const struct sse_event *ev, struct err *err),
    void *arg);
void sse_fini(struct sse *s);
/* -1: the callback stopped, or a line passed its bound. */
int sse_feed(
    struct sse *s, const char *data, size_t len, struct err *err) MUST_CHECK;
/* The connection ended: an unfinished event is dropped with its id. */
void sse_reset(struct sse *s);

#endif
