/*
 * Network namespaces: opening a process's, and running a function inside
 * one on a thread of its own, so that no thread of the program ever stands
 * in the wrong namespace. For hostnet*.c only.
 */
#ifndef SANDBOX_HOSTNET_NS_H
#define SANDBOX_HOSTNET_NS_H

#include "base/err.h"
#include "sandbox/netlink.h"

/* The network namespace of a process, which must not be our own. */
int ns_open(int pid, int *ret_fd, struct err *err) MUST_CHECK;

#define NS_NEW (-1) /* a fresh one that vanishes with the call */

typedef int ns_fn(void *arg, struct err *err);
/* Returns what fn returned. Blocks until the thread has ended. */
int ns_run(int ns_fd, ns_fn *fn, void *arg, struct err *err) MUST_CHECK;

/* An rtnetlink socket that acts inside the namespace, for any thread. */
int ns_open_rtnetlink(
    int ns_fd, struct nl_sock *ret, struct err *err) MUST_CHECK;

#endif
