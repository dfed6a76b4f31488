/*
 * The thread that keeps the lease while the worker runs. A hub that is away is
 * waited for here as by every other call: see client_when_away.
 */
#include "worker/relay.h"

#define BEAT_MIN_MS   INT64_C(250)
#define OVER_GRACE_MS INT64_C(15000)

void *beat_main(void *relay)
{
	struct relay *r = relay;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_cancel(&root, &r->end);
	struct err err = ERR_INIT, ignored = ERR_INIT;
	int64_t lease_s = 0, pause_ms = 0;

	while (ctx_sleep(&ctx, pause_ms, &ignored) == 0) {
		if (session_heartbeat(r->session, &ctx, &lease_s, &err) != 0)
			break;
		pause_ms = lease_s * 1000 / 3;
		if (pause_ms < BEAT_MIN_MS)
			pause_ms = BEAT_MIN_MS;
	}
	/* It is over: the output is about to tell how. */
	if (ctx_sleep(&ctx, OVER_GRACE_MS, &ignored) == 0)
		relay_give_up(r, "%s", err.msg);
	return NULL;
}
