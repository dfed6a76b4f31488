/*
 * Who is behind a reverse proxy: X-Forwarded-For, which each proxy appends the
 * address to that it was called from. Anybody can send one, so only what
 * proxies that we know have appended is believed. Pure functions.
 */
#ifndef NET_FORWARDED_H
#define NET_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/ip_range.h"

enum { FORWARDED_PROXIES_MAX = 64, FORWARDED_PEER_MAX = 64 };

struct forwarded {
	struct ip_range proxies[FORWARDED_PROXIES_MAX];
	size_t n;
};

/* csv: addresses and networks, or NULL. */
int forwarded_read(
    struct forwarded *ret, const char *csv, struct err *err) MUST_CHECK;

/* peer: as http_peer writes it. */
bool forwarded_trusts(const struct forwarded *f, const char *peer);

/*
 * The right-most address in the chain that is none of our proxies; where all
 * are, the left-most; what is no address ends the chain. The chain is that of
 * a trusted peer. False: it says nothing, the peer itself is the client.
 * out: "192.0.2.1", "[2001:db8::1]".
 */
bool forwarded_client(
    const struct forwarded *f, const char *chain, char out[FORWARDED_PEER_MAX]);

/* The length of a peer's address, without its port. */
size_t forwarded_host_len(const char *peer);

#endif
