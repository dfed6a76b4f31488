/*
 * The figures of instances: one thread for all of them measures each that
 * runs every ten seconds and keeps the last 288 (48 minutes). It starts with
 * the first instance and sleeps while none runs. The figures of the last few
 * that ended are kept until the hub ends. Between two measurements it looks
 * after the images of components. Internal to components/.
 */
#ifndef COMPONENTS_MONITOR_H
#define COMPONENTS_MONITOR_H

#include <pthread.h>

#include "components/figures.h"
#include "store/instances.h"

enum { MONITOR_KEPT = 288, MONITOR_ENDED_KEPT = 8 };

struct components;
struct series;
struct monitor {
	struct mtx mtx; /* after components.mtx, never around it */
	struct cond woken;
	struct cancel cancel;
	/* guarded by mtx, like all below */
	struct series *series; /* the newest first */
	pthread_t thread;
	bool runs, wake, tidy, ending;
};

int monitor_init(struct monitor *m, struct err *err) MUST_CHECK;
/* An instance began to run, or has ended: looks at once. Any thread. */
void monitor_wake(struct components *c);
/* Has images_tidy run, as soon as there is time. Any thread. */
void monitor_tidy(struct components *c);
/* Ends the thread; the figures stay until fini. */
void monitor_stop(struct monitor *m);
void monitor_fini(struct monitor *m);

#endif
