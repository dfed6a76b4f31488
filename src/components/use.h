/*
 * Is a component used? Seen from the counters that the kernel keeps for the
 * network of its container: connections that it accepted, and which of them
 * are open. Bytes would tell less: what the component asks of others, and our
 * own health check, are no use of it. Any thread.
 */
#ifndef COMPONENTS_USE_H
#define COMPONENTS_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "components/lifeplan.h"

struct use_count {
	uint64_t accepted;  /* TCP, ever */
	uint64_t datagrams; /* UDP, ever; 0 when it has no such port */
	unsigned open;      /* connections at its ports now */
};
/* pid: of the container, as this machine sees it. ERR_UNAVAILABLE: it cannot
 * be seen from here (the engine is elsewhere, or the hub in a container). */
int use_count(int pid, const char *container, const struct lifeplan *plan,
    struct use_count *ret, struct err *err) MUST_CHECK;
/* Was it used between the two? */
bool use_was_made(const struct use_count *before, const struct use_count *now);

/* Of /proc/net/snmp: the field of a protocol. False: it is not there. Pure. */
bool use_read_snmp(
    const char *text, const char *protocol, const char *field, uint64_t *ret);
/* Of /proc/net/tcp or tcp6: connections at these ports. Pure. */
unsigned use_read_tcp(const char *text, const int *ports, size_t nports);

#endif
