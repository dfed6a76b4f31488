/* Reads X-Forwarded-For: see forwarded.h. Called by the server's loop thread
 * for requests of trusted proxies. */
#include "net/forwarded.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { ADDRESS_BITS = 8 * IP_BYTES };

int forwarded_read(struct forwarded *ret, const char *csv, struct err *err)
{
	ret->n = 0;
	return ip_ranges_read(
	    csv, ret->proxies, FORWARDED_PROXIES_MAX, &ret->n, err);
}

size_t forwarded_host_len(const char *peer)
{
	const char *end = peer[0] == '[' ? strchr(peer, ']') : NULL;
	const char *colon = strchr(peer, ':');

	if (end != NULL)
		return (size_t)(end + 1 - peer);
	/* Two colons and no brackets: IPv6 without a port. */
	if (colon == NULL || strchr(colon + 1, ':') != NULL)
		return strlen(peer);
	return (size_t)(colon - peer);
}

/* One hop: an address, perhaps in brackets, perhaps with a port. */
static bool read_hop(const char *text, size_t len, unsigned char ret[IP_BYTES])
{
	char hop[FORWARDED_PEER_MAX];
	struct ip_range r;
	size_t n;

	if (len == 0 || len >= sizeof(hop))
		return false;
	memcpy(hop, text, len);
	hop[len] = '\0';
	n = forwarded_host_len(hop);
	if (hop[n] != '\0' && hop[n] != ':')
		return false;
	hop[n] = '\0';
	if (hop[0] == '[') {
		hop[n - 1] = '\0';
		memmove(hop, hop + 1, n - 1);
	}
	if (ip_range_read(hop, &r) < 0 || r.bits != ADDRESS_BITS)
		return false;
	memcpy(ret, r.bytes, IP_BYTES);
	return true;
}

static void write_hop(
    const unsigned char a[IP_BYTES], char out[FORWARDED_PEER_MAX])
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (ip_is_v4(a)) {
		inet_ntop(AF_INET, a + IP_BYTES - 4, text, sizeof(text));
		snprintf(out, FORWARDED_PEER_MAX, "%s", text);
	} else {
		inet_ntop(AF_INET6, a, text, sizeof(text));
		snprintf(out, FORWARDED_PEER_MAX, "[%s]", text);
	}
}

bool forwarded_trusts(const struct forwarded *f, const char *peer)
{
	unsigned char a[IP_BYTES];

	return f->n > 0 && read_hop(peer, strlen(peer), a) &&
	       ip_ranges_have(f->proxies, f->n, a);
}

bool forwarded_client(
    const struct forwarded *f, const char *chain, char out[FORWARDED_PEER_MAX])
{
	const char *end = chain + strlen(chain), *start;
	unsigned char a[IP_BYTES];
	bool found = false;

	for (; end > chain; end = start > chain ? start - 1 : chain) {
		for (start = end; start > chain && start[-1] != ',';)
			start--;
		const char *from = start, *to = end;

		while (from < to && (*from == ' ' || *from == '\t'))
			from++;
		while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
			to--;
		if (!read_hop(from, (size_t)(to - from), a))
			break;
		write_hop(a, out);
		found = true;
		if (!ip_ranges_have(f->proxies, f->n, a))
			break;
	}
	return found;
}
