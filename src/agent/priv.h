/*
 * Acting as the job's user, and signalling its processes. The agent is uid 0
 * with only CHOWN, SETUID and SETGID: it cannot write where the user can,
 * nor signal what is not of its uid, unless it takes that uid for a moment.
 */
#ifndef AGENT_PRIV_H
#define AGENT_PRIV_H

#include <sys/types.h>

#include "agent/account.h"
#include "base/err.h"

/* Effective uid, gid and groups of the user, until priv_restore. */
int priv_become(const struct account *who, struct err *err) MUST_CHECK;
/* Cannot fail: an agent stuck as the user would be of no use, it dies. */
void priv_restore(void);

/* In a child before exec: for good. 0 or -1 with errno. */
int priv_drop(const struct account *who);

/* kill(2), as far as the target is the user's or root's; -1 with errno. */
int priv_signal(const struct account *who, pid_t target, int sig);
/* To all of a step: leader's session and whatever descends from it. */
void priv_signal_step(const struct account *who, pid_t leader, int sig);
/* SIGKILL to every process but the agent, whatever uid it took. Needs no
 * fork: works under a fork bomb at the container's limit. */
void priv_kill_all(const struct account *who);

#endif
