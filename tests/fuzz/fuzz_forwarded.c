/*
 * net/forwarded.h on any chain: what comes of it is one clean address, which
 * says the same of itself; and what a client puts in front of the chain never
 * changes it. The row ['forwarded', [net]] in meson.build builds it.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "net/forwarded.h"

#define CHAIN_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const struct forwarded *f, const char *client)
{
	char again[FORWARDED_PEER_MAX];

	ASSERT(strlen(client) < FORWARDED_PEER_MAX);
	ASSERT(forwarded_host_len(client) == strlen(client));
	ASSERT(strspn(client, "0123456789abcdef.:[]") == strlen(client));
	ASSERT(forwarded_client(f, client, again));
	ASSERT(strcmp(client, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char chain[CHAIN_MAX], longer[CHAIN_MAX + 32];
	char client[FORWARDED_PEER_MAX], other[FORWARDED_PEER_MAX];
	struct err err = ERR_INIT;
	struct forwarded f;

	ASSERT(forwarded_read(&f, "10.0.0.0/8,fd00::/8", &err) == 0);
	if (size >= sizeof(chain))
		return 0;
	memcpy(chain, data, size);
	chain[size] = '\0';
	IGNORE(forwarded_trusts(&f, chain)); /* whatever it says */
	if (!forwarded_client(&f, chain, client))
		return 0;
	check_address(&f, client);
	if (forwarded_trusts(&f, client))
		return 0; /* all of them are proxies: the left-most counts */
	snprintf(longer, sizeof(longer), "203.0.113.1, %s", chain);
	ASSERT(forwarded_client(&f, longer, other));
	ASSERT(strcmp(client, other) == 0);
	return 0;
}
