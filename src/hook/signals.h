/*
 * SIGINT and SIGTERM. The runner, when a step is cancelled, sends SIGINT,
 * 7.5 s later SIGTERM, 2.5 s later SIGKILL to this process alone; what runs
 * inside a container is ours to end within that time. The first signal and
 * the second each set a token that every blocking call polls.
 */
#ifndef HOOK_SIGNALS_H
#define HOOK_SIGNALS_H

#include "base/ctx.h"

/* Installs the handlers; once, before anything blocks. */
int signals_init(struct err *err) MUST_CHECK;
/* Cancelled by the first signal. */
struct cancel *signals_first(void);
/* Cancelled by the second, or by a first that is SIGTERM: hurry. */
struct cancel *signals_second(void);

#endif
