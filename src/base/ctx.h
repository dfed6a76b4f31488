/*
 * struct ctx travels down every call that may block or log: a deadline, a
 * cancellation token and the chain of log fields ("request=…", "job=…").
 * Contexts live on the stack of the caller, children point at parents; a
 * child never outlives its parent. Immutable once made, so any thread may
 * read it.
 */
#ifndef BASE_CTX_H
#define BASE_CTX_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "base/trace.h"

struct ctx {
	const struct ctx *parent; /* for log fields; NULL at the top */
	int64_t deadline_ns;      /* monotonic, CLOCK_NO_DEADLINE: none */
	struct cancel *cancel;    /* NULL: cannot be cancelled */
	const char *key;          /* one log field, NULL: none */
	const char *value;
	const struct trace *trace; /* shown by log lines, told to whom we call;
				      NULL or without id: none */
};

/* The root: no deadline, no cancel, no fields. */
struct ctx ctx_root(void);

/* Children. Strings are borrowed and must outlive the child. */
struct ctx ctx_with_field(
    const struct ctx *parent, const char *key, const char *value);
/* The earlier of the parent's deadline and now + ms. */
struct ctx ctx_with_timeout(const struct ctx *parent, int64_t ms);
/* Borrowed like strings; its id may come later, before others read it. */
struct ctx ctx_with_trace(const struct ctx *parent, const struct trace *trace);
struct ctx ctx_with_cancel(const struct ctx *parent, struct cancel *cancel);

/* 0, or -1 with ERR_CANCELED / ERR_TIMEOUT. */
int ctx_check(const struct ctx *ctx, struct err *err) MUST_CHECK;

/*
 * Waits until fd is ready for `events` (poll bits). 0 when ready (or in
 * error: the next read tells), -1 with ERR_CANCELED or ERR_TIMEOUT.
 */
int ctx_poll(
    const struct ctx *ctx, int fd, short events, struct err *err) MUST_CHECK;

/* Sleeps ms, or less when cancelled or past the deadline (then -1). */
int ctx_sleep(const struct ctx *ctx, int64_t ms, struct err *err) MUST_CHECK;

#endif
