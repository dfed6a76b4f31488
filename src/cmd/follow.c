/* The patience of commands that follow: see follow.h. Main thread. */
#include "cmd/follow.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/ui.h"

#define RETRY_MS        200
#define HUB_AWAY_MAX_MS 60000

static bool is_passing(const struct err *err)
{
	return err->kind == ERR_UNAVAILABLE || err->kind == ERR_UNCERTAIN ||
	       err->kind == ERR_TIMEOUT ||
	       strcmp(err->code, "hub_unreachable") == 0;
}

int follow_patiently(
    const struct following *f, const struct ctx *ctx, struct err *err)
{
	int64_t away_since = 0;
	enum follow_step step;
	uint64_t before;

	for (;;) {
		before = *f->seen;
		step = f->once(f->arg, err);
		if (step == FOLLOW_ENDED)
			return 0;
		if (step == FOLLOW_HOPELESS ||
		    (step == FOLLOW_BROKEN && !is_passing(err)))
			return -1;
		if (step == FOLLOW_GOES_ON || *f->seen > before)
			away_since = 0;
		else if (away_since == 0)
			away_since = clock_mono_ns();
		else if (clock_mono_ns() - away_since >
			 HUB_AWAY_MAX_MS * CLOCK_NS_PER_MS)
			return -1;
		if (step == FOLLOW_BROKEN)
			ui_live("the hub is away, trying again");
		err_clear(err);
		TRY(ctx_sleep(ctx, RETRY_MS, err));
	}
}
