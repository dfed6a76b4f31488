/*
 * ~ The thread of one webhook: takes what is due, sends it, notes what became
 * of it. After five failures in a row its circuit opens: nothing is sent for a
 * while, then one delivery tries. What waits is in the store, so nothing here
 * is lost with the process.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "notify/notify_internal.h"

enum {
	OPEN_AFTER = 5,      /* failures in a row */
	OPEN_FACTOR = 6,     /* the first pause, in waits before a retry */
	OPEN_DOUBLINGS = 5,  /* 30 s to 16 min */
	WAIT_DOUBLINGS = 10, /* 5 s to 1 h 25 min, less than an hour: */
	WAIT_MAX_MS = 3600 * 1000,
	LOOK_MS = 60 * 1000, /* the wall clock may be set */
	STORE_AGAIN_MS = 2000,
};

/* -- waiting ----------------------------------------------------------- */

static bool is_over(const struct target *t)
{
	return cancel_is_set(&t->cancel);
}

static uint64_t turns_of(struct notify *n)
{
	uint64_t turns;

	mtx_lock(&n->mtx);
	turns = n->turns;
	mtx_unlock(&n->mtx);
	return turns;
}

/* For ms, or until there is something that was not there at that turn: also
 * what came since, while nobody waited for it. */
static void pause_ms(struct target *t, int64_t ms, uint64_t turn)
{
	struct notify *n = t->n;
	int64_t until = clock_deadline_ms(ms < LOOK_MS ? ms : LOOK_MS);

	mtx_lock(&n->mtx);
	while (!is_over(t) && n->turns == turn)
		if (!cond_wait_until(&n->changed, &n->mtx, until))
			break;
	mtx_unlock(&n->mtx);
}

/* How long to wait after so many attempts, give or take a quarter. */
static int64_t wait_ms(const struct notify *n, int64_t attempts)
{
	int doublings =
	    attempts < WAIT_DOUBLINGS ? (int)attempts : WAIT_DOUBLINGS;
	int64_t ms = n->config.retry_ms << doublings;

	if (ms > WAIT_MAX_MS)
		ms = WAIT_MAX_MS;
	return ms * 3 / 4 + (int64_t)randombytes_uniform((uint32_t)ms / 2 + 1);
}

/* -- the circuit ------------------------------------------------------- */

/* Milliseconds that it is still open, 0: send. */
static int64_t circuit_wait(struct target *t)
{
	int64_t now = clock_mono_ns(), left = 0;

	mtx_lock(&t->n->mtx);
	if (t->open_until > now)
		left = (t->open_until - now) / CLOCK_NS_PER_MS + 1;
	else
		t->probing = t->open_until != 0;
	mtx_unlock(&t->n->mtx);
	return left;
}

static void note_success(struct target *t, const struct ctx *ctx)
{
	bool was_open;

	mtx_lock(&t->n->mtx);
	was_open = t->open_until != 0;
	t->failures = 0;
	t->open_until = 0;
	t->probing = false;
	*t->error = '\0';
	mtx_unlock(&t->n->mtx);
	if (was_open)
		log_info(ctx, "a webhook takes deliveries again");
}

static void note_failure(
    struct target *t, const struct ctx *ctx, const char *why)
{
	const struct notify *n = t->n;
	int64_t pause = 0;
	int failures;

	mtx_lock(&t->n->mtx);
	failures = ++t->failures;
	t->probing = false;
	snprintf(t->error, sizeof(t->error), "%s", why);
	if (failures >= OPEN_AFTER) {
		int more = failures - OPEN_AFTER;

		pause = (n->config.retry_ms * OPEN_FACTOR)
			<< (more < OPEN_DOUBLINGS ? more : OPEN_DOUBLINGS);
		t->open_until = clock_deadline_ms(pause);
	}
	mtx_unlock(&t->n->mtx);
	if (pause > 0)
		log_warn(ctx, "a webhook fails, it is left alone for a while",
		    LOG_INT("failures", failures), LOG_INT("pause_ms", pause),
		    LOG_STR("error", why));
}

/* -- one delivery ------------------------------------------------------ */

/* What is kept of an attempt. */
static void judge(struct target *t, const struct webhook_delivery *d,
    const struct notify_sent *s, struct webhook_result *ret)
{
	struct notify *n = t->n;
	int64_t now = clock_wall_ns(), wait = wait_ms(n, d->attempts);

	*ret = (struct webhook_result){.seq = d->seq,
	    .state = "delivered",
	    .due_at = d->due_at,
	    .status = s->status,
	    .error = *s->error != '\0' ? s->error : NULL};
	if (s->delivered) {
		atomic_fetch_add(&n->delivered, 1);
		return;
	}
	if (wait < s->wait_s * 1000)
		wait = s->wait_s * 1000;
	ret->due_at = now + wait * CLOCK_NS_PER_MS;
	if (s->is_final || ret->due_at - d->created_at >
			       n->config.retry_for_ms * CLOCK_NS_PER_MS) {
		ret->state = "failed";
		atomic_fetch_add(&n->failed, 1);
	} else {
		ret->state = "waiting";
		atomic_fetch_add(&n->retried, 1);
	}
}

/* Until it is noted, or the end: then it is sent again by the next hub. */
static void keep(
    struct target *t, const struct ctx *ctx, const struct webhook_result *r)
{
	struct err err = ERR_INIT;

	while (store_webhook_result(t->n->config.store, t->id, r, &err) < 0 &&
	       !is_over(t)) {
		log_warn(ctx, "a delivery cannot be noted, trying again",
		    LOG_ERR(&err));
		err_clear(&err);
		IGNORE(ctx_sleep(ctx, STORE_AGAIN_MS, &err));
		err_clear(&err);
	}
}

static void deliver(struct target *t, const struct ctx *parent,
    const struct webhook_delivery *d)
{
	CLEANUP(webhook_door_fini) struct webhook_door door = {0};
	struct trace trace = {.sampled = true};
	struct ctx ctx = ctx_with_trace(parent, &trace);
	struct parcel p = {d->id, d->event, d->body};
	struct webhook_result result;
	struct notify_sent sent;
	struct err err = ERR_INIT;

	if (d->trace != NULL)
		snprintf(trace.id, sizeof(trace.id), "%s", d->trace);
	if (store_webhook_door(t->n->config.store, t->id, &door, &err) != 1) {
		sent = (struct notify_sent){.is_final = true};
		snprintf(sent.error, sizeof(sent.error), "%.230s",
		    err.kind != ERR_NONE ? err.msg : "it was deleted");
	} else {
		parcel_send(t->n, &ctx, &door, &p, &sent);
	}
	FAULT("webhook_sent");
	if (is_over(t) && !sent.delivered)
		return; /* it was cut off */
	judge(t, d, &sent, &result);
	keep(t, &ctx, &result);
	if (sent.delivered || sent.is_final)
		note_success(t, &ctx); /* it is there and answers */
	else
		note_failure(t, &ctx, sent.error);
}

static bool is_enabled(struct target *t)
{
	bool enabled;

	mtx_lock(&t->n->mtx);
	enabled = t->enabled;
	mtx_unlock(&t->n->mtx);
	return enabled;
}

/* How long nothing is to be done, ms; 0: something was. */
static int64_t step(struct target *t, const struct ctx *ctx)
{
	CLEANUP(webhook_delivery_fini) struct webhook_delivery d = {0};
	struct err err = ERR_INIT;
	int64_t wait = circuit_wait(t);
	int rc;

	if (wait > 0 || !is_enabled(t))
		return wait > 0 ? wait : LOOK_MS;
	rc = store_webhook_next(t->n->config.store, t->id, &d, &err);
	if (rc < 0)
		log_warn(ctx, "deliveries cannot be read", LOG_ERR(&err));
	if (rc <= 0)
		return rc < 0 ? STORE_AGAIN_MS : LOOK_MS;
	wait = (d.due_at - clock_wall_ns()) / CLOCK_NS_PER_MS;
	if (wait > 0)
		return wait;
	deliver(t, ctx, &d);
	return 0;
}

void *target_main(void *arg)
{
	struct target *t = arg;
	struct ctx cancel = ctx_with_cancel(&t->n->root, &t->cancel);
	struct ctx ctx = ctx_with_field(&cancel, "webhook", t->id_text);
	uint64_t turn;
	int64_t wait;

	while (!is_over(t)) {
		turn = turns_of(t->n);
		wait = step(t, &ctx);
		FAULT("webhook_looked");
		if (wait > 0)
			pause_ms(t, wait, turn);
	}
	return NULL;
}
