/*
 * Which IPv4 addresses of a range are free: the part of the sandboxes'
 * subnet that we hand out ourselves (the upper half; the engine's own
 * allocator has the lower). Addresses are in host byte order. Thread safe,
 * never blocks for long.
 */
#ifndef SANDBOX_ADDRPOOL_H
#define SANDBOX_ADDRPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define ADDRPOOL_MAX (UINT32_C(1) << 24)

struct addrpool; /* opaque */

/* The addresses first, first + 1, ... (1 to ADDRPOOL_MAX of them). */
int addrpool_new(struct addrpool **ret, uint32_t first, uint32_t count,
    struct err *err) MUST_CHECK;
void addrpool_free(struct addrpool *p); /* NULL is fine */
DEFINE_CLEANUP(struct addrpool *, addrpool_free);

/* A free address; one given back is the last to be taken again, so that
 * what still travels to its old owner seldom meets a new one. ERR_LIMIT
 * when all are in use. */
int addrpool_take(
    struct addrpool *p, uint32_t *ret, struct err *err) MUST_CHECK;

/* Marks one as in use, as found after a restart. false: it was in use, or
 * is not in the range (of an earlier configuration); nothing changes. */
bool addrpool_reserve(struct addrpool *p, uint32_t address);

/* Free again. One outside the range or not in use is ignored. */
void addrpool_give(struct addrpool *p, uint32_t address);

uint32_t addrpool_used(struct addrpool *p);

#endif
