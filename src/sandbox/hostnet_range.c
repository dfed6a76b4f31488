/*
 * The machine's IPv4 addresses and routes: see hostnet_range.h. Called by
 * hostnet_bridge.c on the caller's thread; owns nothing.
 */
#include "sandbox/hostnet_range.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define DUMP_TRIES 8

static uint32_t mask_of(unsigned prefix)
{
	return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

static bool read_address(const struct nlmsghdr *h, struct host_range *ret)
{
	struct nl_span attrs = nl_msg_attrs(h, sizeof(struct ifaddrmsg));
	struct ifaddrmsg head;
	uint32_t net;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(head)))
		return false;
	memcpy(&head, NLMSG_DATA(h), sizeof(head));
	if (head.ifa_family != AF_INET || head.ifa_prefixlen > 32)
		return false;
	/* The peer's on a point-to-point link, else the same as the local. */
	net = ntohl(nl_attr_get_u32(attrs, IFA_ADDRESS));
	ret->address = ntohl(nl_attr_get_u32(attrs, IFA_LOCAL));
	ret->prefix = head.ifa_prefixlen;
	ret->base = net & mask_of(ret->prefix);
	ret->index = (int)head.ifa_index;
	return ret->address != 0;
}

static bool read_route(const struct nlmsghdr *h, struct host_range *ret)
{
	struct nl_span attrs = nl_msg_attrs(h, sizeof(struct rtmsg));
	struct rtmsg head;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(head)))
		return false;
	memcpy(&head, NLMSG_DATA(h), sizeof(head));
	if (head.rtm_family != AF_INET || head.rtm_dst_len > 32 ||
	    (head.rtm_flags & RTM_F_CLONED) != 0)
		return false;
	ret->prefix = head.rtm_dst_len;
	ret->base =
	    ntohl(nl_attr_get_u32(attrs, RTA_DST)) & mask_of(ret->prefix);
	ret->index = (int)nl_attr_get_u32(attrs, RTA_OIF);
	return true;
}

bool host_range_read(const struct nlmsghdr *h, struct host_range *ret)
{
	*ret = (struct host_range){0};
	if (h->nlmsg_type == RTM_NEWADDR)
		return read_address(h, ret);
	return h->nlmsg_type == RTM_NEWROUTE && read_route(h, ret);
}

struct each_call {
	host_range_fn *fn;
	void *arg;
};

static void each_reply(void *arg, const struct nlmsghdr *h)
{
	const struct each_call *call = arg;
	struct host_range r;

	if (host_range_read(h, &r))
		call->fn(call->arg, &r);
}

/* One that a change tore apart may lack entries: again. */
static int dump(struct nl_sock *s, uint16_t type, struct each_call *call,
    const char *what, struct err *err)
{
	/* Of both requests' heads the kernel reads the family alone. */
	const struct rtmsg head = {.rtm_family = AF_INET};
	struct nl_msg m;

	for (int i = 0; i < DUMP_TRIES; i++) {
		nl_msg_init(&m, type, NLM_F_REQUEST | NLM_F_DUMP);
		nl_msg_put(&m, &head, sizeof(head));
		if (nl_call(s, &m, each_reply, call, err) == 0)
			return 0;
		if (s->refused != EINTR)
			return err_wrap(err, "list the machine's %s", what);
		err_clear(err);
	}
	return err_set(err, ERR_UNAVAILABLE, NULL,
	    "the list of the machine's %s changes too fast to be read; try "
	    "again",
	    what);
}

int host_range_each_address(
    struct nl_sock *s, host_range_fn *fn, void *arg, struct err *err)
{
	struct each_call call = {fn, arg};

	return dump(s, RTM_GETADDR, &call, "addresses", err);
}

int host_range_each_route(
    struct nl_sock *s, host_range_fn *fn, void *arg, struct err *err)
{
	struct each_call call = {fn, arg};

	return dump(s, RTM_GETROUTE, &call, "routes", err);
}

bool host_range_clashes(
    const struct host_range *r, uint32_t base, unsigned prefix)
{
	bool wider = r->prefix < prefix;
	uint32_t mask = mask_of(wider ? r->prefix : prefix);

	if (wider && r->address == 0)
		return false;
	return ((r->base ^ base) & mask) == 0;
}
