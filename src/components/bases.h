/*
 * What a component's image may be built from. Not from images of other
 * components or of jobs, which are on the same engine and may hold what their
 * owners show to nobody; and, where components.baseImages says so, only from
 * what it names. Internal to components/.
 */
#ifndef COMPONENTS_BASES_H
#define COMPONENTS_BASES_H

#include <stdbool.h>

#include "base/ctx.h"

struct flow;
/* Reads f's Dockerfile, before anything of it is built. It may ask the engine.
 * ERR_INVALID "INVALID_CONFIGURATION" names the line. */
int bases_check(
    struct flow *f, const struct ctx *ctx, struct err *err) MUST_CHECK;
/* Pure. Is it the name of an image that a hub has made? */
bool bases_is_of_a_hub(const char *ref);
/* patterns: separated by commas, `*` stands for anything, "" or NULL: all are
 * allowed. They are compared with the reference as it is written and in full
 * (docker.io/library/node:20). */
bool bases_is_allowed(const char *patterns, const char *ref);

#endif
