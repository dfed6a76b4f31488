/*
 * The network of sandboxes: which mechanism this host allows, their bridge,
 * its guard, and the address of each sandbox.
 *
 * veth: containers start with networking disabled (half the engine's start
 *   time) and we join them to the bridge ourselves (sandbox/hostnet.h). The
 *   bridge is a network of the engine; with Podman, whose networks do not
 *   keep containers apart, it is one of our own (network_bridge.h).
 * engine: the engine joins them to its bridge; slower, needs nothing.
 * Both keep sandboxes from reaching each other.
 */
#ifndef SANDBOX_NETWORK_H
#define SANDBOX_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"
#include "engine/engine.h"

struct network;

struct network_config {
	struct engine *engine;
	const char *hub_id;
	const char *mode, *mechanism, *subnet, *dns;
	bool deny_host_services;
	int mtu;
};
int network_open(struct network **ret, const struct network_config *c,
    struct err *err) MUST_CHECK;
void network_close(struct network *n);
/* Idempotent: makes bridge network and guard where they are missing. */
int network_prepare(
    struct network *n, const struct ctx *ctx, struct err *err) MUST_CHECK;

/*
 * Networks of sessions, which the engine makes (session_network.h): the guard
 * covers them from open to close. base tells them apart; one that is open
 * already is fine. Where there is no guard they are only remembered.
 */
struct hostnet_session;
int network_session_open(struct network *n, const struct hostnet_session *s,
    struct err *err) MUST_CHECK;
void network_session_close(struct network *n, uint32_t base);
/* Made by an earlier hub; before network_prepare, which guards them. Others
 * may be opened meanwhile. */
void network_sessions_found(
    struct network *n, const struct hostnet_session *list, size_t count);

/* Puts the guard's rules back, should somebody have flushed the machine's
 * rules; a millisecond. */
void network_refresh_guard(struct network *n);

/* Removes bridge network and guard; one that is still used stays. */
void network_erase(struct network *n, const struct ctx *ctx);

enum network_kind {
	NETWORK_NONE,   /* loopback only */
	NETWORK_VETH,   /* started disabled, then network_join */
	NETWORK_ENGINE, /* the engine joins: network_engine_name */
};
/* How a sandbox that asks for `wanted` (NULL: the configured mode) gets its
 * network. ERR_INVALID for a name that is not allowed. */
int network_choose(struct network *n, const char *wanted,
    enum network_kind *ret, const char **ret_engine_name,
    struct err *err) MUST_CHECK;
/* An address for a veth sandbox; give it back when the sandbox is gone. */
int network_take_address(
    struct network *n, uint32_t *ret, struct err *err) MUST_CHECK;
/* As found after a restart. False: it is in use already, or not ours. */
bool network_reserve_address(struct network *n, uint32_t address);
void network_give_address(struct network *n, uint32_t address);
/* Joins the container whose first process is pid. */
int network_join(
    struct network *n, int pid, uint32_t address, struct err *err) MUST_CHECK;
/* The text for /etc/resolv.conf of veth sandboxes. */
void network_resolv_conf(const struct network *n, struct buf *out);

const char *network_describe(struct network *n, char *out, size_t size);
bool network_host_exposed(struct network *n, char *why, size_t size);

#endif
