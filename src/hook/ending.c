/*
 * Reading a step's output to its end, whatever the runner decides meanwhile:
 * see ending.h. Used by every kind of step, on the main thread.
 */
#include "hook/ending.h"

#include "hook/output.h"
#include "hook/signals.h"

/*
 * The runner sends SIGINT, after 7.5 s SIGTERM, after 2.5 s more SIGKILL.
 * How long a rung lasts, with the sending: calm is for a first SIGINT,
 * hurried once SIGTERM has come, when INT is skipped. Both leave time for the
 * exit code.
 */
static const struct rung {
	const char *signal;
	int64_t calm_ms, hurried_ms;
} rungs[] = {{"INT", 6000, 0}, {"TERM", 1500, 1000}, {"KILL", 1500, 1000}};

/* 1 the stream ended, 0 it goes on, -1 it broke. */
static int read_for(
    const struct ending *e, const struct ctx *ctx, struct err *err)
{
	if (e->read(e->arg, ctx, err) == 0)
		return 1;
	if (err->kind != ERR_TIMEOUT && err->kind != ERR_CANCELED)
		return -1;
	err_clear(err);
	return 0;
}

static int climb(
    const struct ending *e, const struct rung *rung, struct err *err)
{
	bool hurry = cancel_is_set(signals_second());
	int64_t ms = hurry ? rung->hurried_ms : rung->calm_ms;
	struct ctx root = ctx_root(), rest, calm;
	struct err refused = ERR_INIT;

	if (ms == 0)
		return 0;
	rest = ctx_with_timeout(&root, ms);
	calm = ctx_with_cancel(&rest, signals_second());
	/* Out of time is not refused: it may have arrived. */
	if (e->send(e->arg, &rest, rung->signal, &refused) != 0 &&
	    refused.kind != ERR_TIMEOUT)
		output_say("SIG%s did not reach the step: %s", rung->signal,
		    refused.msg);
	return read_for(e, hurry ? &rest : &calm, err);
}

#define SWEEP_MS   INT64_C(1000)
#define GIVE_UP_MS INT64_C(5000)

static void sweep(const struct ending *e)
{
	struct ctx root = ctx_root(), ctx = ctx_with_timeout(&root, SWEEP_MS);

	if (e->sweep != NULL)
		e->sweep(e->arg, &ctx);
}

/* Nobody hears the step any more, for the runner or the output's stream is
 * gone: it must not run on unattended. */
static void give_up(const struct ending *e)
{
	struct ctx root = ctx_root(), ctx = ctx_with_timeout(&root, GIVE_UP_MS);
	struct err ignored = ERR_INIT;

	IGNORE(e->send(e->arg, &ctx, "KILL", &ignored)); /* cleanup_job will */
}

int ending_read(const struct ending *e, const struct ctx *ctx, struct err *err)
{
	if (e->read(e->arg, ctx, err) == 0)
		return 0;
	if (err->kind != ERR_CANCELED) {
		give_up(e);
		return -1;
	}
	err_clear(err);
	for (size_t i = 0; i < ARRAY_LEN(rungs); i++) {
		int r = climb(e, &rungs[i], err);

		if (r == 0)
			continue;
		sweep(e);
		return r;
	}
	return err_set(err, ERR_TIMEOUT, "not_ended",
	    "the step was cancelled and did not end; what is left of it ends "
	    "when the job's containers are removed");
}

int ending_told(int exit_code)
{
	output_say("The step was cancelled.");
	return exit_code != 0 ? exit_code : CANCELED_EXIT;
}
