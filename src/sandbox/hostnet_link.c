/*
 * The rtnetlink requests: see hostnet_link.h. Called by hostnet.c and
 * hostnet_probe.c on the caller's thread; owns nothing.
 */
#include "sandbox/hostnet_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define LINK_DUMP_TRIES 8

static void link_request(struct nl_msg *m, uint16_t type, uint16_t flags,
    const struct ifinfomsg *head)
{
	nl_msg_init(m, type, NLM_F_REQUEST | flags);
	nl_msg_put(m, head, sizeof(*head));
}

static int link_change(
    struct nl_sock *s, struct nl_msg *m, const char *what, struct err *err)
{
	if (nl_call(s, m, NULL, NULL, err) < 0)
		return err_wrap(err, "%s", what);
	return 0;
}

/* -- looking ----------------------------------------------------------- */
static void link_read(const struct nlmsghdr *h, struct link_info *ret)
{
	struct nl_span attrs = nl_msg_attrs(h, sizeof(struct ifinfomsg));
	struct nl_span info, port, flag;
	struct ifinfomsg head;

	*ret = (struct link_info){0};
	if (h->nlmsg_type != RTM_NEWLINK ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(head)))
		return;
	memcpy(&head, NLMSG_DATA(h), sizeof(head));
	if (!nl_attr_get_str(attrs, IFLA_IFNAME, ret->name, sizeof(ret->name)))
		return;
	ret->index = head.ifi_index;
	ret->master = (int)nl_attr_get_u32(attrs, IFLA_MASTER);
	ret->mtu = nl_attr_get_u32(attrs, IFLA_MTU);
	if (!nl_attr_find(attrs, IFLA_LINKINFO, &info))
		return;
	IGNORE(nl_attr_get_str(
	    info, IFLA_INFO_KIND, ret->kind, sizeof(ret->kind)));
	ret->isolated = nl_attr_find(info, IFLA_INFO_SLAVE_DATA, &port) &&
			nl_attr_find(port, IFLA_BRPORT_ISOLATED, &flag) &&
			flag.len == 1 && flag.data[0] == 1;
}

static void find_reply(void *arg, const struct nlmsghdr *h)
{
	link_read(h, arg);
}

int link_find(
    struct nl_sock *s, const char *name, struct link_info *ret, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct link_info info = {0};
	struct nl_msg m;

	link_request(&m, RTM_GETLINK, NLM_F_ACK, &head);
	nl_attr_str(&m, IFLA_IFNAME, name);
	if (nl_call(s, &m, find_reply, &info, err) < 0) {
		if (s->refused == ENODEV) {
			err_clear(err);
			return 0;
		}
		return err_wrap(err, "look up interface %s", name);
	}
	if (info.index == 0)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the kernel said nothing about interface %s", name);
	*ret = info;
	return 1;
}

struct each_call {
	link_each_fn *fn;
	void *arg;
};

static void each_reply(void *arg, const struct nlmsghdr *h)
{
	const struct each_call *call = arg;
	struct link_info info;

	link_read(h, &info);
	if (info.index != 0)
		call->fn(call->arg, &info);
}

/* A dump that a change tore apart may lack entries: the caller's fn may then
 * see entries twice, so it must not mind. */
int link_each(struct nl_sock *s, link_each_fn *fn, void *arg, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct each_call call = {fn, arg};
	struct nl_msg m;

	for (int i = 0; i < LINK_DUMP_TRIES; i++) {
		link_request(&m, RTM_GETLINK, NLM_F_DUMP, &head);
		if (nl_call(s, &m, each_reply, &call, err) == 0)
			return 0;
		if (s->refused != EINTR)
			return err_wrap(err, "list the network interfaces");
		err_clear(err);
	}
	return err_set(err, ERR_UNAVAILABLE, NULL,
	    "the list of network interfaces changes too fast to be read; "
	    "try again");
}

/* -- creating and removing --------------------------------------------- */
int link_create_bridge(
    struct nl_sock *s, const struct link_bridge *bridge, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct nl_msg m;
	size_t info;

	link_request(
	    &m, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &head);
	nl_attr_str(&m, IFLA_IFNAME, bridge->name);
	if (bridge->mac != NULL)
		nl_attr_put(&m, IFLA_ADDRESS, bridge->mac, 6);
	if (bridge->mtu > 0)
		nl_attr_u32(&m, IFLA_MTU, bridge->mtu);
	info = nl_nest_begin(&m, IFLA_LINKINFO);
	nl_attr_str(&m, IFLA_INFO_KIND, "bridge");
	nl_nest_end(&m, info);
	return link_change(s, &m, "create a bridge", err);
}

/* The other end, created by the same request inside its own namespace. */
static void put_peer(struct nl_msg *m, const struct link_veth *veth)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	size_t peer = nl_nest_begin(m, VETH_INFO_PEER);

	nl_msg_put(m, &head, sizeof(head));
	nl_attr_str(m, IFLA_IFNAME, veth->peer_name);
	nl_attr_put(m, IFLA_ADDRESS, veth->peer_mac, 6);
	nl_attr_u32(m, IFLA_MTU, veth->mtu);
	nl_attr_u32(m, IFLA_NET_NS_FD, (uint32_t)veth->peer_ns);
	nl_nest_end(m, peer);
}

int link_create_veth(
    struct nl_sock *s, const struct link_veth *veth, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct nl_msg m;
	size_t info, data;

	link_request(
	    &m, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &head);
	nl_attr_str(&m, IFLA_IFNAME, veth->name);
	nl_attr_u32(&m, IFLA_MTU, veth->mtu);
	nl_attr_u32(&m, IFLA_MASTER, (uint32_t)veth->master);
	info = nl_nest_begin(&m, IFLA_LINKINFO);
	nl_attr_str(&m, IFLA_INFO_KIND, "veth");
	data = nl_nest_begin(&m, IFLA_INFO_DATA);
	put_peer(&m, veth);
	nl_nest_end(&m, data);
	nl_nest_end(&m, info);
	return link_change(s, &m, "create a veth pair", err);
}

int link_delete(struct nl_sock *s, int index, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = index};
	struct nl_msg m;

	link_request(&m, RTM_DELLINK, NLM_F_ACK, &head);
	if (nl_call(s, &m, NULL, NULL, err) == 0)
		return 0;
	if (s->refused != ENODEV)
		return err_wrap(err, "delete an interface");
	err_clear(err);
	return 0;
}

/* -- settings ---------------------------------------------------------- */
static int set_isolated(struct nl_sock *s, int index, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_BRIDGE, .ifi_index = index};
	struct nl_msg m;
	size_t port;

	link_request(&m, RTM_SETLINK, NLM_F_ACK, &head);
	port = nl_nest_begin(&m, IFLA_PROTINFO);
	nl_attr_u8(&m, IFLA_BRPORT_ISOLATED, 1);
	nl_nest_end(&m, port);
	return link_change(s, &m, "isolate the bridge port", err);
}

int link_isolate_port(
    struct nl_sock *s, const struct link_info *port, struct err *err)
{
	struct link_info now;
	int found;

	TRY(set_isolated(s, port->index, err));
	found = link_find(s, port->name, &now, err);
	TRY(found);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, NULL,
		    "interface %s vanished: the container has ended",
		    port->name);
	if (!now.isolated)
		return err_set(err, ERR_UNAVAILABLE, "no_port_isolation",
		    "this kernel cannot isolate bridge ports (Linux 4.18 or "
		    "later needed)");
	return 0;
}

int link_silence_ipv6(struct nl_sock *s, int index, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = index};
	struct nl_msg m;
	size_t spec, inet6;

	link_request(&m, RTM_NEWLINK, NLM_F_ACK, &head);
	spec = nl_nest_begin(&m, IFLA_AF_SPEC);
	inet6 = nl_nest_begin(&m, AF_INET6);
	nl_attr_u8(&m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	nl_nest_end(&m, inet6);
	nl_nest_end(&m, spec);
	if (nl_call(s, &m, NULL, NULL, err) == 0)
		return 0;
	if (s->refused != EAFNOSUPPORT)
		return err_wrap(err, "keep IPv6 off an interface");
	err_clear(err);
	return 0;
}

int link_up(struct nl_sock *s, int index, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC,
	    .ifi_index = index,
	    .ifi_flags = IFF_UP,
	    .ifi_change = IFF_UP};
	struct nl_msg m;

	link_request(&m, RTM_NEWLINK, NLM_F_ACK, &head);
	return link_change(s, &m, "bring an interface up", err);
}

int link_add_address(struct nl_sock *s, int index, uint32_t address,
    unsigned prefix, struct err *err)
{
	struct ifaddrmsg head = {.ifa_family = AF_INET,
	    .ifa_prefixlen = (uint8_t)prefix,
	    .ifa_scope = RT_SCOPE_UNIVERSE,
	    .ifa_index = (unsigned)index};
	uint32_t hosts = prefix >= 32 ? 0 : UINT32_MAX >> prefix;
	struct nl_msg m;

	nl_msg_init(&m, RTM_NEWADDR,
	    NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	nl_msg_put(&m, &head, sizeof(head));
	nl_attr_be32(&m, IFA_LOCAL, address);
	nl_attr_be32(&m, IFA_ADDRESS, address);
	nl_attr_be32(&m, IFA_BROADCAST, address | hosts);
	return link_change(s, &m, "set the address", err);
}

int link_add_default_route(
    struct nl_sock *s, int index, uint32_t gateway, struct err *err)
{
	struct rtmsg head = {.rtm_family = AF_INET,
	    .rtm_table = RT_TABLE_MAIN,
	    .rtm_protocol = RTPROT_STATIC,
	    .rtm_scope = RT_SCOPE_UNIVERSE,
	    .rtm_type = RTN_UNICAST};
	struct nl_msg m;

	nl_msg_init(&m, RTM_NEWROUTE,
	    NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	nl_msg_put(&m, &head, sizeof(head));
	nl_attr_be32(&m, RTA_GATEWAY, gateway);
	nl_attr_u32(&m, RTA_OIF, (uint32_t)index);
	return link_change(s, &m, "set the default route", err);
}
