/*
 * The fast network of a sandbox on the local host: a veth pair made by us
 * joins a container that the engine started with NetworkDisabled to a
 * bridge that the engine made (its NAT and forwarding rules apply) or, where
 * its bridges do not keep containers apart, to one of our own. Avoids the
 * engine's own network set-up, which costs more than the whole start.
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
 * A bridge of our own, for engines whose networks cannot be used.
 *
 * Makes it, or repairs it where it exists: address gateway/prefix, no IPv6,
 * up. Sets net.ipv4.ip_forward = 1 where it is 0 (which makes the machine a
 * router between all its networks, as every engine does) and never sets it
 * back. ERR_CONFLICT "subnet_taken": an address or a route of the machine is
 * in the range. What makes traffic flow is the guard with own_bridge set.
 */
struct hostnet_bridge {
	const char *name;
	uint32_t gateway; /* the machine's address on it, host byte order */
	unsigned prefix;
	int mtu; /* 0: the kernel's default */
};
int hostnet_bridge_ensure(
    const struct hostnet_bridge *bridge, struct err *err) MUST_CHECK;
/* 1 there is one with this address (0: it has none yet), 0 none, -1 error,
 * also when the name is that of something else. */
int hostnet_bridge_find(const char *name, uint32_t *ret_gateway,
    unsigned *ret_prefix, struct err *err) MUST_CHECK;
/* None is fine. ERR_CONFLICT: it has ports, or is no bridge. */
int hostnet_bridge_remove(const char *name, struct err *err) MUST_CHECK;

#define HOSTNET_UPLINKS_MAX 8
/* The bridges that a default route of the machine leads over. */
struct hostnet_uplinks {
	char names[HOSTNET_UPLINKS_MAX][16];
	unsigned n;
};
int hostnet_bridge_uplinks(
    struct hostnet_uplinks *ret, struct err *err) MUST_CHECK;

/* A bridge whose containers may talk to each other and are no business of
 * anybody else: an engine's network for one session. */
struct hostnet_session {
	char device[16]; /* "": unknown, its addresses tell */
	uint32_t base;
	unsigned prefix;
};

struct hostnet_guard {
	const char *table; /* its name: 1 to 31 of [a-z0-9_] */
	const char *bridge;
	bool open_host;  /* leave the machine itself and the clouds' places
			    reachable; for own_bridge alone */
	bool allow_dns;  /* port 53 of the machine itself */
	bool own_bridge; /* with this range: */
	uint32_t subnet;
	unsigned prefix;
	struct hostnet_uplinks uplinks;
	const struct hostnet_session *sessions; /* borrowed */
	size_t nsessions;
};

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
 * With own_bridge, where no rule of an engine applies, also (Linux 5.2):
 * - what goes out bears the machine's address (chain postrouting);
 * - nobody but the machine opens a connection to a sandbox: dropped;
 * - to any other bridge, which is an engine's or a hub's network: refused,
 *   but for `uplinks`.
 * A machine that drops what it does not know in its own forward chains (a
 * Docker beside, a firewall) must accept what comes from `bridge` there:
 * hostnet_forward_blocked tells.
 *
 * Of each of `sessions`: its containers reach each other; nobody else but the
 * machine opens a connection to them, unless to a port that is published;
 * what they send elsewhere is judged as what comes from `bridge` is, and does
 * not reach `bridge` either. One without a device may ask its gateway (the
 * first address) for names.
 *
 * Idempotent; replaces the earlier table in one transaction, so never is
 * there a moment without rules. A reload of the machine's own firewall can
 * flush the table: install again when in doubt, it takes some 15 ms.
 * The bridge need not exist yet.
 */
int hostnet_guard_install(
    const struct hostnet_guard *guard, struct err *err) MUST_CHECK;
int hostnet_guard_remove(const char *table, struct err *err) MUST_CHECK;

/*
 * 1: a chain of the machine's drops what it forwards unless a rule accepts
 * it, and no rule in its table names `bridge`: what sandboxes send most
 * likely goes nowhere. ret_chain: "chain FORWARD of table ip filter". 0: none
 * is seen, which is no proof: a rule may drop as well as a policy.
 */
int hostnet_forward_blocked(const char *bridge, char *ret_chain, size_t size,
    struct err *err) MUST_CHECK;

#endif
