/* Where a webhook may lead: see address.h. Threads of targets. */
#include "notify/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

/* Those of RFC 6890 and of the clouds' metadata services. */
static const struct {
	const char *range, *what;
} never[] = {
    {"169.254.0.0/16", "link-local"},
    {"fe80::/10", "link-local"},
    {"fec0::/10", "site-local"},
    {"0.0.0.0/8", "of no host"},
    {"::/128", "of no host"},
    {"224.0.0.0/4", "multicast"},
    {"ff00::/8", "multicast"},
    {"240.0.0.0/4", "reserved"},
    {"100.100.100.200", "a cloud's metadata service"},
    {"168.63.129.16", "a cloud's metadata service"},
    {"192.0.0.192", "a cloud's metadata service"},
    {"fd00:ec2::254", "a cloud's metadata service"},
    {"fd20:ce::254", "a cloud's metadata service"},
};

static bool is_named(const unsigned char a[IP_BYTES], const char *range)
{
	struct ip_range r;

	return ip_range_read(range, &r) == 0 && ip_range_has(&r, a);
}

/* "::ffff:1.2.3.4", "64:ff9b::1.2.3.4" (RFC 6052), "2002:102:304::" (RFC
 * 3056) and "::1.2.3.4" lead to 1.2.3.4. */
static void unwrap(unsigned char a[IP_BYTES])
{
	unsigned char v4[4];

	if (is_named(a, "2002::/16"))
		memcpy(v4, a + 2, 4);
	else if (is_named(a, "64:ff9b::/96") ||
		 (is_named(a, "::/96") && !is_named(a, "::/127")))
		memcpy(v4, a + 12, 4);
	else
		return;
	ip_set_v4(a, v4);
}

static bool take_bytes(const struct sockaddr *sa, unsigned char ret[IP_BYTES])
{
	if (!ip_of_sockaddr(sa, ret))
		return false;
	unwrap(ret);
	return true;
}

/* Every address of this machine reaches the hub, the engine, its services. */
static bool is_own(const unsigned char a[IP_BYTES])
{
	unsigned char one[IP_BYTES];
	struct ifaddrs *all;
	bool found = is_named(a, "127.0.0.0/8") || is_named(a, "::1");

	if (found || getifaddrs(&all) < 0)
		return found;
	for (const struct ifaddrs *i = all; i != NULL && !found;
	     i = i->ifa_next)
		found = i->ifa_addr != NULL && take_bytes(i->ifa_addr, one) &&
			memcmp(a, one, IP_BYTES) == 0;
	freeifaddrs(all);
	return found;
}

static bool is_private(const unsigned char a[IP_BYTES])
{
	return is_named(a, "10.0.0.0/8") || is_named(a, "172.16.0.0/12") ||
	       is_named(a, "192.168.0.0/16") || is_named(a, "100.64.0.0/10") ||
	       is_named(a, "fc00::/7");
}

static bool refuse(
    const unsigned char a[IP_BYTES], const char *what, char *why, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (ip_is_v4(a))
		inet_ntop(AF_INET, a + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, a, text, sizeof(text));
	snprintf(why, size, "%s is %s", text, what);
	return false;
}

bool address_may(const struct address_rules *r, const struct sockaddr *to,
    bool plain_http, char *why, size_t size)
{
	unsigned char a[IP_BYTES];
	bool allowed;

	if (!take_bytes(to, a)) {
		snprintf(why, size, "it leads to no internet address");
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (is_named(a, never[i].range))
			return refuse(a, never[i].what, why, size);
	allowed = ip_ranges_have(r->allow, r->nallow, a);
	if (!allowed && is_own(a))
		return refuse(a,
		    "this machine (allow it with RUNNERHUB_WEBHOOKS_ALLOW)",
		    why, size);
	if (!allowed && ip_ranges_have(r->jobs, r->njobs, a))
		return refuse(a,
		    "in a network of jobs (allow it with "
		    "RUNNERHUB_WEBHOOKS_ALLOW)",
		    why, size);
	/* RFC 8215: which address stands in it, its owner alone knows. */
	if (!allowed && is_named(a, "64:ff9b:1::/48"))
		return refuse(a,
		    "of a translator, and may lead anywhere (allow it with "
		    "RUNNERHUB_WEBHOOKS_ALLOW)",
		    why, size);
	if (plain_http && !allowed && !is_private(a))
		return refuse(a,
		    "outside, where plain http can be read: use https", why,
		    size);
	return true;
}
