/*
 * A bridge of our own, for engines whose bridges cannot keep sandboxes apart:
 * see hostnet.h. Called by network_bridge.c while the network is prepared or
 * erased; owns nothing between calls, the bridge is the kernel's. NAT and the
 * rules around it are the guard's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "sandbox/hostnet.h"
#include "sandbox/hostnet_link.h"
#include "sandbox/hostnet_range.h"

#define FORWARDING "/proc/sys/net/ipv4/ip_forward"

/* -- looking ----------------------------------------------------------- */
static int find_bridge(
    struct nl_sock *s, const char *name, struct link_info *ret, struct err *err)
{
	int found = link_find(s, name, ret, err);

	if (found == 1 && strcmp(ret->kind, "bridge") != 0)
		return err_set(err, ERR_CONFLICT, NULL,
		    "interface %s is of kind \"%s\", not a bridge of ours: "
		    "left alone",
		    name, ret->kind);
	return found;
}

struct first_address {
	int index;
	struct host_range found;
};

static void take_first_address(void *arg, const struct host_range *r)
{
	struct first_address *a = arg;

	if (r->index == a->index && a->found.address == 0)
		a->found = *r;
}

int hostnet_bridge_find(const char *name, uint32_t *ret_gateway,
    unsigned *ret_prefix, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	struct first_address a = {.index = 0};
	struct link_info info;
	int found;

	TRY(nl_open(&s, NETLINK_ROUTE, err));
	found = find_bridge(&s, name, &info, err);
	if (found <= 0)
		return found;
	a.index = info.index;
	TRY(host_range_each_address(&s, take_first_address, &a, err));
	*ret_gateway = a.found.address;
	*ret_prefix = a.found.prefix;
	return 1;
}

/* -- making ------------------------------------------------------------ */
struct clash {
	uint32_t base;
	unsigned prefix;
	int except; /* our own bridge */
	bool found;
	struct host_range with;
};

static void look_for_clash(void *arg, const struct host_range *r)
{
	struct clash *c = arg;

	if (c->found || (c->except != 0 && r->index == c->except) ||
	    !host_range_clashes(r, c->base, c->prefix))
		return;
	c->found = true;
	c->with = *r;
}

static int check_free(struct nl_sock *s, const struct hostnet_bridge *b,
    int except, struct err *err)
{
	struct clash c = {.base = b->gateway & (UINT32_MAX << (32 - b->prefix)),
	    .prefix = b->prefix,
	    .except = except};
	uint32_t with;

	TRY(host_range_each_address(s, look_for_clash, &c, err));
	if (!c.found)
		TRY(host_range_each_route(s, look_for_clash, &c, err));
	if (!c.found)
		return 0;
	with = c.with.base;
	return err_set(err, ERR_CONFLICT, "subnet_taken",
	    "%u.%u.%u.%u/%u is in use: the machine has %s %u.%u.%u.%u/%u",
	    c.base >> 24, c.base >> 16 & 255, c.base >> 8 & 255, c.base & 255,
	    c.prefix, c.with.address != 0 ? "an address in" : "a route to",
	    with >> 24, with >> 16 & 255, with >> 8 & 255, with & 255,
	    c.with.prefix);
}

/*
 * A fixed MAC: a bridge left to itself takes that of a port, so that with a
 * sandbox its neighbours would lose the gateway that they remember.
 */
static int create(struct nl_sock *s, const struct hostnet_bridge *b,
    struct link_info *ret, struct err *err)
{
	const uint8_t mac[6] = {0x02, 0x52, (uint8_t)(b->gateway >> 24),
	    (uint8_t)(b->gateway >> 16), (uint8_t)(b->gateway >> 8),
	    (uint8_t)b->gateway};
	const struct link_bridge bridge = {.name = b->name,
	    .mac = mac,
	    .mtu = b->mtu > 0 ? (unsigned)b->mtu : 0};
	int found;

	TRY(link_create_bridge(s, &bridge, err));
	found = find_bridge(s, b->name, ret, err);
	if (found == 0)
		return err_set(
		    err, ERR_UNAVAILABLE, NULL, "somebody removed it at once");
	return found < 0 ? -1 : 0;
}

/* Checked again with our address in place: of two hubs that chose the same
 * range at the same moment one at least sees the other. */
static int set_up(struct nl_sock *s, const struct hostnet_bridge *b,
    const struct link_info *info, struct err *err)
{
	TRY(link_silence_ipv6(s, info->index, err));
	if (link_add_address(s, info->index, b->gateway, b->prefix, err) < 0) {
		if (s->refused != EEXIST)
			return -1;
		err_clear(err);
	}
	TRY(check_free(s, b, info->index, err));
	return link_up(s, info->index, err);
}

static int enable_forwarding(struct err *err)
{
	CLEANUP(buf_fini) struct buf now = {0};
	CLEANUP(fd_close) int fd = -1;

	buf_init(&now, 64);
	TRY(fs_read_file(FORWARDING, &now, err));
	if (now.len > 0 && now.data[0] != '0')
		return 0;
	fd = open(FORWARDING, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno,
		    "open " FORWARDING " (set net.ipv4.ip_forward to 1 "
		    "yourself)");
	return fs_write_all(fd, "1\n", 2, err);
}

static int ensure(const struct hostnet_bridge *b, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	struct err undo = ERR_INIT;
	struct link_info info;
	int found;

	TRY(nl_open(&s, NETLINK_ROUTE, err));
	found = find_bridge(&s, b->name, &info, err);
	TRY(found);
	if (found == 0) {
		TRY(check_free(&s, b, 0, err));
		TRY(create(&s, b, &info, err));
	}
	if (set_up(&s, b, &info, err) == 0)
		return enable_forwarding(err);
	if (found == 0) /* should this fail too, the next start finds it */
		IGNORE(link_delete(&s, info.index, &undo));
	return -1;
}

int hostnet_bridge_ensure(const struct hostnet_bridge *b, struct err *err)
{
	if (b->prefix < 8 || b->prefix > 30)
		return err_set(err, ERR_INVALID, NULL,
		    "a bridge for a /%u; /8 to /30 are possible", b->prefix);
	if (ensure(b, err) < 0)
		return err_wrap(err, "make bridge %s", b->name);
	return 0;
}

/* -- removing ---------------------------------------------------------- */
struct ports {
	int bridge;
	bool any;
};

static void see_port(void *arg, const struct link_info *info)
{
	struct ports *p = arg;

	p->any = p->any || info->master == p->bridge;
}

int hostnet_bridge_remove(const char *name, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	struct ports ports = {.bridge = 0};
	struct link_info info;
	int found;

	TRY(nl_open(&s, NETLINK_ROUTE, err));
	found = find_bridge(&s, name, &info, err);
	if (found <= 0)
		return found;
	ports.bridge = info.index;
	TRY(link_each(&s, see_port, &ports, err));
	if (ports.any)
		return err_set(err, ERR_CONFLICT, "bridge_in_use",
		    "bridge %s still has sandboxes on it", name);
	if (link_delete(&s, info.index, err) < 0)
		return err_wrap(err, "%s", name);
	return 0;
}

/* -- the bridges that lead outside ------------------------------------- */
struct default_routes {
	int index[HOSTNET_UPLINKS_MAX];
	unsigned n;
	struct hostnet_uplinks *ret;
};

static void see_default_route(void *arg, const struct host_range *r)
{
	struct default_routes *d = arg;

	if (r->prefix == 0 && r->index != 0 && d->n < ARRAY_LEN(d->index))
		d->index[d->n++] = r->index;
}

static void name_uplink(void *arg, const struct link_info *info)
{
	struct default_routes *d = arg;
	struct hostnet_uplinks *u = d->ret;

	if (strcmp(info->kind, "bridge") != 0 || u->n == ARRAY_LEN(u->names))
		return;
	for (unsigned i = 0; i < u->n; i++)
		if (strcmp(u->names[i], info->name) == 0)
			return;
	for (unsigned i = 0; i < d->n; i++)
		if (d->index[i] == info->index) {
			memcpy(u->names[u->n++], info->name, IFNAMSIZ);
			return;
		}
}

int hostnet_bridge_uplinks(struct hostnet_uplinks *ret, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	struct default_routes d = {.n = 0, .ret = ret};

	ret->n = 0;
	TRY(nl_open(&s, NETLINK_ROUTE, err));
	TRY(host_range_each_route(&s, see_default_route, &d, err));
	return link_each(&s, name_uplink, &d, err);
}
