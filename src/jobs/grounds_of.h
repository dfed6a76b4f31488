/*
 * What of the host, or of its parent's work directory, a session may mount:
 * by who opened it.
 */
#ifndef JOBS_GROUNDS_OF_H
#define JOBS_GROUNDS_OF_H

#include "containers/grounds.h"
#include "jobs/carry_internal.h"

/* In a nested session: the parent's volumes. For a runner's token: what the
 * runner is registered with. Else RUNNERHUB_WORK_ROOTS. */
int grounds_of(
    struct carry *c, struct grounds *ret, struct err *err) MUST_CHECK;
/* RUNNERHUB_WORK_ROOTS: none may hold, or lie in, the state directory. */
int grounds_check_options(
    const struct options *options, struct err *err) MUST_CHECK;

#endif
