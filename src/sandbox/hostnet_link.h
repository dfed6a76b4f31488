/*
 * The single rtnetlink requests that hostnet is made of: one function, one
 * request, one answer, in the network namespace of the socket. For
 * hostnet*.c only; contracts of use are in hostnet.h.
 */
#ifndef SANDBOX_HOSTNET_LINK_H
#define SANDBOX_HOSTNET_LINK_H

#include <net/if.h>

#include "base/err.h"
#include "sandbox/netlink.h"

#define LINK_KIND_MAX 16

struct link_info {
	int index;
	int master; /* index of the bridge it is a port of, 0: none */
	unsigned mtu;
	char name[IFNAMSIZ];
	char kind[LINK_KIND_MAX]; /* "veth", "bridge"; "" for hardware, lo */
	bool isolated;            /* is a bridge's port, and isolated */
};

/* 1 found, 0 none, -1 error. */
int link_find(struct nl_sock *s, const char *name, struct link_info *ret,
    struct err *err) MUST_CHECK;
typedef void link_each_fn(void *arg, const struct link_info *info);
int link_each(
    struct nl_sock *s, link_each_fn *fn, void *arg, struct err *err) MUST_CHECK;

struct link_bridge {
	const char *name;
	const uint8_t *mac; /* NULL: a random one, later its lowest port's */
	unsigned mtu;       /* 0: the lowest of its ports' */
};
/* It is down. */
int link_create_bridge(struct nl_sock *s, const struct link_bridge *bridge,
    struct err *err) MUST_CHECK;

struct link_veth {
	const char *name;
	int master;            /* index of the bridge that takes this end */
	int peer_ns;           /* descriptor of the other end's namespace */
	const char *peer_name; /* its name there */
	const uint8_t *peer_mac;
	unsigned mtu;
};
/* Both ends are down. On error neither exists; s->refused tells why. */
int link_create_veth(struct nl_sock *s, const struct link_veth *veth,
    struct err *err) MUST_CHECK;

/* The bridge no longer forwards between this port and other isolated ones.
 * Looks whether it is so: kernels before 4.18 agree and do nothing. */
int link_isolate_port(struct nl_sock *s, const struct link_info *port,
    struct err *err) MUST_CHECK;
/* No IPv6 address will form by itself; fine on a kernel without IPv6. */
int link_silence_ipv6(struct nl_sock *s, int index, struct err *err) MUST_CHECK;
int link_up(struct nl_sock *s, int index, struct err *err) MUST_CHECK;
/* Gone already is fine. */
int link_delete(struct nl_sock *s, int index, struct err *err) MUST_CHECK;

/* IPv4 in host byte order. */
int link_add_address(struct nl_sock *s, int index, uint32_t address,
    unsigned prefix, struct err *err) MUST_CHECK;
int link_add_default_route(
    struct nl_sock *s, int index, uint32_t gateway, struct err *err) MUST_CHECK;

#endif
