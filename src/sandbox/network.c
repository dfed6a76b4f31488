/*
 * Which network sandboxes get on this host, its guard, and their addresses:
 * see network.h. Any thread. Preparing asks the engine and the kernel, which
 * may take its time: it works on a state of its own, under a mutex of its
 * own, and publishes that at the end; the others only see what is published.
 */
#include "sandbox/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/thread.h"
#include "sandbox/addrpool.h"
#include "sandbox/hostnet.h"
#include "sandbox/network_bridge.h"

enum {
	RESOLVERS_MAX = 3,
	RESOLV_CONF_MAX = 64 * 1024,
};

struct state {
	struct network_bridge bridge;
	bool prepared;
	enum network_kind kind; /* of the configured mode */
	bool guarded;
	char why_not_veth[160], why_exposed[200];
	char shut_by[120]; /* another's chain that drops what ours lets out */
};

struct network {
	struct network_config config;
	char table[32]; /* of the guard's rules */
	/* The upper half of the bridge's slice; another pool when the bridge
	 * had to be made again elsewhere. Guarded by mtx. */
	struct addrpool *addresses;
	uint32_t addresses_base;
	/* Set by open. */
	char resolvers[RESOLVERS_MAX][46];
	unsigned nresolvers;
	struct mtx preparing; /* held over I/O, by who prepares or erases */
	struct state work;    /* guarded by preparing */
	struct hostnet_session *sessions; /* guarded by preparing */
	size_t nsessions;
	struct mtx mtx;
	struct state now; /* guarded by mtx: what the others see */
};

/* -- set-up ------------------------------------------------------------ */

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
	mtx_init(&n->preparing, "network preparing");
	mtx_init(&n->mtx, "network");
	snprintf(n->table, sizeof(n->table), "runnerhub_%.8s", c->hub_id);
	n->work.bridge = (struct network_bridge){.engine = c->engine,
	    .hub_id = c->hub_id,
	    .subnet = c->subnet,
	    .mtu = c->mtu};
	if (network_bridge_init(&n->work.bridge, err) < 0) {
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
	mem_free(n->sessions);
	mtx_fini(&n->mtx);
	mtx_fini(&n->preparing);
	mem_free(n);
}

/* -- preparing --------------------------------------------------------- */

static int open_addresses(struct network *n, struct err *err)
{
	const struct network_bridge *b = &n->work.bridge;
	uint32_t half = UINT32_C(1) << (32 - b->prefix - 1);

	struct addrpool *made, *old;

	if (n->addresses != NULL && n->addresses_base == b->base)
		return 0; /* prepared before: what is in use stays in use */
	/* The last address of the slice is its broadcast address. */
	TRY(addrpool_new(&made, b->base + half, half - 1, err));
	/* The bridge of the old ones is gone; whoever still gives one back
	 * gives what this pool does not know. */
	mtx_lock(&n->mtx);
	old = n->addresses;
	n->addresses = made;
	n->addresses_base = b->base;
	mtx_unlock(&n->mtx);
	addrpool_free(old);
	return 0;
}

/* Is veth possible? The reason why not goes to why_not_veth. */
static bool veth_works(struct network *n)
{
	struct err err = ERR_INIT;

	n->work.why_not_veth[0] = '\0';
	if (!engine_is_local(n->config.engine))
		snprintf(n->work.why_not_veth, sizeof(n->work.why_not_veth),
		    "the engine is remote");
	else if (n->nresolvers == 0)
		snprintf(n->work.why_not_veth, sizeof(n->work.why_not_veth),
		    "the host's resolver is on loopback (set network.dns)");
	else if (hostnet_probe(&err) < 0)
		snprintf(n->work.why_not_veth, sizeof(n->work.why_not_veth),
		    "%.150s", err.msg);
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

static int install_guard(struct network *n, struct err *err)
{
	const struct network_bridge *b = &n->work.bridge;
	struct hostnet_guard guard = {.table = n->table,
	    .bridge = b->device,
	    .open_host = b->own && !n->config.deny_host_services,
	    .allow_dns = resolver_is_host(n),
	    .own_bridge = b->own,
	    .subnet = b->base,
	    .prefix = b->prefix,
	    .sessions = n->sessions,
	    .nsessions = n->nsessions};

	if (b->own)
		TRY(hostnet_bridge_uplinks(&guard.uplinks, err));
	return hostnet_guard_install(&guard, err);
}

/* For the engine's bridge the engine has opened the way out. A failure to
 * look says nothing about the way, so it is none here. */
static void look_for_shut_way(struct network *n)
{
	struct err ignored = ERR_INIT;

	if (hostnet_forward_blocked(n->work.bridge.device, n->work.shut_by,
		sizeof(n->work.shut_by), &ignored) != 1)
		n->work.shut_by[0] = '\0';
}

/* Without the guard the host is exposed, but sandboxes work; on a bridge of
 * our own they have neither a way out nor any protection without it. */
static int ensure_guard(struct network *n, struct err *err)
{
	struct err local = ERR_INIT;
	bool deny = n->config.deny_host_services;

	n->work.guarded = false;
	n->work.why_exposed[0] = '\0';
	if (!deny)
		snprintf(n->work.why_exposed, sizeof(n->work.why_exposed),
		    "network.hostServices is \"warn\"");
	if (n->work.bridge.own) {
		TRY(install_guard(n, err));
		look_for_shut_way(n);
		n->work.guarded = deny;
		return 0;
	}
	if (!deny)
		return 0;
	if (!engine_is_local(n->config.engine))
		snprintf(n->work.why_exposed, sizeof(n->work.why_exposed),
		    "the engine is remote: its host's rules are out of reach");
	else if (install_guard(n, &local) < 0)
		snprintf(n->work.why_exposed, sizeof(n->work.why_exposed),
		    "%.190s", local.msg);
	else
		n->work.guarded = true;
	return 0;
}

/*
 * The engine's own mechanism on the engine's bridge is what remains when
 * veth is not possible; Podman has neither: its bridges let the containers
 * of a network talk to each other.
 */
static int choose_mechanism(struct network *n, const struct ctx *ctx,
    bool *ret_veth, bool *ret_own_bridge, struct err *err)
{
	struct engine_info info = {{0}};
	const char *mechanism = n->config.mechanism;
	bool veth = strcmp(mechanism, "engine") != 0 && veth_works(n);

	TRY(engine_info(n->config.engine, ctx, &info, err));
	if (!veth && strcmp(mechanism, "veth") == 0)
		return err_set(err, ERR_INVALID, "network_mechanism",
		    "network.mechanism \"veth\" is not possible: %s",
		    n->work.why_not_veth);
	*ret_veth = veth;
	*ret_own_bridge = strcmp(info.product, "podman") == 0;
	if (veth || !*ret_own_bridge)
		return 0;
	return err_set(err, ERR_INVALID, "network_mechanism",
	    "Podman's networks do not keep containers apart, so network.mode "
	    "\"isolated\" needs the mechanism \"veth\" with it: %s. Else "
	    "set network.mode to \"none\"",
	    n->work.why_not_veth[0] != '\0'
		? n->work.why_not_veth
		: "network.mechanism is \"engine\"");
}

static int prepare_isolated(
    struct network *n, const struct ctx *ctx, struct err *err)
{
	bool veth, own;

	TRY(choose_mechanism(n, ctx, &veth, &own, err));
	TRY(network_bridge_ensure(&n->work.bridge, ctx, own, err));
	TRY(open_addresses(n, err));
	TRY(ensure_guard(n, err));
	n->work.kind = veth ? NETWORK_VETH : NETWORK_ENGINE;
	return 0;
}

/* Others see it whole, and never wait for the engine. */
static void publish(struct network *n)
{
	mtx_assert_held(&n->preparing);
	mtx_lock(&n->mtx);
	n->now = n->work;
	mtx_unlock(&n->mtx);
}

int network_prepare(struct network *n, const struct ctx *ctx, struct err *err)
{
	struct engine_network have = {{0}};
	int r = 0;

	mtx_lock(&n->preparing);
	if (strcmp(n->config.mode, "none") == 0) {
		n->work.kind = NETWORK_NONE;
	} else if (strcmp(n->config.mode, "isolated") == 0) {
		r = prepare_isolated(n, ctx, err);
	} else {
		n->work.kind = NETWORK_ENGINE;
		r = engine_network_inspect(
		    n->config.engine, ctx, n->config.mode, &have, err);
		if (r < 0)
			IGNORE(err_wrap(err, "network.mode \"%s\"",
			    n->config.mode)); /* r is -1 already */
		engine_network_fini(&have);
	}
	n->work.prepared = r == 0;
	publish(n);
	mtx_unlock(&n->preparing);
	return r;
}

void network_erase(struct network *n, const struct ctx *ctx)
{
	struct err err = ERR_INIT;

	mtx_lock(&n->preparing);
	if (n->work.bridge.made &&
	    network_bridge_remove(&n->work.bridge, ctx, &err) == 0) {
		IGNORE(hostnet_guard_remove(n->table, &err)); /* may not be */
		n->work.prepared = n->work.guarded = false;
	}
	publish(n);
	mtx_unlock(&n->preparing);
}

/* -- networks of sessions ---------------------------------------------- */

/* Without a bridge of ours (network.mode "none", or a network of the
 * administrator's) the guard is there for sessions alone. */
static int guard_sessions(struct network *n, struct err *err)
{
	if (n->work.bridge.made) {
		TRY(ensure_guard(n, err));
		publish(n);
		return 0;
	}
	if (!n->config.deny_host_services || !engine_is_local(n->config.engine))
		return 0;
	return n->nsessions > 0 ? install_guard(n, err)
				: hostnet_guard_remove(n->table, err);
}

/* The range tells them apart: one that was removed behind our back may have
 * come back as another's. */
static void remember_session(struct network *n, const struct hostnet_session *s)
{
	for (size_t i = 0; i < n->nsessions; i++)
		if (n->sessions[i].base == s->base) {
			n->sessions[i] = *s;
			return;
		}
	n->sessions =
	    mem_realloc(n->sessions, (n->nsessions + 1) * sizeof(*n->sessions));
	n->sessions[n->nsessions++] = *s;
}

int network_session_open(
    struct network *n, const struct hostnet_session *s, struct err *err)
{
	int r;

	mtx_lock(&n->preparing);
	remember_session(n, s);
	r = guard_sessions(n, err);
	mtx_unlock(&n->preparing);
	return r;
}

void network_session_close(struct network *n, uint32_t base)
{
	struct err ignored = ERR_INIT; /* rules about nothing do no harm */

	mtx_lock(&n->preparing);
	for (size_t i = 0; i < n->nsessions; i++)
		if (n->sessions[i].base == base) {
			n->sessions[i] = n->sessions[--n->nsessions];
			IGNORE(guard_sessions(n, &ignored));
			break;
		}
	mtx_unlock(&n->preparing);
}

void network_sessions_found(
    struct network *n, const struct hostnet_session *list, size_t count)
{
	mtx_lock(&n->preparing);
	for (size_t i = 0; i < count; i++)
		remember_session(n, &list[i]);
	mtx_unlock(&n->preparing);
}

void network_refresh_guard(struct network *n)
{
	struct err ignored = ERR_INIT; /* the next time may do better */

	mtx_lock(&n->preparing);
	if (n->work.prepared && n->work.bridge.made)
		IGNORE(ensure_guard(n, &ignored));
	publish(n);
	mtx_unlock(&n->preparing);
}

/* -- use --------------------------------------------------------------- */

int network_choose(struct network *n, const char *wanted,
    enum network_kind *ret, const char **ret_name, struct err *err)
{
	enum network_kind kind;
	bool prepared;

	mtx_lock(&n->mtx);
	kind = n->now.kind;
	prepared = n->now.prepared;
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
	/* The bridge's name stays as it was made at open. */
	*ret_name = kind != NETWORK_ENGINE ? NULL
		    : strcmp(n->config.mode, "isolated") == 0
			? n->work.bridge.name
			: n->config.mode;
	return 0;
}

int network_take_address(struct network *n, uint32_t *ret, struct err *err)
{
	int r;

	mtx_lock(&n->mtx);
	r = addrpool_take(n->addresses, ret, err);
	mtx_unlock(&n->mtx);
	return r;
}

bool network_reserve_address(struct network *n, uint32_t address)
{
	bool reserved;

	mtx_lock(&n->mtx);
	reserved = n->addresses != NULL && address != 0 &&
		   addrpool_reserve(n->addresses, address);
	mtx_unlock(&n->mtx);
	return reserved;
}

void network_give_address(struct network *n, uint32_t address)
{
	mtx_lock(&n->mtx);
	if (n->addresses != NULL && address != 0)
		addrpool_give(n->addresses, address);
	mtx_unlock(&n->mtx);
}

int network_join(struct network *n, int pid, uint32_t address, struct err *err)
{
	char host_if[16], device[16];
	struct hostnet_link link = {.bridge = device,
	    .host_if = host_if,
	    .container_pid = pid,
	    .address = address,
	    .mtu = n->config.mtu};

	mtx_lock(&n->mtx);
	memcpy(device, n->now.bridge.device, sizeof(device));
	link.prefix = n->now.bridge.prefix;
	link.gateway = n->now.bridge.gateway;
	mtx_unlock(&n->mtx);
	snprintf(
	    host_if, sizeof(host_if), "rv%.4s%08x", n->config.hub_id, address);
	if (hostnet_attach(&link, err) == 0)
		return 0;
	if (strcmp(err->code, "bridge_not_found") == 0)
		err->kind = ERR_UNAVAILABLE; /* it can be made again */
	return -1;
}

void network_resolv_conf(const struct network *n, struct buf *out)
{
	for (unsigned i = 0; i < n->nresolvers; i++)
		IGNORE(buf_printf(out, "nameserver %s\n", n->resolvers[i]));
}

static void describe_isolated(const struct network *n, char *out, size_t size)
{
	snprintf(out, size, "isolated on %s by %s%s%s, host services %s%s%s%s",
	    n->now.bridge.device,
	    n->now.kind == NETWORK_VETH ? "veth" : "the engine",
	    n->now.why_not_veth[0] != '\0' ? ": " : "", n->now.why_not_veth,
	    n->now.guarded ? "denied" : "REACHABLE",
	    n->now.shut_by[0] != '\0' ? "; the way out is shut: " : "",
	    n->now.shut_by,
	    n->now.shut_by[0] != '\0' ? " drops what no rule accepts" : "");
}

const char *network_describe(struct network *n, char *out, size_t size)
{
	mtx_lock(&n->mtx);
	if (!n->now.prepared)
		snprintf(out, size, "not set up yet");
	else if (n->now.kind == NETWORK_NONE)
		snprintf(out, size, "none");
	else if (strcmp(n->config.mode, "isolated") != 0)
		snprintf(out, size, "the network %s", n->config.mode);
	else
		describe_isolated(n, out, size);
	mtx_unlock(&n->mtx);
	return out;
}

bool network_host_exposed(struct network *n, char *why, size_t size)
{
	bool exposed;

	mtx_lock(&n->mtx);
	exposed =
	    n->now.prepared && n->now.kind != NETWORK_NONE && !n->now.guarded;
	snprintf(why, size, "%s",
	    n->now.why_exposed[0] != '\0'
		? n->now.why_exposed
		: "network.mode is a network of yours");
	mtx_unlock(&n->mtx);
	return exposed;
}
