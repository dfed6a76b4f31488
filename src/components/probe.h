/*
 * Is a component well? Asks it once, by HTTP or TCP, at its container's own
 * address. Blocks, bounded by the check's timeout.
 */
#ifndef COMPONENTS_PROBE_H
#define COMPONENTS_PROBE_H

#include "base/ctx.h"
#include "components/descriptor.h"

/* 0: well. -1: err says why not; ERR_CANCELED is ctx's. */
int probe_once(const struct descriptor_health *health, const char *ip,
    const struct ctx *ctx, struct err *err) MUST_CHECK;

#endif
