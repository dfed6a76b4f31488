/*
 * Joining a container to the bridge, and finding and removing what was
 * joined: see hostnet.h. Called by the sandbox layer on the worker that
 * starts a sandbox; owns nothing between calls. The single kernel requests
 * are in hostnet_link.c, the namespace change in hostnet_ns.c.
 */
#include "sandbox/hostnet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "sandbox/hostnet_link.h"
#include "sandbox/hostnet_ns.h"

#define INSIDE_NAME "eth0"
#define LOOPBACK    1 /* its index in every namespace */
#define LIST_MAX    65536

/* What the kernel takes for a name, less what it would expand ("%d"). */
static int check_name(const char *what, const char *name, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ)
		return err_set(err, ERR_INVALID, NULL,
		    "%s \"%.64s\" has %zu characters; an interface name has 1 "
		    "to %d",
		    what, name, len, IFNAMSIZ - 1);
	if (strspn(name, allowed) != len || name[0] == '.')
		return err_set(err, ERR_INVALID, NULL,
		    "%s \"%s\": an interface name here consists of letters, "
		    "digits, _, - and . (not first)",
		    what, name);
	return 0;
}

static int check_addresses(const struct hostnet_link *link, struct err *err)
{
	uint32_t hosts;

	if (link->prefix < 8 || link->prefix > 30)
		return err_set(err, ERR_INVALID, NULL,
		    "a sandbox network of /%u; /8 to /30 are possible",
		    link->prefix);
	hosts = UINT32_MAX >> link->prefix;
	if (((link->address ^ link->gateway) & ~hosts) != 0)
		return err_set(err, ERR_INVALID, NULL,
		    "the gateway is not in the sandbox's own /%u network",
		    link->prefix);
	if (link->address == link->gateway || (link->address & hosts) == 0 ||
	    (link->address & hosts) == hosts)
		return err_set(err, ERR_INVALID, NULL,
		    "the sandbox's address is the gateway's, the network's or "
		    "the broadcast address");
	return 0;
}

static int find_bridge(struct nl_sock *host, const char *name,
    struct link_info *ret, struct err *err)
{
	int found = link_find(host, name, ret, err);

	TRY(found);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "bridge_not_found",
		    "there is no interface %s in the hub's network namespace; "
		    "the engine's network may have been removed, or the engine "
		    "runs elsewhere",
		    name);
	if (strcmp(ret->kind, "bridge") != 0)
		return err_set(err, ERR_CONFLICT, NULL,
		    "interface %s is of kind \"%s\", not a bridge", name,
		    ret->kind);
	return 0;
}

/* The bare "exists" and "full" of the kernel do not say which thing. */
static int explain_create(
    struct nl_sock *host, const struct hostnet_link *link, struct err *err)
{
	struct err look = ERR_INIT;
	struct link_info info;
	int why = host->refused;

	if (why == EXFULL)
		return err_set(err, ERR_LIMIT, "bridge_full",
		    "bridge %s has no free port (the kernel allows 1023)",
		    link->bridge);
	if (why != EEXIST)
		return -1;
	if (link_find(host, link->host_if, &info, &look) == 1)
		return err_set(err, ERR_CONFLICT, NULL,
		    "interface %s exists already", link->host_if);
	return err_set(err, ERR_CONFLICT, NULL,
	    "the container of process %d has an " INSIDE_NAME
	    " already: it was not started with networking disabled",
	    link->container_pid);
}

/*
 * The address decides the MAC: neighbours that remember an address from its
 * last sandbox then still reach the next one.
 */
static int create_pair(struct nl_sock *host, const struct hostnet_link *link,
    const struct link_info *bridge, int ns, struct link_info *ret,
    struct err *err)
{
	const uint8_t mac[6] = {0x02, 0x52, (uint8_t)(link->address >> 24),
	    (uint8_t)(link->address >> 16), (uint8_t)(link->address >> 8),
	    (uint8_t)link->address};
	const struct link_veth veth = {
	    .name = link->host_if,
	    .master = bridge->index,
	    .peer_ns = ns,
	    .peer_name = INSIDE_NAME,
	    .peer_mac = mac,
	    .mtu = link->mtu > 0 ? (unsigned)link->mtu : bridge->mtu,
	};
	int found;

	if (link_create_veth(host, &veth, err) < 0)
		return explain_create(host, link, err);
	found = link_find(host, link->host_if, ret, err);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, NULL,
		    "interface %s vanished: the container has ended",
		    link->host_if);
	return found < 0 ? -1 : 0;
}

/* Isolated before it is up: not one frame passes between sandboxes. */
static int set_up_host_end(
    struct nl_sock *host, const struct link_info *end, struct err *err)
{
	TRY(link_isolate_port(host, end, err));
	TRY(link_silence_ipv6(host, end->index, err));
	return link_up(host, end->index, err);
}

static int set_up_inside(
    struct nl_sock *inside, const struct hostnet_link *link, struct err *err)
{
	struct link_info eth0;
	int found = link_find(inside, INSIDE_NAME, &eth0, err);

	TRY(found);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, NULL,
		    INSIDE_NAME " vanished: the container has ended");
	TRY(link_up(inside, LOOPBACK, err));
	TRY(link_silence_ipv6(inside, eth0.index, err));
	TRY(link_add_address(
	    inside, eth0.index, link->address, link->prefix, err));
	TRY(link_up(inside, eth0.index, err));
	return link_add_default_route(inside, eth0.index, link->gateway, err);
}

static int attach(const struct hostnet_link *link, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock host = {.fd = -1};
	CLEANUP(nl_close) struct nl_sock inside = {.fd = -1};
	CLEANUP(fd_close) int ns = -1;
	struct link_info bridge, end;
	struct err undo = ERR_INIT;

	TRY(ns_open(link->container_pid, &ns, err));
	TRY(nl_open(&host, NETLINK_ROUTE, err));
	TRY(find_bridge(&host, link->bridge, &bridge, err));
	TRY(ns_open_rtnetlink(ns, &inside, err));
	TRY(create_pair(&host, link, &bridge, ns, &end, err));
	if (set_up_host_end(&host, &end, err) == 0 &&
	    set_up_inside(&inside, link, err) == 0)
		return 0;
	/* If this fails too, hostnet_list will find the end. */
	IGNORE(link_delete(&host, end.index, &undo));
	return -1;
}

int hostnet_attach(const struct hostnet_link *link, struct err *err)
{
	TRY(check_name("bridge", link->bridge, err));
	TRY(check_name("host interface", link->host_if, err));
	TRY(check_addresses(link, err));
	if (link->mtu < 0)
		return err_set(
		    err, ERR_INVALID, NULL, "an MTU of %d", link->mtu);
	if (attach(link, err) < 0)
		return err_wrap(err, "join process %d to bridge %s by %s",
		    link->container_pid, link->bridge, link->host_if);
	return 0;
}

int hostnet_detach(const char *host_if, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock host = {.fd = -1};
	struct link_info info;
	int found;

	TRY(check_name("host interface", host_if, err));
	TRY(nl_open(&host, NETLINK_ROUTE, err));
	found = link_find(&host, host_if, &info, err);
	if (found <= 0)
		return found;
	if (strcmp(info.kind, "veth") != 0)
		return err_set(err, ERR_CONFLICT, NULL,
		    "interface %s is of kind \"%s\", not the end of a "
		    "sandbox's veth pair: left alone",
		    host_if, info.kind);
	if (link_delete(&host, info.index, err) < 0)
		return err_wrap(err, "%s", host_if);
	return 0;
}

/* -- listing ----------------------------------------------------------- */
struct name_list {
	const char *prefix;
	char (*names)[IFNAMSIZ];
	size_t len, cap;
	bool too_many;
};

static void list_add(void *arg, const struct link_info *info)
{
	struct name_list *l = arg;

	if (strcmp(info->kind, "veth") != 0 ||
	    strncmp(info->name, l->prefix, strlen(l->prefix)) != 0)
		return;
	if (l->len == LIST_MAX) {
		l->too_many = true;
		return;
	}
	if (l->len == l->cap) {
		l->cap = l->cap > 0 ? l->cap * 2 : 64;
		l->names = mem_realloc(l->names, l->cap * sizeof(*l->names));
	}
	memcpy(l->names[l->len++], info->name, sizeof(*l->names));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Collected before the first call, so that cb may detach; sorted, because a
 * list that was torn and read again can hold a name twice. */
int hostnet_list(const char *prefix, void (*cb)(void *arg, const char *host_if),
    void *arg, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock host = {.fd = -1};
	struct name_list l = {.prefix = prefix};
	int rc;

	TRY(nl_open(&host, NETLINK_ROUTE, err));
	rc = link_each(&host, list_add, &l, err);
	if (rc == 0 && l.too_many)
		rc = err_set(err, ERR_LIMIT, NULL,
		    "more than %d interfaces begin with %s", LIST_MAX, prefix);
	if (rc == 0 && l.len > 0)
		qsort(l.names, l.len, sizeof(*l.names), compare_names);
	for (size_t i = 0; rc == 0 && i < l.len; i++)
		if (i == 0 || strcmp(l.names[i - 1], l.names[i]) != 0)
			cb(arg, l.names[i]);
	mem_free(l.names);
	return rc;
}
