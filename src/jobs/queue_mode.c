/*
 * Pause, drain, resume: what an administrator says of the queue. Kept in the
 * store, so that a hub that is restarted in the middle of an upgrade is still
 * paused. Handler threads; the first look is the boot's.
 */
#include <string.h>

#include "base/log.h"
#include "jobs/hub_internal.h"
#include "store/settings.h"

static const char SETTING[] = "queue";

static const char *const names[] = {
    [QUEUE_OPEN] = "open",
    [QUEUE_PAUSED] = "paused",
    [QUEUE_DRAINING] = "draining",
};

static void apply(struct hub *h, enum queue_mode mode)
{
	static const enum schedule_gate gates[] = {
	    [QUEUE_PAUSED] = GATE_PAUSED, [QUEUE_DRAINING] = GATE_EMPTYING};

	/* Closed before the other is opened: nothing slips through. */
	if (mode != QUEUE_OPEN)
		schedule_close_gate(h->schedule, gates[mode]);
	for (int m = QUEUE_PAUSED; m <= QUEUE_DRAINING; m++)
		if (m != (int)mode)
			schedule_open_gate(h->schedule, gates[m]);
}

int hub_queue_mode_load(struct hub *h, struct err *err)
{
	char value[STORE_SETTING_MAX];
	int64_t changed;
	int found = store_setting_get(h->store, SETTING, value, &changed, err);

	TRY(found);
	if (found == 0)
		return 0;
	h->queue_since = changed;
	for (int m = QUEUE_OPEN; m <= QUEUE_DRAINING; m++)
		if (strcmp(value, names[m]) == 0) {
			h->queue_mode = m;
			apply(h, h->queue_mode);
			return 0;
		}
	return err_set(err, ERR_INTERNAL, "store_corrupt",
	    "the store says of the queue \"%s\", which this version does not "
	    "know",
	    value);
}

/* One change at a time: what is stored last is what is in force. */
static void begin_change(struct hub *h)
{
	mtx_lock(&h->mtx);
	while (h->queue_changes)
		cond_wait(&h->changed, &h->mtx);
	h->queue_changes = true;
	mtx_unlock(&h->mtx);
}

static void end_change(struct hub *h, bool done, enum queue_mode mode)
{
	mtx_lock(&h->mtx);
	if (done && h->queue_mode != mode) {
		h->queue_mode = mode;
		h->queue_since = clock_wall_ns();
	}
	h->queue_changes = false;
	cond_broadcast(&h->changed);
	mtx_unlock(&h->mtx);
}

int hub_queue_mode_set(struct hub *h, enum queue_mode mode, struct err *err)
{
	bool done;

	begin_change(h);
	done = store_setting_put(h->store, SETTING, names[mode], err) == 0;
	if (done)
		apply(h, mode);
	end_change(h, done, mode);
	return done ? 0 : -1;
}

enum queue_mode hub_queue_mode(struct hub *h, int64_t *ret_since)
{
	enum queue_mode mode;

	mtx_lock(&h->mtx);
	mode = h->queue_mode;
	*ret_since = h->queue_since;
	mtx_unlock(&h->mtx);
	return mode;
}
