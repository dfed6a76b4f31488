/*
 * Networks of addresses, as people write them: "10.1.0.0/16", "fd00::/8",
 * "192.0.2.1". IPv4 is kept as ::ffff:a.b.c.d, so that one code judges both.
 * Pure functions.
 */
#ifndef BASE_IP_RANGE_H
#define BASE_IP_RANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { IP_BYTES = 16 };

struct ip_range {
	unsigned char bytes[IP_BYTES];
	int bits; /* of 128 */
};

/* -1: it is none. */
int ip_range_read(const char *text, struct ip_range *ret);
/* Appends those of a list, separated by commas (NULL: none), to the *n of at
 * most `max` there are. ERR_INVALID says which is none. */
int ip_ranges_read(const char *csv, struct ip_range *ranges, size_t max,
    size_t *n, struct err *err) MUST_CHECK;

bool ip_range_has(const struct ip_range *r, const unsigned char a[IP_BYTES]);
bool ip_ranges_have(
    const struct ip_range *ranges, size_t n, const unsigned char a[IP_BYTES]);

struct sockaddr;
/* False: no internet address. */
bool ip_of_sockaddr(const struct sockaddr *sa, unsigned char ret[IP_BYTES]);
bool ip_is_v4(const unsigned char a[IP_BYTES]);
/* a := ::ffff:v4 */
void ip_set_v4(unsigned char a[IP_BYTES], const unsigned char v4[4]);

#endif
