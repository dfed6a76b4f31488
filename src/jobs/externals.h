/*
 * Volumes with the programs that a runner's image brings ("externals": its
 * own copies of Node), so that containers of sessions inside find them: one
 * per hub, image and place in it, read-only everywhere, filled by the engine
 * at its first use.
 */
#ifndef JOBS_EXTERNALS_H
#define JOBS_EXTERNALS_H

#include "jobs/hub_internal.h"

/* "/home/runner/externals" beside "/home/runner/_work". NULL: there is no
 * such place; to mem_free. */
char *externals_place(const char *work);
/* *ret: the volume's name, to mem_free. */
int externals_ensure(struct hub *h, const struct ctx *ctx, const char *image,
    const char *place, char **ret, struct err *err) MUST_CHECK;
/* Removes those whose image is gone; all: every one that nothing uses. */
int externals_sweep(
    struct hub *h, const struct ctx *ctx, bool all, struct err *err) MUST_CHECK;

#endif
