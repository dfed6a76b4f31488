/*
 * Finding a free slice of network.subnet and making a bridge with it: see
 * network_bridge.h. Called by network.c on whichever thread prepares or
 * erases the network; owns nothing.
 */
#include "sandbox/network_bridge.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/parse.h"
#include "sandbox/hostnet.h"

enum {
	SLICE_PREFIX = 21, /* 1023 sandboxes: as many as a bridge has ports */
	SLICE_TRIES = 64,
	PORTS_GONE_MS = 5000,
	PORTS_LOOK_MS = 20,
};

/* -- slices ------------------------------------------------------------ */

/* False: not "a.b.c.d/n" with n in that range. */
static bool read_subnet(const char *text, int least, int most,
    uint32_t *ret_address, unsigned *ret_prefix)
{
	char address[20] = "";
	const char *slash = strchr(text, '/');
	struct in_addr in;
	int64_t prefix;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (inet_pton(AF_INET, address, &in) != 1 ||
	    parse_int(slash + 1, least, most, &prefix) < 0)
		return false;
	*ret_address = ntohl(in.s_addr);
	*ret_prefix = (unsigned)prefix;
	return true;
}

int network_range_parse(const char *text, const char *option,
    uint32_t *ret_range, unsigned *ret_prefix, struct err *err)
{
	if (!read_subnet(text, 8, 28, ret_range, ret_prefix))
		return err_set(err, ERR_INVALID, "bad_subnet",
		    "%s \"%s\": expected an IPv4 range such as 10.213.0.0/16, "
		    "between /8 and /28",
		    option, text);
	*ret_range &= ~(UINT32_MAX >> *ret_prefix);
	return 0;
}

bool network_subnet_read(
    const char *text, uint32_t *ret_address, unsigned *ret_prefix)
{
	return read_subnet(text, 0, 32, ret_address, ret_prefix);
}

int network_bridge_init(struct network_bridge *b, struct err *err)
{
	snprintf(b->name, sizeof(b->name), "runnerhub-%.8s", b->hub_id);
	snprintf(b->device, sizeof(b->device), "rh%.8s", b->hub_id);
	return network_range_parse(
	    b->subnet, "network.subnet", &b->range, &b->range_prefix, err);
}

char *network_ip_text(uint32_t address, char out[20])
{
	snprintf(out, 20, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
	    address >> 8 & 255, address & 255);
	return out;
}

static unsigned slice_count(const struct network_bridge *b)
{
	return b->range_prefix >= SLICE_PREFIX
		   ? 1
		   : 1U << (SLICE_PREFIX - b->range_prefix);
}

/* The whole of a small range, else a slice of it. */
static void take_slice(struct network_bridge *b, unsigned index)
{
	b->prefix =
	    b->range_prefix > SLICE_PREFIX ? b->range_prefix : SLICE_PREFIX;
	b->base = b->range + (index << (32 - b->prefix));
	b->gateway = b->base + 1;
}

/* Is the network that is there a slice of the range? Then it is taken. */
static bool retake_slice(
    struct network_bridge *b, uint32_t base, unsigned prefix)
{
	for (unsigned i = 0; i < slice_count(b); i++) {
		take_slice(b, i);
		if (b->base == base && b->prefix == prefix)
			return true;
	}
	return false;
}

typedef int make_fn(
    struct network_bridge *b, const struct ctx *ctx, struct err *err);

/* Hubs begin at different slices. make_fn fails with "subnet_taken" when the
 * next one is worth a try. */
static int make_on_free_slice(struct network_bridge *b, const struct ctx *ctx,
    make_fn *make, struct err *err)
{
	unsigned count = slice_count(b);
	unsigned tries = count < SLICE_TRIES ? count : SLICE_TRIES;
	unsigned first =
	    (unsigned)map_hash(b->hub_id, strlen(b->hub_id)) % count;

	if (b->base != 0) /* removed under our feet: the same one again */
		first = (b->base - b->range) >> (32 - b->prefix);
	for (unsigned i = 0; i < tries; i++) {
		err_clear(err);
		take_slice(b, (first + i) % count);
		if (make(b, ctx, err) == 0)
			return 0;
		if (strcmp(err->code, "subnet_taken") != 0)
			return -1;
	}
	return err_wrap(
	    err, "no slice of network.subnet %s is free", b->subnet);
}

/* -- the engine's ------------------------------------------------------ */

static int make_engine_bridge(
    struct network_bridge *b, const struct ctx *ctx, struct err *err)
{
	char subnet[40], range[40], gateway[20], ip[20], id[ENGINE_ID_LEN];
	const struct engine_pair labels[] = {{"runnerhub.managed", "true"},
	    {"runnerhub.hub", b->hub_id}, {NULL, NULL}};
	struct engine_network_spec spec = {.name = b->name,
	    .bridge_name = b->device,
	    .subnet = subnet,
	    .ip_range = range,
	    .gateway = gateway,
	    .icc = false,
	    .mtu = b->mtu,
	    .labels = labels};

	network_ip_text(b->base, ip);
	snprintf(subnet, sizeof(subnet), "%s/%u", ip, b->prefix);
	snprintf(range, sizeof(range), "%s/%u", ip, b->prefix + 1);
	network_ip_text(b->gateway, gateway);
	if (engine_network_create(b->engine, ctx, &spec, id, err) == 0)
		return 0;
	/* Docker's words: "Pool overlaps with other one on this address
	 * space", "conflicts with network ...: networks have overlapping". */
	if (strstr(err->msg, "overlap") != NULL)
		snprintf(err->code, sizeof(err->code), "subnet_taken");
	return err_wrap(err,
	    "make the sandboxes' network %s with subnet %s, of "
	    "network.subnet %s",
	    b->name, subnet, b->subnet);
}

static bool retake_subnet(struct network_bridge *b, const char *subnet)
{
	uint32_t address;
	unsigned prefix;

	return network_subnet_read(subnet, &address, &prefix) &&
	       retake_slice(b, address, prefix);
}

static int ensure_engine_bridge(
    struct network_bridge *b, const struct ctx *ctx, struct err *err)
{
	CLEANUP(engine_network_fini) struct engine_network have = {0};

	if (engine_network_inspect(b->engine, ctx, b->name, &have, err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		return make_on_free_slice(b, ctx, make_engine_bridge, err);
	}
	if (retake_subnet(b, have.subnet))
		return 0;
	/* network.subnet was changed; refused while sandboxes still use it. */
	if (engine_network_remove(b->engine, ctx, b->name, err) < 0)
		return err_wrap(err,
		    "replace network %s (%s) for the new network.subnet %s",
		    b->name, have.subnet, b->subnet);
	return make_on_free_slice(b, ctx, make_engine_bridge, err);
}

/* -- our own ----------------------------------------------------------- */

static int make_own_bridge(
    struct network_bridge *b, const struct ctx *ctx, struct err *err)
{
	const struct hostnet_bridge bridge = {.name = b->device,
	    .gateway = b->gateway,
	    .prefix = b->prefix,
	    .mtu = b->mtu};

	(void)ctx;
	return hostnet_bridge_ensure(&bridge, err);
}

static int ensure_own_bridge(
    struct network_bridge *b, const struct ctx *ctx, struct err *err)
{
	uint32_t gateway = 0;
	unsigned prefix = 0;
	int found = hostnet_bridge_find(b->device, &gateway, &prefix, err);

	TRY(found);
	if (found == 1 && gateway != 0 && retake_slice(b, gateway - 1, prefix))
		return make_own_bridge(b, ctx, err);
	/* network.subnet was changed, or a hub died half-way. */
	if (found == 1 && hostnet_bridge_remove(b->device, err) < 0)
		return err_wrap(err,
		    "replace the bridge for the new network.subnet %s",
		    b->subnet);
	return make_on_free_slice(b, ctx, make_own_bridge, err);
}

/* -- either ------------------------------------------------------------ */

int network_bridge_ensure(
    struct network_bridge *b, const struct ctx *ctx, bool own, struct err *err)
{
	b->own = own;
	b->made = true; /* perhaps, should it fail: an answer can get lost */
	return own ? ensure_own_bridge(b, ctx, err)
		   : ensure_engine_bridge(b, ctx, err);
}

/* The kernel takes away the pair of a container that has just ended when it
 * comes to it. */
static int remove_own_bridge(
    struct network_bridge *b, const struct ctx *ctx, struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, PORTS_GONE_MS);
	struct err late = ERR_INIT;

	while (hostnet_bridge_remove(b->device, err) < 0) {
		if (strcmp(err->code, "bridge_in_use") != 0 ||
		    ctx_sleep(&limited, PORTS_LOOK_MS, &late) < 0)
			return -1;
		err_clear(err);
	}
	return 0;
}

int network_bridge_remove(
    struct network_bridge *b, const struct ctx *ctx, struct err *err)
{
	if (!b->made)
		return 0;
	if (b->own)
		TRY(remove_own_bridge(b, ctx, err));
	else
		TRY(engine_network_remove(b->engine, ctx, b->name, err));
	b->made = false;
	return 0;
}
