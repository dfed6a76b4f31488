/*
 * Networks of sessions and instances: see session_network.h. Each is a /28 of
 * the range, found by trying: the engine knows best what it has given away.
 * Hubs on one machine share the range and begin at different places. Called on
 * carriers' threads and by the collector; the guard's part is in network.c.
 */
#include "sandbox/session_network.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "sandbox/hostnet.h"
#include "sandbox/network_bridge.h"
#include "sandbox/sandbox_internal.h"

enum {
	PART_PREFIX = 28, /* 13 containers beside the gateway */
	PART_TRIES = 64,
	PARTS_MANY = 64,
	REMOVE_MS = 30000,
};

/* Whose it is: the label's value is the id of a job or of an instance. */
#define OF_SESSION  "runnerhub.session"
#define OF_INSTANCE "runnerhub.instance"

void session_network_name(const char *job_id, char ret[SESSION_NETWORK_LEN])
{
	char hex[33];
	size_t n = 0;

	for (; *job_id != '\0' && n < sizeof(hex) - 1; job_id++)
		if (*job_id != '-')
			hex[n++] = *job_id;
	hex[n] = '\0';
	snprintf(ret, SESSION_NETWORK_LEN, "runnerhub-s-%s",
	    n > 16 ? hex + n - 16 : hex);
}

/* -- one part of the range --------------------------------------------- */

/* The engine's words do not tell on which interface it is: with Docker on
 * the one that we named. */
static void device_of(const char *name, char ret[16])
{
	snprintf(ret, 16, "rs%s", name + strlen(name) - 13);
}

/* Asked once: no engine becomes another, and each network would wait. */
static bool is_podman(struct sandboxes *s, const struct ctx *ctx)
{
	struct engine_info info = {{0}};
	struct err ignored = ERR_INIT;

	if (atomic_load(&s->product) == PRODUCT_UNKNOWN &&
	    engine_info(s->config.engine, ctx, &info, &ignored) == 0)
		atomic_store(&s->product, strcmp(info.product, "podman") == 0
					      ? PRODUCT_PODMAN
					      : PRODUCT_OTHER);
	return atomic_load(&s->product) == PRODUCT_PODMAN;
}

/* What is to be made, and for whom. */
struct wish {
	const char *label, *id;
	const char *name;
};

/* Ports of an instance are there to be reached, those of a session are for
 * its own machine; network.mode is about jobs. */
static bool is_open(const struct wish *w)
{
	return strcmp(w->label, OF_INSTANCE) == 0;
}

static int create(struct sandboxes *s, const struct ctx *ctx,
    const struct wish *w, const struct hostnet_session *part, bool podman,
    struct err *err)
{
	const struct engine_pair labels[] = {{"runnerhub.managed", "true"},
	    {"runnerhub.hub", s->config.hub_id}, {w->label, w->id},
	    {NULL, NULL}};
	char subnet[40], gateway[20], text[20], id[ENGINE_ID_LEN];
	const struct engine_network_spec spec = {.name = w->name,
	    .bridge_name = podman ? NULL : part->device,
	    .subnet = subnet,
	    .gateway = gateway,
	    .internal =
		!is_open(w) && strcmp(s->config.network_mode, "none") == 0,
	    .icc = true,
	    .publish_on =
		podman || s->remote || is_open(w) ? NULL : "127.0.0.1",
	    .mtu = s->config.mtu,
	    .labels = labels};

	snprintf(subnet, sizeof(subnet), "%s/%u",
	    network_ip_text(part->base, text), part->prefix);
	network_ip_text(part->base + 1, gateway);
	return engine_network_create(s->config.engine, ctx, &spec, id, err);
}

/* Podman names its bridges by itself. */
static bool read_part(
    const struct engine_network *have, struct hostnet_session *ret)
{
	*ret = (struct hostnet_session){.device = ""};
	snprintf(ret->device, sizeof(ret->device), "%s", have->bridge_name);
	return network_subnet_read(have->subnet, &ret->base, &ret->prefix);
}

/* -- making ------------------------------------------------------------ */

/* How many there are in the range. */
static int count_parts(const struct sandboxes *s, uint32_t *ret_range,
    unsigned *ret, struct err *err)
{
	unsigned prefix = 0;

	TRY(network_range_parse(s->config.session_subnet,
	    "network.sessionSubnet", ret_range, &prefix, err));
	*ret = 1U << (PART_PREFIX - prefix);
	return 0;
}

bool session_networks_are_many(const struct sandboxes *s)
{
	struct err ignored = ERR_INIT;
	unsigned count = 0;
	uint32_t range;

	return count_parts(s, &range, &count, &ignored) == 0 &&
	       count >= PARTS_MANY;
}

static int make_on_free_part(struct sandboxes *s, const struct ctx *ctx,
    const struct wish *w, struct hostnet_session *ret, struct err *err)
{
	const bool podman = is_podman(s, ctx);
	unsigned count, tries, first;
	uint32_t range = 0;

	TRY(count_parts(s, &range, &count, err));
	tries = count < PART_TRIES ? count : PART_TRIES;
	first = (unsigned)map_hash(w->id, strlen(w->id)) % count;
	for (unsigned i = 0; i < tries; i++) {
		unsigned at = (first + i) % count;

		err_clear(err);
		*ret = (struct hostnet_session){.prefix = PART_PREFIX,
		    .base = range + (at << (32 - PART_PREFIX))};
		device_of(w->name, ret->device);
		if (create(s, ctx, w, ret, podman, err) == 0) {
			if (podman)
				ret->device[0] = '\0';
			return 0;
		}
		if (strcmp(err->code, "network_overlap") != 0)
			return -1;
	}
	err->kind = ERR_LIMIT;
	return err_wrap(err, "no part of network.sessionSubnet %s is free",
	    s->config.session_subnet);
}

/* 1: it is there, 0: it is not, -1. */
static int take_existing(struct sandboxes *s, const struct ctx *ctx,
    const char *name, struct hostnet_session *ret, struct err *err)
{
	CLEANUP(engine_network_fini) struct engine_network have = {{0}};

	if (engine_network_inspect(s->config.engine, ctx, name, &have, err) <
	    0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	if (read_part(&have, ret))
		return 1;
	return err_set(err, ERR_CONFLICT, "name_in_use",
	    "network %s is not one of ours", name);
}

static int take_or_make(struct sandboxes *s, const struct ctx *ctx,
    const struct wish *w, struct hostnet_session *ret, struct err *err)
{
	int found = take_existing(s, ctx, w->name, ret, err);

	if (found != 0)
		return found < 0 ? -1 : 0;
	if (make_on_free_part(s, ctx, w, ret, err) == 0)
		return 0;
	if (strcmp(err->code, "name_in_use") != 0)
		return -1;
	/* The call of a hub that has died came true in between. */
	err_clear(err);
	found = take_existing(s, ctx, w->name, ret, err);
	if (found == 0)
		return err_set(err, ERR_CONFLICT, "name_in_use",
		    "network %s came and went", w->name);
	return found < 0 ? -1 : 0;
}

static int make(struct sandboxes *s, const struct ctx *ctx, const char *label,
    const char *owner, struct err *err)
{
	char name[SESSION_NETWORK_LEN];
	const struct wish w = {.label = label, .id = owner, .name = name};
	struct hostnet_session part;

	session_network_name(owner, name);
	TRY(take_or_make(s, ctx, &w, &part, err));
	if (network_session_open(s->network, &part, err) < 0)
		return err_wrap(err, "guard the network %s", name);
	return 0;
}

int session_network_make(struct sandboxes *s, const struct ctx *ctx,
    const char *job_id, struct err *err)
{
	return make(s, ctx, OF_SESSION, job_id, err);
}

int instance_network_make(struct sandboxes *s, const struct ctx *ctx,
    const char *instance_id, struct err *err)
{
	return make(s, ctx, OF_INSTANCE, instance_id, err);
}

/* -- removing ---------------------------------------------------------- */

/* Also for a job that was cancelled. */
static int remove_named(struct sandboxes *s, const struct ctx *ctx,
    const struct engine_network *have, struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, REMOVE_MS);
	struct hostnet_session part;

	limited.cancel = NULL;
	TRY(engine_network_remove(s->config.engine, &limited, have->name, err));
	if (read_part(have, &part))
		network_session_close(s->network, part.base);
	return 0;
}

int session_network_remove(struct sandboxes *s, const struct ctx *ctx,
    const char *job_id, struct err *err)
{
	CLEANUP(engine_network_fini) struct engine_network have = {{0}};
	struct ctx limited = ctx_with_timeout(ctx, REMOVE_MS);
	char name[SESSION_NETWORK_LEN];

	limited.cancel = NULL;
	session_network_name(job_id, name);
	if (engine_network_inspect(
		s->config.engine, &limited, name, &have, err) == 0)
		return remove_named(s, ctx, &have, err);
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(err);
	return 0;
}

/* -- what is there ----------------------------------------------------- */

static int list_ours(struct sandboxes *s, const struct ctx *ctx,
    const char *label, struct engine_network_list *ret, struct err *err)
{
	char hub[128];
	const char *labels[] = {hub, label, NULL};

	snprintf(hub, sizeof(hub), "runnerhub.hub=%s", s->config.hub_id);
	return engine_network_list(s->config.engine, ctx, labels, ret, err);
}

static const char *owner_of(const struct engine_network *n, const char *label)
{
	for (size_t i = 0; i < n->nlabels; i++)
		if (strcmp(n->labels[i].key, label) == 0)
			return n->labels[i].value;
	return NULL;
}

static int sweep(struct sandboxes *s, const struct ctx *ctx, const char *label,
    network_keep_fn *keep, void *arg, struct err *err)
{
	CLEANUP(engine_network_list_free) struct engine_network_list l = {0};
	struct err failed = ERR_INIT;
	int removed = 0;

	TRY(list_ours(s, ctx, label, &l, err));
	for (size_t i = 0; i < l.n; i++) {
		const char *id = owner_of(&l.items[i], label);

		if (id == NULL || keep(arg, id))
			continue;
		if (remove_named(s, ctx, &l.items[i], &failed) == 0) {
			removed++;
			continue;
		}
		log_warn(ctx,
		    "cannot remove a leftover network, trying again later",
		    LOG_STR("network", l.items[i].name), LOG_ERR(&failed));
		err_clear(&failed);
	}
	return removed;
}

int session_networks_sweep(struct sandboxes *s, const struct ctx *ctx,
    network_keep_fn *keep, void *arg, struct err *err)
{
	return sweep(s, ctx, OF_SESSION, keep, arg, err);
}

int instance_networks_sweep(struct sandboxes *s, const struct ctx *ctx,
    network_keep_fn *keep, void *arg, struct err *err)
{
	return sweep(s, ctx, OF_INSTANCE, keep, arg, err);
}

static int find(struct sandboxes *s, const struct ctx *ctx, const char *label,
    struct err *err)
{
	CLEANUP(engine_network_list_free) struct engine_network_list l = {0};
	struct hostnet_session *found;
	size_t n = 0;

	TRY(list_ours(s, ctx, label, &l, err));
	found = mem_calloc(l.n + 1, sizeof(*found));
	for (size_t i = 0; i < l.n; i++)
		if (read_part(&l.items[i], &found[n]))
			n++;
	network_sessions_found(s->network, found, n);
	mem_free(found);
	return 0;
}

int session_networks_find(
    struct sandboxes *s, const struct ctx *ctx, struct err *err)
{
	TRY(find(s, ctx, OF_SESSION, err));
	return find(s, ctx, OF_INSTANCE, err);
}
