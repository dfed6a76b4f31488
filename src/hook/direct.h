/*
 * The backend without a hub: a classic runner on a machine with a container
 * engine. Every container, network and image it makes bears the label of
 * this runner, so that nothing of a crashed job outlives the next one.
 */
#ifndef HOOK_DIRECT_H
#define HOOK_DIRECT_H

#include "hook/backend.h"
#include "hook/settings.h"

struct direct;

/* Does not connect yet. settings outlive it. */
int direct_new(struct direct **ret, const struct hook_settings *settings,
    struct err *err) MUST_CHECK;
void direct_free(struct direct *d);
DEFINE_CLEANUP(struct direct *, direct_free);
struct backend direct_backend(struct direct *d);

#endif
