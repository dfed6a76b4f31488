/*
 * The bridge that isolated sandboxes are joined to: made by the engine as one
 * of its networks, or by ourselves where the engine's cannot keep containers
 * apart (Podman's). Its range is a slice of network.subnet: hubs on one
 * machine share the subnet and take different slices. For network.c only,
 * whose preparing thread alone uses it.
 */
#ifndef SANDBOX_NETWORK_BRIDGE_H
#define SANDBOX_NETWORK_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"
#include "engine/engine.h"

struct network_bridge {
	struct engine *engine; /* borrowed, as all pointers */
	const char *hub_id;
	const char *subnet; /* "10.213.0.0/16" */
	int mtu;
	char name[64];   /* of the engine's network: "runnerhub-0a1b2c3d" */
	char device[16]; /* "rh0a1b2c3d" */
	uint32_t range;  /* of subnet */
	unsigned range_prefix;
	/* Set by ensure; with them the slice is known. */
	bool own; /* made by ourselves */
	bool made;
	uint32_t base, gateway;
	unsigned prefix;
};

/* Reads "10.213.0.0/16", /8 to /28; option is named by ERR_INVALID
 * "bad_subnet". Pure. */
int network_range_parse(const char *text, const char *option,
    uint32_t *ret_range, unsigned *ret_prefix, struct err *err) MUST_CHECK;
/* A range as an engine tells it; false: it is no such text. Pure. */
bool network_subnet_read(
    const char *text, uint32_t *ret_address, unsigned *ret_prefix);
/* An address of host byte order as text. */
char *network_ip_text(uint32_t address, char out[20]);

/* ERR_INVALID "bad_subnet". The other fields are the caller's. */
int network_bridge_init(struct network_bridge *b, struct err *err) MUST_CHECK;

/* Idempotent; finds the bridge of an earlier hub process and keeps its slice
 * if that still is one of subnet. */
int network_bridge_ensure(struct network_bridge *b, const struct ctx *ctx,
    bool own, struct err *err) MUST_CHECK;

/* ERR_CONFLICT while sandboxes are on it; none is fine. */
int network_bridge_remove(struct network_bridge *b, const struct ctx *ctx,
    struct err *err) MUST_CHECK;

#endif
