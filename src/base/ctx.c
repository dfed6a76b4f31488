/* Deadline, cancellation and log fields that travel together: see ctx.h. */
#include "base/ctx.h"

#include <errno.h>
#include <poll.h>

struct ctx ctx_root(void)
{
	return (struct ctx){.deadline_ns = CLOCK_NO_DEADLINE};
}

struct ctx ctx_with_field(
    const struct ctx *parent, const char *key, const char *value)
{
	return (struct ctx){.parent = parent,
	    .deadline_ns = parent->deadline_ns,
	    .cancel = parent->cancel,
	    .trace = parent->trace,
	    .key = key,
	    .value = value};
}

struct ctx ctx_with_timeout(const struct ctx *parent, int64_t ms)
{
	struct ctx c = ctx_with_field(parent, NULL, NULL);
	int64_t at = clock_deadline_ms(ms);

	if (at < c.deadline_ns)
		c.deadline_ns = at;
	return c;
}

struct ctx ctx_with_trace(const struct ctx *parent, const struct trace *trace)
{
	struct ctx c = ctx_with_field(parent, NULL, NULL);

	c.trace = trace;
	return c;
}

struct ctx ctx_with_cancel(const struct ctx *parent, struct cancel *cancel)
{
	struct ctx c = ctx_with_field(parent, NULL, NULL);

	c.cancel = cancel;
	return c;
}

int ctx_check(const struct ctx *ctx, struct err *err)
{
	if (cancel_is_set(ctx->cancel))
		return err_set(err, ERR_CANCELED, NULL, "cancelled");
	if (ctx->deadline_ns != CLOCK_NO_DEADLINE &&
	    clock_mono_ns() >= ctx->deadline_ns)
		return err_set(err, ERR_TIMEOUT, NULL, "deadline passed");
	return 0;
}

int ctx_poll(const struct ctx *ctx, int fd, short events, struct err *err)
{
	struct pollfd p[2] = {{.fd = fd, .events = events},
	    {.fd = ctx->cancel != NULL ? ctx->cancel->fd : -1,
		.events = POLLIN}};
	int n;

	for (;;) {
		TRY(ctx_check(ctx, err));
		n = poll(p, 2, clock_poll_ms(ctx->deadline_ns));
		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		if (n > 0 && p[0].revents != 0)
			return 0;
	}
}

int ctx_sleep(const struct ctx *ctx, int64_t ms, struct err *err)
{
	struct ctx wait = ctx_with_timeout(ctx, ms);

	if (ctx_poll(&wait, -1, 0, err) == 0)
		WRONG("poll without a descriptor reported one");
	if (err->kind != ERR_TIMEOUT)
		return -1;
	err_clear(err);
	return ctx_check(ctx, err);
}
