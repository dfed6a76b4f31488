/*
 * The fast network of a sandbox on the local host: a veth pair made by us
 * joins a container that the engine started with NetworkDisabled to a
 * bridge that the engine made (its NAT and forwarding rules apply). Avoids
 * the engine's own network set-up, which costs more than the whole start.
 * Needs CAP_NET_ADMIN and CAP_SYS_ADMIN in the host's network namespace.
 * Blocking, milliseconds; any thread (a namespace change is confined to a
 * short-lived thread).
 */
#ifndef SANDBOX_HOSTNET_H
#define SANDBOX_HOSTNET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Can it work here? 0, or -1 with the reason in words (not root, another
 * network namespace, no veth, ...). */
int hostnet_probe(struct err *err) MUST_CHECK;

struct hostnet_link {
	const char *bridge;  /* "rhub0", must exist */
	const char *host_if; /* our end's name, <= 15 chars */
	int container_pid;   /* as the host sees it */
	uint32_t address;    /* IPv4, host byte order */
	unsigned prefix;     /* 20 for /20 */
	uint32_t gateway;
	int mtu; /* 0: the bridge's */
};
/* Creates the pair, moves one end into the container as eth0, isolates the
 * bridge port (no traffic to other isolated ports), sets address, default
 * route, brings lo and eth0 up. Undoes itself on failure. The pair vanishes
 * with the container. */
int hostnet_attach(const struct hostnet_link *link, struct err *err) MUST_CHECK;
/* Removes a host end left behind; none is fine. */
int hostnet_detach(const char *host_if, struct err *err) MUST_CHECK;
/* Calls cb for each interface whose name starts with prefix. */
int hostnet_list(const char *prefix,
    void (*cb)(void *arg, const char *host_if), void *arg, struct err *err)
    MUST_CHECK;

/*
 * A rule chain of our own (nftables table inet `table`, hook input) that
 * refuses what comes from `bridge` to the host itself, but for replies and
 * (allow_dns) port 53. Idempotent; replaces the earlier table atomically.
 */
int hostnet_guard_install(const char *table, const char *bridge, bool allow_dns,
    struct err *err) MUST_CHECK;
int hostnet_guard_remove(const char *table, struct err *err) MUST_CHECK;

#endif
