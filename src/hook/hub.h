/*
 * The backend with a hub: a job's containers are a session of the hub
 * (docs/SESSIONS.md), which this client opens, drives and ends. It never
 * speaks to an engine, and never goes on without the hub.
 */
#ifndef HOOK_HUB_H
#define HOOK_HUB_H

#include "hook/backend.h"
#include "hook/settings.h"

struct hub_mode;

/* The address and the token come from the environment. Does not connect yet.
 * settings outlive it. */
int hub_mode_new(struct hub_mode **ret, const struct hook_settings *settings,
    struct err *err) MUST_CHECK;
void hub_mode_free(struct hub_mode *h);
DEFINE_CLEANUP(struct hub_mode *, hub_mode_free);
struct backend hub_mode_backend(struct hub_mode *h);

#endif
