/* Networks of addresses: see ip_range.h. Pure functions, any thread. */
#include "base/ip_range.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

enum { V4_BITS = 96 }; /* of ::ffff:0:0 */

static const unsigned char v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

bool ip_is_v4(const unsigned char a[IP_BYTES])
{
	return memcmp(a, v4_mapped, sizeof(v4_mapped)) == 0;
}

void ip_set_v4(unsigned char a[IP_BYTES], const unsigned char v4[4])
{
	memmove(a + sizeof(v4_mapped), v4, 4);
	memcpy(a, v4_mapped, sizeof(v4_mapped));
}

bool ip_of_sockaddr(const struct sockaddr *sa, unsigned char ret[IP_BYTES])
{
	struct sockaddr_in6 six;
	struct sockaddr_in four;

	if (sa->sa_family == AF_INET6) {
		memcpy(&six, sa, sizeof(six));
		memcpy(ret, &six.sin6_addr, IP_BYTES);
		return true;
	}
	if (sa->sa_family != AF_INET)
		return false;
	memcpy(&four, sa, sizeof(four));
	ip_set_v4(ret, (const unsigned char *)&four.sin_addr);
	return true;
}

/* -- reading ----------------------------------------------------------- */

/* How many bits of it are ours to say; -1: no address. */
static int read_address(const char *text, unsigned char ret[IP_BYTES])
{
	unsigned char v4[4];

	if (inet_pton(AF_INET6, text, ret) == 1)
		return 128;
	if (inet_pton(AF_INET, text, v4) != 1)
		return -1;
	ip_set_v4(ret, v4);
	return 128 - V4_BITS;
}

int ip_range_read(const char *text, struct ip_range *ret)
{
	char address[INET6_ADDRSTRLEN + 1];
	size_t n = strcspn(text, "/");
	int64_t bits;
	int own;

	if (n >= sizeof(address))
		return -1;
	memcpy(address, text, n);
	address[n] = '\0';
	own = read_address(address, ret->bytes);
	bits = own;
	if (own < 0 ||
	    (text[n] == '/' && parse_int(text + n + 1, 0, own, &bits) < 0))
		return -1;
	ret->bits = 128 - own + (int)bits;
	return 0;
}

int ip_ranges_read(const char *csv, struct ip_range *ranges, size_t max,
    size_t *n, struct err *err)
{
	char one[64];

	while (csv != NULL && *csv != '\0') {
		size_t len = strcspn(csv, ", ");

		if (len > 0) {
			snprintf(one, sizeof(one), "%.*s", (int)len, csv);
			if (len >= sizeof(one) || *n == max ||
			    ip_range_read(one, &ranges[*n]) < 0)
				return err_set(err, ERR_INVALID, "bad_network",
				    "\"%.60s\": expected at most %zu addresses "
				    "or networks such as 10.1.0.0/16 or "
				    "fd00::/8",
				    one, max);
			++*n;
		}
		csv += len;
		csv += strspn(csv, ", ");
	}
	return 0;
}

/* -- asking ------------------------------------------------------------ */

bool ip_range_has(const struct ip_range *r, const unsigned char a[IP_BYTES])
{
	int whole = r->bits / 8, rest = r->bits % 8;
	unsigned char mask = (unsigned char)(0xff00 >> rest);

	return memcmp(a, r->bytes, (size_t)whole) == 0 &&
	       (rest == 0 || (a[whole] & mask) == (r->bytes[whole] & mask));
}

bool ip_ranges_have(
    const struct ip_range *ranges, size_t n, const unsigned char a[IP_BYTES])
{
	for (size_t i = 0; i < n; i++)
		if (ip_range_has(&ranges[i], a))
			return true;
	return false;
}
