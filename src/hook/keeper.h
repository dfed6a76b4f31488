/*
 * The keeper: a process of its own that keeps a session's lease between the
 * commands of a job, and ends the session as failed when the one it watches
 * (the runner's worker) ends without cleanup_job.
 */
#ifndef HOOK_KEEPER_H
#define HOOK_KEEPER_H

#include "base/err.h"

/* *ret_fd: to be watched; ours to close. -1: it is not in this container and
 * cannot be watched. */
int keeper_watch_parent(int *ret_fd, struct err *err) MUST_CHECK;
int keeper_watch_self(int *ret_fd, struct err *err) MUST_CHECK;
/* Starts it for the session; 0 when it runs. It holds none of our
 * descriptors, and of our environment only what leads to the hub. */
int keeper_start(const char *session, int watched, struct err *err) MUST_CHECK;
/* What it does, to its end: main() of `runnerhub-hook keep ID`. Returns the
 * exit code. */
int keeper_main(const char *session);

#endif
