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
 * network namespace, no veth, ...). Tries it out in a throw-away namespace
 * and leaves nothing. */
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
/*
 * Creates the pair with one end in the container as eth0, isolates the
 * bridge port (no traffic to other isolated ports), sets address, default
 * route, brings lo and eth0 up; no IPv6 address forms on either end. Undoes
 * itself on failure. The pair vanishes with the container. ERR_NOT_FOUND:
 * the container has ended, or ("bridge_not_found") there is no such bridge;
 * ERR_CONFLICT: host_if or the container's eth0 exists already; ERR_LIMIT
 * ("bridge_full"): the kernel allows 1023 ports on a bridge.
 */
int hostnet_attach(const struct hostnet_link *link, struct err *err) MUST_CHECK;
/* Removes a host end left behind; none is fine. What is not a veth (the
 * bridge, whose name may begin alike) is left alone: ERR_CONFLICT. */
int hostnet_detach(const char *host_if, struct err *err) MUST_CHECK;
/* Calls cb once for each veth interface whose name starts with prefix, after
 * all were found: cb may detach. */
int hostnet_list(const char *prefix, void (*cb)(void *arg, const char *host_if),
    void *arg, struct err *err) MUST_CHECK;

/*
 * Rules of our own (nftables table inet `table`, chains input and forward,
 * just before the usual filter chains) about what comes from `bridge`:
 * - to the machine itself, on any of its addresses (so also to ports that
 *   the engine's proxy publishes there): refused, but for replies and, with
 *   allow_dns, port 53;
 * - back to `bridge`, which is another sandbox: dropped. The isolated ports
 *   and the engine's icc=false say the same; this holds without them;
 * - to a published port by address translation: refused;
 * - to the places where clouds hand out credentials (169.254.0.0/16,
 *   168.63.129.16, 100.100.100.200): refused, but for port 53, where the
 *   provider's resolver is;
 * - IPv6: refused, a sandbox has no address of it.
 * A container that the engine itself attached to `bridge` has no isolated
 * port: what keeps it from the others is icc=false and the drop above, and
 * both only with net.bridge.bridge-nf-call-iptables = 1, as the engine sets.
 * All else may pass, as far as the machine's own rules allow: an accept here
 * overrides none of them. The engine's rules keep it from other networks of
 * the engine; the machine's LAN is reachable.
 *
 * Idempotent; replaces the earlier table in one transaction, so never is
 * there a moment without rules. A reload of the machine's own firewall can
 * flush the table: install again when in doubt, it takes some 15 ms.
 * table: 1 to 31 of [a-z0-9_]. The bridge need not exist yet.
 */
int hostnet_guard_install(const char *table, const char *bridge, bool allow_dns,
    struct err *err) MUST_CHECK;
int hostnet_guard_remove(const char *table, struct err *err) MUST_CHECK;

#endif
