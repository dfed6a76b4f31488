/*
 * Where a webhook may lead. Its address is somebody's wish and the hub stands
 * inside of the network, so each address is judged before it is connected to:
 *
 *   never: link-local, the metadata services of clouds, unspecified,
 *     multicast, reserved;
 *   only if allowed by name (webhooks.allow): this machine (loopback, and
 *     every address of its own: the hub and the engine are there), and the
 *     networks of jobs;
 *   plain http: to private addresses and to what is allowed by name.
 *
 * An IPv4 address inside of an IPv6 one is judged as the former. Pure but for
 * the list of this machine's addresses; any thread.
 */
#ifndef NOTIFY_ADDRESS_H
#define NOTIFY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ip_range.h"

struct sockaddr;

enum { ADDRESS_RANGES_MAX = 64 };
struct address_rules {
	struct ip_range allow[ADDRESS_RANGES_MAX]; /* by name */
	size_t nallow;
	struct ip_range jobs[4]; /* where jobs are */
	size_t njobs;
};

/* False: why tells it. */
bool address_may(const struct address_rules *r, const struct sockaddr *to,
    bool plain_http, char *why, size_t size);

#endif
