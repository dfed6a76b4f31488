/*
 * The IPv4 ranges that this machine's addresses and routes use, as rtnetlink
 * tells them, in the network namespace of the socket. For hostnet*.c only.
 */
#ifndef SANDBOX_HOSTNET_RANGE_H
#define SANDBOX_HOSTNET_RANGE_H

#include "base/err.h"
#include "sandbox/netlink.h"

struct host_range {
	uint32_t base;    /* host byte order, masked */
	unsigned prefix;  /* 0: the default route */
	uint32_t address; /* of the machine in it; 0: a route, not an address */
	int index;        /* of the interface; 0: none, or several */
};

/* False: the message is neither an IPv4 address nor an IPv4 route. */
bool host_range_read(const struct nlmsghdr *h, struct host_range *ret);

typedef void host_range_fn(void *arg, const struct host_range *r);
/* fn may be told one range twice. */
int host_range_each_address(struct nl_sock *s, host_range_fn *fn, void *arg,
    struct err *err) MUST_CHECK;
int host_range_each_route(struct nl_sock *s, host_range_fn *fn, void *arg,
    struct err *err) MUST_CHECK;

/*
 * Would a bridge with base/prefix take something away from r? A network that
 * the machine is in, if they share one address; a route only if it leads into
 * base/prefix: one that is wider (the default route, a VPN's 10.0.0.0/8)
 * keeps the rest of its range, as beside any network of an engine.
 */
bool host_range_clashes(
    const struct host_range *r, uint32_t base, unsigned prefix);

#endif
