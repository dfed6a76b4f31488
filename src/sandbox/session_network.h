/*
 * A session's own network: its containers find each other by name and nobody
 * else reaches them; host services are denied as on the hub's own bridge. A
 * network of the engine, from the range network.sessionSubnet, with the label
 * runnerhub.session=<job id>.
 *
 * The same for an instance of a component, label runnerhub.instance=<id>: it
 * reaches the world even where jobs do not (network.mode "none"), and the
 * world reaches its published ports.
 */
#ifndef SANDBOX_SESSION_NETWORK_H
#define SANDBOX_SESSION_NETWORK_H

#include "sandbox/sandbox.h"

/* "runnerhub-s-<16 hex of the job id's end>" */
#define SESSION_NETWORK_LEN 40
void session_network_name(const char *job_id, char ret[SESSION_NETWORK_LEN]);
/* Idempotent for one job. ERR_LIMIT when no part of the range is free. */
int session_network_make(struct sandboxes *s, const struct ctx *ctx,
    const char *job_id, struct err *err) MUST_CHECK;
int instance_network_make(struct sandboxes *s, const struct ctx *ctx,
    const char *instance_id, struct err *err) MUST_CHECK;
/* May one be made that is not needed yet? Not where the range has few. */
bool session_networks_are_many(const struct sandboxes *s);
/* Of either. Gone is fine. Its containers must be gone: ERR_CONFLICT. */
int session_network_remove(struct sandboxes *s, const struct ctx *ctx,
    const char *job_id, struct err *err) MUST_CHECK;

/* Removes those of this hub whose owner keep() does not claim. Returns how
 * many, -1 on error; one that is still used stays for the next time. */
typedef bool network_keep_fn(void *arg, const char *id);
int session_networks_sweep(struct sandboxes *s, const struct ctx *ctx,
    network_keep_fn *keep, void *arg, struct err *err);
int instance_networks_sweep(struct sandboxes *s, const struct ctx *ctx,
    network_keep_fn *keep, void *arg, struct err *err);
/* For sandboxes_prepare: tells the guard of those that an earlier hub made. */
int session_networks_find(
    struct sandboxes *s, const struct ctx *ctx, struct err *err) MUST_CHECK;

#endif
