/*
 * Which network sandboxes get on this host, and the one bridge of ours on
 * the engine: see network.h. Any thread; the state that changes after open
 * is guarded by one mutex that is not held over I/O but in prepare, which
 * only one thread runs at a time anyway.
 */
#include "sandbox/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/thread.h"
#include "sandbox/addrpool.h"
#include "sandbox/hostnet.h"

enum {
	RESOLVERS_MAX = 3,
	RESOLV_CONF_MAX = 64 * 1024,
	SLICE_PREFIX = 21, /* 1023 sandboxes: as many as a bridge has ports */
};

struct network {
	struct network_config config;
	char name[64];   /* of the engine's network: "runnerhub-0a1b2c3d" */
	char bridge[16]; /* of its bridge: "rh0a1b2c3d" */
	char table[32];  /* of the guard's rules */
	uint32_t range;  /* network.subnet: our slice is cut out of it */
	unsigned range_prefix;
	/* set by prepare, before anybody asks for an address */
	uint32_t base, gateway;
	unsigned prefix;
	struct addrpool *addresses; /* the upper half of the slice */
	char resolvers[RESOLVERS_MAX][46];
	unsigned nresolvers;
	struct mtx mtx;
	bool prepared;
	enum network_kind kind; /* of the configured mode */
	bool guarded;
	char why_not_veth[160], why_exposed[200];
};

/* -- set-up ---------------------------------------------------------------- */

static int parse_subnet(struct network *n, const char *text, struct err *err)
{
	char address[20];
	const char *slash = strchr(text, '/');
	struct in_addr in;
	int64_t prefix;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address))
		goto bad;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (inet_pton(AF_INET, address, &in) != 1 ||
	    parse_int(slash + 1, 8, 28, &prefix) < 0)
		goto bad;
	n->range_prefix = (unsigned)prefix;
	n->range = ntohl(in.s_addr) & ~(UINT32_MAX >> prefix);
	return 0;
bad:
	return err_set(err, ERR_INVALID, "bad_subnet",
	    "network.subnet \"%s\": expected an IPv4 range such as "
	    "10.213.0.0/16, between /8 and /28",
	    text);
}

static void add_resolver(struct network *n, const char *address)
{
	struct in_addr in;

	if (n->nresolvers == RESOLVERS_MAX ||
	    inet_pton(AF_INET, address, &in) != 1 ||
	    ntohl(in.s_addr) >> 24 == 127)
		return; /* IPv6 and loopback are out of a sandbox's reach */
	snprintf(n->resolvers[n->nresolvers++], sizeof(n->resolvers[0]), "%s",
	    address);
}

static void read_resolvers(struct network *n, const char *path)
{
	CLEANUP(buf_fini) struct buf text = {0};
	struct err ignored = ERR_INIT;
	char *line, *save, address[64];

	buf_init(&text, RESOLV_CONF_MAX);
	if (fs_read_file(path, &text, &ignored) < 0 || text.data == NULL)
		return;
	for (line = strtok_r(text.data, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		size_t at = strspn(line, " \t");
		size_t len;

		if (strncmp(line + at, "nameserver", 10) != 0)
			continue;
		at += 10;
		at += strspn(line + at, " \t");
		len = strcspn(line + at, " \t#;\r");
		snprintf(address, sizeof(address), "%.*s", (int)len, line + at);
		add_resolver(n, address);
	}
}

static void find_resolvers(struct network *n)
{
	char *csv, *word, *save;

	if (n->config.dns != NULL && *n->config.dns != '\0') {
		csv = mem_strdup(n->config.dns);
		for (word = strtok_r(csv, ", ", &save); word != NULL;
		     word = strtok_r(NULL, ", ", &save))
			add_resolver(n, word);
		mem_free(csv);
		return;
	}
	read_resolvers(n, "/etc/resolv.conf");
	if (n->nresolvers == 0)
		read_resolvers(n, "/run/systemd/resolve/resolv.conf");
}

int network_open(
    struct network **ret, const struct network_config *c, struct err *err)
{
	struct network *n = mem_zalloc(sizeof(*n));

	n->config = *c;
	mtx_init(&n->mtx, "network");
	snprintf(n->name, sizeof(n->name), "runnerhub-%.8s", c->hub_id);
	snprintf(n->bridge, sizeof(n->bridge), "rh%.8s", c->hub_id);
	snprintf(n->table, sizeof(n->table), "runnerhub_%.8s", c->hub_id);
	if (parse_subnet(n, c->subnet, err) < 0) {
		network_close(n);
		return -1;
	}
	find_resolvers(n);
	*ret = n;
	return 0;
}

void network_close(struct network *n)
{
	if (n == NULL)
		return;
	addrpool_free(n->addresses);
	mtx_fini(&n->mtx);
	mem_free(n);
}

/* -- preparing the engine's side ----------------------------------------------
 */

static char *ip_text(uint32_t address, char out[20])
{
	snprintf(out, 20, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
	    address >> 8 & 255, address & 255);
	return out;
}

/* The whole of a small range, else a slice of it: hubs on one machine share
 * the range and take different ones. */
static void take_slice(struct network *n, unsigned index)
{
	n->prefix =
	    n->range_prefix > SLICE_PREFIX ? n->range_prefix : SLICE_PREFIX;
	n->base = n->range + (index << (32 - n->prefix));
	n->gateway = n->base + 1;
}

static unsigned slice_count(const struct network *n)
{
	return n->range_prefix >= SLICE_PREFIX
		   ? 1
		   : 1U << (SLICE_PREFIX - n->range_prefix);
}

static int create_slice(
    struct network *n, const struct ctx *ctx, struct err *err)
{
	char subnet[40], range[40], gateway[20], ip[20], id[ENGINE_ID_LEN];
	const struct engine_pair labels[] = {{"runnerhub.managed", "true"},
	    {"runnerhub.hub", n->config.hub_id}, {NULL, NULL}};
	struct engine_network_spec spec = {.name = n->name,
	    .bridge_name = n->bridge,
	    .subnet = subnet,
	    .ip_range = range,
	    .gateway = gateway,
	    .icc = false,
	    .mtu = n->config.mtu,
	    .labels = labels};

	ip_text(n->base, ip);
	snprintf(subnet, sizeof(subnet), "%s/%u", ip, n->prefix);
	snprintf(range, sizeof(range), "%s/%u", ip, n->prefix + 1);
	ip_text(n->gateway, gateway);
	if (engine_network_create(n->config.engine, ctx, &spec, id, err) < 0)
		return err_wrap(err,
		    "make the sandboxes' network %s with subnet %s, of "
		    "network.subnet %s",
		    n->name, subnet, n->config.subnet);
	return 0;
}

static int create_bridge(
    struct network *n, const struct ctx *ctx, struct err *err)
{
	unsigned count = slice_count(n), tries = count < 64 ? count : 64;
	unsigned first =
	    (unsigned)map_hash(n->config.hub_id, strlen(n->config.hub_id)) %
	    count;

	for (unsigned i = 0; i < tries; i++) {
		err_clear(err);
		take_slice(n, (first + i) % count);
		if (create_slice(n, ctx, err) == 0)
			return 0;
		if (strstr(err->msg, "overlap") == NULL)
			return -1;
	}
	return -1;
}

/* Is the network that is there a slice of the range? Then it is ours. */
static bool reuse(struct network *n, const char *subnet)
{
	char have[20];

	for (unsigned i = 0; i < slice_count(n); i++) {
		char ip[20];

		take_slice(n, i);
		snprintf(have, sizeof(have), "%s/%u", ip_text(n->base, ip),
		    n->prefix);
		if (strcmp(have, subnet) == 0)
			return true;
	}
	return false;
}

static int ensure_bridge(
    struct network *n, const struct ctx *ctx, struct err *err)
{
	CLEANUP(engine_network_fini) struct engine_network have = {0};

	if (engine_network_inspect(n->config.engine, ctx, n->name, &have, err) <
	    0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		return create_bridge(n, ctx, err);
	}
	if (reuse(n, have.subnet))
		return 0;
	/* network.subnet was changed; refused while sandboxes still use it. */
	if (engine_network_remove(n->config.engine, ctx, n->name, err) < 0)
		return err_wrap(err,
		    "replace network %s (%s) for the new network.subnet %s",
		    n->name, have.subnet, n->config.subnet);
	return create_bridge(n, ctx, err);
}

static int open_addresses(struct network *n, struct err *err)
{
	uint32_t half = UINT32_C(1) << (32 - n->prefix - 1);

	if (n->addresses != NULL)
		return 0; /* prepared before: what is in use stays in use */
	/* The last address of the slice is its broadcast address. */
	return addrpool_new(&n->addresses, n->base + half, half - 1, err);
}

/* Is veth possible? The reason why not goes to why_not_veth. */
static bool veth_works(struct network *n)
{
	struct err err = ERR_INIT;

	if (!engine_is_local(n->config.engine))
		snprintf(n->why_not_veth, sizeof(n->why_not_veth),
		    "the engine is remote");
	else if (n->nresolvers == 0)
		snprintf(n->why_not_veth, sizeof(n->why_not_veth),
		    "the host's resolver is on loopback (set network.dns)");
	else if (hostnet_probe(&err) < 0)
		snprintf(n->why_not_veth, sizeof(n->why_not_veth), "%.150s",
		    err.msg);
	else
		return true;
	return false;
}

/* A resolver on one of the host's own addresses needs a hole in the guard. */
static bool resolver_is_host(const struct network *n)
{
	for (unsigned i = 0; i < n->nresolvers; i++) {
		CLEANUP(fd_close)
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		struct sockaddr_in a = {.sin_family = AF_INET};

		if (fd >= 0 &&
		    inet_pton(AF_INET, n->resolvers[i], &a.sin_addr) == 1 &&
		    bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return true;
	}
	return false;
}

static void install_guard(struct network *n)
{
	struct err err = ERR_INIT;

	n->guarded = false;
	if (!n->config.deny_host_services) {
		snprintf(n->why_exposed, sizeof(n->why_exposed),
		    "network.hostServices is \"warn\"");
		return;
	}
	if (!engine_is_local(n->config.engine)) {
		snprintf(n->why_exposed, sizeof(n->why_exposed),
		    "the engine is remote: its host's rules are out of reach");
		return;
	}
	if (hostnet_guard_install(
		n->table, n->bridge, resolver_is_host(n), &err) < 0) {
		snprintf(
		    n->why_exposed, sizeof(n->why_exposed), "%.190s", err.msg);
		return;
	}
	n->guarded = true;
}

static int prepare_isolated(
    struct network *n, const struct ctx *ctx, struct err *err)
{
	bool veth = false;

	if (strcmp(n->config.mechanism, "engine") != 0) {
		veth = veth_works(n);
		if (!veth && strcmp(n->config.mechanism, "veth") == 0)
			return err_set(err, ERR_INVALID, "network_mechanism",
			    "network.mechanism \"veth\" is not possible: %s",
			    n->why_not_veth);
	}
	TRY(ensure_bridge(n, ctx, err));
	TRY(open_addresses(n, err));
	install_guard(n);
	n->kind = veth ? NETWORK_VETH : NETWORK_ENGINE;
	return 0;
}

int network_prepare(struct network *n, const struct ctx *ctx, struct err *err)
{
	struct engine_network have = {{0}};
	int r = 0;

	mtx_lock(&n->mtx);
	if (strcmp(n->config.mode, "none") == 0) {
		n->kind = NETWORK_NONE;
	} else if (strcmp(n->config.mode, "isolated") == 0) {
		r = prepare_isolated(n, ctx, err);
	} else {
		n->kind = NETWORK_ENGINE;
		r = engine_network_inspect(
		    n->config.engine, ctx, n->config.mode, &have, err);
		if (r < 0)
			IGNORE(err_wrap(err, "network.mode \"%s\"",
			    n->config.mode)); /* r is -1 already */
		engine_network_fini(&have);
	}
	n->prepared = r == 0;
	mtx_unlock(&n->mtx);
	return r;
}

void network_erase(struct network *n, const struct ctx *ctx)
{
	struct err err = ERR_INIT;

	mtx_lock(&n->mtx);
	if (n->prepared && strcmp(n->config.mode, "isolated") == 0 &&
	    engine_network_remove(n->config.engine, ctx, n->name, &err) == 0) {
		IGNORE(hostnet_guard_remove(n->table, &err)); /* may not be */
		n->prepared = n->guarded = false;
	}
	mtx_unlock(&n->mtx);
}

void network_refresh_guard(struct network *n)
{
	mtx_lock(&n->mtx);
	if (n->prepared && n->guarded)
		install_guard(n);
	mtx_unlock(&n->mtx);
}

/* -- use ---------------------------------------------------------------------
 */

int network_choose(struct network *n, const char *wanted,
    enum network_kind *ret, const char **ret_name, struct err *err)
{
	enum network_kind kind;
	bool prepared;

	mtx_lock(&n->mtx);
	kind = n->kind;
	prepared = n->prepared;
	mtx_unlock(&n->mtx);
	if (wanted != NULL && strcmp(wanted, "none") == 0) {
		*ret = NETWORK_NONE;
		*ret_name = NULL;
		return 0;
	}
	if (!prepared)
		return err_set(err, ERR_UNAVAILABLE, "network_not_ready",
		    "the sandboxes' network is not set up yet");
	if (wanted != NULL && strcmp(wanted, n->config.mode) != 0)
		return err_set(err, ERR_INVALID, "network_not_allowed",
		    "network \"%s\" is not allowed: use \"none\" or \"%s\" "
		    "(network.mode)",
		    wanted, n->config.mode);
	*ret = kind;
	*ret_name = kind != NETWORK_ENGINE                    ? NULL
		    : strcmp(n->config.mode, "isolated") == 0 ? n->name
							      : n->config.mode;
	return 0;
}

int network_take_address(struct network *n, uint32_t *ret, struct err *err)
{
	return addrpool_take(n->addresses, ret, err);
}

bool network_reserve_address(struct network *n, uint32_t address)
{
	return n->addresses != NULL && address != 0 &&
	       addrpool_reserve(n->addresses, address);
}

void network_give_address(struct network *n, uint32_t address)
{
	if (n->addresses != NULL && address != 0)
		addrpool_give(n->addresses, address);
}

int network_join(struct network *n, int pid, uint32_t address, struct err *err)
{
	char host_if[16];
	struct hostnet_link link = {.bridge = n->bridge,
	    .host_if = host_if,
	    .container_pid = pid,
	    .address = address,
	    .prefix = n->prefix,
	    .gateway = n->gateway,
	    .mtu = n->config.mtu};

	snprintf(
	    host_if, sizeof(host_if), "rv%.4s%08x", n->config.hub_id, address);
	return hostnet_attach(&link, err);
}

void network_resolv_conf(const struct network *n, struct buf *out)
{
	for (unsigned i = 0; i < n->nresolvers; i++)
		IGNORE(buf_printf(out, "nameserver %s\n", n->resolvers[i]));
}

const char *network_describe(struct network *n, char *out, size_t size)
{
	mtx_lock(&n->mtx);
	if (!n->prepared)
		snprintf(out, size, "not set up yet");
	else if (n->kind == NETWORK_NONE)
		snprintf(out, size, "none");
	else if (strcmp(n->config.mode, "isolated") != 0)
		snprintf(out, size, "the network %s", n->config.mode);
	else
		snprintf(out, size,
		    "isolated on %s by %s%s%s, host services %s", n->bridge,
		    n->kind == NETWORK_VETH ? "veth" : "the engine",
		    n->why_not_veth[0] != '\0' ? ": " : "", n->why_not_veth,
		    n->guarded ? "denied" : "REACHABLE");
	mtx_unlock(&n->mtx);
	return out;
}

bool network_host_exposed(struct network *n, char *why, size_t size)
{
	bool exposed;

	mtx_lock(&n->mtx);
	exposed = n->prepared && n->kind != NETWORK_NONE && !n->guarded;
	snprintf(why, size, "%s",
	    n->why_exposed[0] != '\0' ? n->why_exposed
				      : "network.mode is a network of yours");
	mtx_unlock(&n->mtx);
	return exposed;
}
