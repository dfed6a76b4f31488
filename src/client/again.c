/*
 * A hub that is away is waited for: it may be restarted at any time, and a
 * session outlives that. Used by session*.c on the thread of the caller.
 */
#include "client/client_internal.h"

#include <string.h>

#include "base/mem.h"

#define PAUSE_FIRST_MS INT64_C(50)
#define PAUSE_MAX_MS   INT64_C(1000)
/* A restart takes less; no word of it. */
#define TELL_AFTER_NS (2 * CLOCK_NS_PER_S)

/* May it be otherwise in a moment? */
static bool is_passing(const struct err *err)
{
	return err->kind == ERR_UNAVAILABLE || err->kind == ERR_UNCERTAIN ||
	       err->kind == ERR_TIMEOUT;
}

static void tell(struct client *c, struct again *a, const struct err *err)
{
	char *line;

	if (a->told || c->say == NULL ||
	    clock_mono_ns() - a->away_since_ns < TELL_AFTER_NS)
		return;
	a->told = true;
	line = mem_printf("The hub is away, waiting for it: %s", err->msg);
	c->say(c->say_arg, line);
	mem_free(line);
}

int again_wait(
    struct client *c, const struct ctx *ctx, struct again *a, struct err *err)
{
	struct err ended = ERR_INIT;
	int64_t now = clock_mono_ns();

	if (!is_passing(err))
		return -1;
	if (a->away_since_ns == 0)
		a->away_since_ns = now;
	if (c->patience_ms >= 0 &&
	    now - a->away_since_ns > c->patience_ms * CLOCK_NS_PER_MS)
		return -1;
	tell(c, a, err);
	a->pause_ms = a->pause_ms == 0 ? PAUSE_FIRST_MS : a->pause_ms * 2;
	if (a->pause_ms > PAUSE_MAX_MS)
		a->pause_ms = PAUSE_MAX_MS;
	if (ctx_sleep(ctx, a->pause_ms, &ended) != 0) {
		/* past the deadline, what the hub lacked is the news */
		if (ended.kind == ERR_CANCELED)
			*err = ended;
		err->kind = ended.kind;
		return -1;
	}
	err_clear(err);
	return 0;
}

void again_reset(struct client *c, struct again *a)
{
	if (a->told)
		c->say(c->say_arg, "The hub is back.");
	*a = (struct again){.told = false};
}

int again_call(struct client *c, const struct ctx *ctx, const char *method,
    const char *target, const json_t *body, json_t **ret, struct err *err)
{
	struct again again = {.told = false};

	while (client_call(c, ctx, method, target, body, ret, err) != 0)
		TRY(again_wait(c, ctx, &again, err));
	again_reset(c, &again);
	return 0;
}

int again_get(struct client *c, const struct ctx *ctx, const char *target,
    json_t **ret, struct err *err)
{
	struct again again = {.told = false};

	while (client_get(c, ctx, target, ret, err) != 0)
		TRY(again_wait(c, ctx, &again, err));
	again_reset(c, &again);
	return 0;
}
