/*
 * What of a descriptor an instance needs after its start, and which of its
 * ends was counted last, kept in the store (column plan), so that a hub that
 * comes back goes on with its health check, its time to live, its restarts.
 * Pure.
 */
#ifndef COMPONENTS_LIFEPLAN_H
#define COMPONENTS_LIFEPLAN_H

#include "base/json_out.h"
#include "components/descriptor.h"

enum {
	LIFEPLAN_GRACE_MS = 10000,
	LIFEPLAN_PORTS_MAX = 64,
	LIFEPLAN_RUN = 40,
};

struct lifeplan {
	struct descriptor_health health;
	int64_t deadline; /* wall ns: its time to live is over; 0: none */
	int64_t idle_ms;  /* stopped after so long without use; 0: never */
	int64_t grace_ms; /* of a stop */
	enum restart_policy restart;
	char **secrets; /* names; ends with NULL, or NULL */
	/* Of the container, TCP; and whether it has others. */
	int ports[LIFEPLAN_PORTS_MAX];
	size_t nports;
	bool udp;
	/* The run of its container that ended last and was counted, by the
	 * moment in which the engine started it; "": none. And how long the log
	 * was before that was told. */
	char ended_run[LIFEPLAN_RUN];
	int64_t ended_log;
};
void lifeplan_init(struct lifeplan *p); /* what holds when nothing is said */
void lifeplan_fini(struct lifeplan *p);
/* now: its time to live begins. Replaces what p holds. */
void lifeplan_take(struct lifeplan *p, const struct descriptor *d, int64_t now);
/* As members of an object that is open. */
void lifeplan_write(const struct lifeplan *p, struct json *j);
/* Of an object that lifeplan_write wrote into, by this release or an earlier
 * one; what is missing or strange is as if it were not said. NULL: nothing is.
 */
void lifeplan_read(struct lifeplan *p, const char *text);

/* Is a component started again that ended by itself? */
bool lifeplan_restarts(const struct lifeplan *p, bool failed);
/* How long it waits for its n-th start (from 1) in a row: 250 ms, then each
 * time twice as long, at most a minute. */
int64_t lifeplan_delay_ms(int n);

#endif
