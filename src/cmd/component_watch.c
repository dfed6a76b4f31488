/*
 * Following an instance over the hub's event stream: see component.h. Main
 * thread. Whenever the connection is made anew the hub begins with the state
 * of now, so nothing has to be taken up again.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cmd/component.h"
#include "cmd/sse.h"

#define RETRY_MS        200
#define HUB_AWAY_MAX_MS 60000
#define ENOUGH          "seen_enough" /* ends the stream from inside */

struct watch {
	struct sse sse;
	bool (*seen)(void *arg, const json_t *instance);
	void *arg;
	bool told; /* over this connection */
};

static int on_event(void *arg, const struct sse_event *ev, struct err *err)
{
	CLEANUP(json_decref) json_t *instance = NULL;
	struct watch *w = arg;

	if (strcmp(ev->type, "instance") != 0)
		return 0;
	instance = json_loads(ev->data, 0, NULL);
	if (instance == NULL)
		return err_set(err, ERR_INTERNAL, "bad_reply",
		    "the hub's event is no JSON: is that a hub?");
	w->told = true;
	if (w->seen(w->arg, instance))
		return 0;
	return err_set(err, ERR_CANCELED, ENOUGH, "seen enough");
}

static int on_bytes(void *arg, const char *data, size_t len, struct err *err)
{
	struct watch *w = arg;

	return sse_feed(&w->sse, data, len, err);
}

static bool is_passing(const struct err *err)
{
	return err->kind == ERR_UNAVAILABLE || err->kind == ERR_UNCERTAIN ||
	       err->kind == ERR_TIMEOUT;
}

static int watch(struct client *c, const struct ctx *ctx, const char *target,
    struct watch *w, struct err *err)
{
	int64_t away_since = 0;

	for (;;) {
		w->told = false;
		sse_reset(&w->sse);
		if (client_stream(c, ctx, target, NULL, on_bytes, w, err) < 0) {
			if (strcmp(err->code, ENOUGH) == 0)
				break;
			if (!is_passing(err))
				return -1;
		}
		if (w->told || away_since == 0)
			away_since = clock_mono_ns();
		if (clock_mono_ns() - away_since >
		    HUB_AWAY_MAX_MS * CLOCK_NS_PER_MS)
			return err->kind != ERR_NONE
				   ? -1
				   : err_set(err, ERR_UNAVAILABLE, NULL,
					 "the hub ends its event stream "
					 "without a word");
		err_clear(err);
		TRY(ctx_sleep(ctx, RETRY_MS, err));
	}
	err_clear(err);
	return 0;
}

int component_watch(struct client *c, const struct ctx *ctx,
    const struct options *o, const char *id,
    bool (*seen)(void *arg, const json_t *instance), void *arg, struct err *err)
{
	CLEANUP(mem_free) char *suffix = mem_printf("/events?instance=%s", id);
	CLEANUP(mem_free) char *target = component_target(o, suffix);
	struct watch w = {.seen = seen, .arg = arg};
	int rc;

	sse_init(&w.sse, on_event, &w);
	rc = watch(c, ctx, target, &w, err);
	sse_fini(&w.sse);
	return rc;
}
