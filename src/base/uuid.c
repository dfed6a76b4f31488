/* UUIDs v4 and v7: see uuid.h. */
#include "base/uuid.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/defs.h"

void random_bytes(void *out, unsigned long len)
{
	char *p = out;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		ASSERT(n > 0);
		p += n;
		len -= (unsigned long)n;
	}
}

char *random_hex(char *out, unsigned n_bytes)
{
	uint8_t b;

	for (unsigned i = 0; i < n_bytes; i++) {
		random_bytes(&b, 1);
		snprintf(out + (size_t)2 * i, 3, "%02x", b);
	}
	return out;
}

static void set_version(struct uuid *id, unsigned version)
{
	id->b[6] = (uint8_t)((id->b[6] & 0x0f) | version << 4);
	id->b[8] = (uint8_t)((id->b[8] & 0x3f) | 0x80);
}

struct uuid uuid_v4(void)
{
	struct uuid id;

	random_bytes(&id, sizeof(id));
	set_version(&id, 4);
	return id;
}

/*
 * 48 bits of milliseconds, then 12 bits of sub-millisecond time (RFC 9562
 * §6.2 method 3). The 60 bits only ever move forward.
 */
struct uuid uuid_v7(void)
{
	static _Atomic uint64_t last;
	uint64_t seen = atomic_load(&last);
	uint64_t now = (uint64_t)clock_wall_ns();
	uint64_t tick =
	    (now / 1000000) << 12 | ((now % 1000000) * 4096 / 1000000);
	uint64_t next;
	struct uuid id;

	do {
		next = tick > seen ? tick : seen + 1;
	} while (!atomic_compare_exchange_weak(&last, &seen, next));
	random_bytes(&id, sizeof(id));
	for (int i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(next >> (52 - 8 * i));
	id.b[6] = (uint8_t)(next >> 8 & 0x0f);
	id.b[7] = (uint8_t)next;
	set_version(&id, 7);
	return id;
}

char *uuid_text(struct uuid id, char out[UUID_TEXT_LEN])
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[id.b[i] >> 4];
		*p++ = hex[id.b[i] & 15];
	}
	*p = '\0';
	return out;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uuid_parse(const char *t, struct uuid *ret)
{
	struct uuid id;
	int hi, lo;

	if (strnlen(t, UUID_TEXT_LEN) != UUID_TEXT_LEN - 1)
		return -1;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (*t++ != '-')
				return -1;
		hi = nibble(*t++);
		lo = nibble(*t++);
		if (hi < 0 || lo < 0)
			return -1;
		id.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = id;
	return 0;
}

bool uuid_equal(struct uuid a, struct uuid b)
{
	return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}
