/*
 * Trace contexts (W3C Trace Context, "Trace Context HTTP Headers Format"):
 * which larger piece of work something belongs to, so that the lines and spans
 * of several systems can be put side by side. Only the ids and the flag
 * `sampled` are kept; tracestate is not passed on, as the specification allows.
 * Pure functions but for the random ids.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <stdbool.h>

enum {
	TRACE_ID_LEN = 33,   /* 32 hex digits and NUL */
	TRACE_SPAN_LEN = 17, /* 16 */
	TRACE_PARENT_LEN = 56,
};

struct trace {
	char id[TRACE_ID_LEN];       /* "": there is none */
	char parent[TRACE_SPAN_LEN]; /* who called; "": nobody that is known */
	char span[TRACE_SPAN_LEN];   /* what is done here */
	bool sampled;
};

/* Goes on with the trace of a traceparent header, as a span of its own, or
 * begins one where the header is NULL or not valid. */
void trace_take(struct trace *ret, const char *traceparent);
/* 0, or -1: not valid, *ret is as it was. Any version but ff; span is that of
 * the header. */
int trace_parse(const char *traceparent, struct trace *ret);
/* "00-<id>-<span>-01": what is called from here is told this. */
char *trace_text(const struct trace *t, char ret[TRACE_PARENT_LEN]);
/* The same with a new span, for one call of several. */
char *trace_call(const struct trace *t, char ret[TRACE_PARENT_LEN]);

#endif
