/*
 * Waits until the job's container runs and every health check says well.
 * Called by prepare.c after all are started, so that they warm up together.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "containers/look.h"
#include "hook/direct_internal.h"

#define LOOK_MS INT64_C(1000)
/* Health checks have bounds of their own (interval, retries); this one is for
 * an engine that has forgotten a check. */
#define HEALTH_MS INT64_C(3600000)

static int fail(struct direct *d, const struct ctx *ctx,
    const struct health_watch *w, const json_t *doc, struct err *err)
{
	bool running = json_is_true(document_at(doc, "State.Running"));
	char *title = mem_printf("Logs of %s (%.12s)", w->image, w->id);
	char how[120];

	direct_print_logs(d, ctx, w->id, title);
	mem_free(title);
	if (running)
		return err_set(err, ERR_CONFLICT, "container_unhealthy",
		    "the container of image %s is unhealthy", w->image);
	container_tell_end(doc, how, sizeof(how));
	return err_set(err, ERR_CONFLICT, "container_ended",
	    "the container of image %s %s%s", w->image, how,
	    w->is_job ? "; a job's container must have `tail` to stay alive"
		      : "");
}

/* 1 well now, 0 not yet. */
static int look(struct direct *d, const struct ctx *ctx,
    const struct health_watch *w, bool first, struct err *err)
{
	json_t *doc;
	int r = 0;

	TRY(direct_document(d, ctx, w->id, &doc, err));
	switch (container_judge(doc, w->is_job)) {
	case CONTAINER_WELL:
		r = 1;
		break;
	case CONTAINER_STARTING:
		if (first)
			output_say("Waiting for the container of image %s to "
				   "be healthy.",
			    w->image);
		break;
	case CONTAINER_BAD:
		r = fail(d, ctx, w, doc, err);
		break;
	}
	json_decref(doc);
	return r;
}

int direct_await_health(struct direct *d, const struct ctx *ctx,
    struct health_watch *watches, size_t n, struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, HEALTH_MS);

	for (bool first = true;; first = false) {
		size_t well = 0;

		for (size_t i = 0; i < n; i++) {
			int r = watches[i].well ? 1
						: look(d, &limited, &watches[i],
						      first, err);

			if (r < 0)
				return -1;
			watches[i].well = r > 0;
			well += watches[i].well;
		}
		if (well == n)
			return 0;
		TRY(ctx_sleep(&limited, LOOK_MS, err));
	}
}
