/*
 * base/ip_range.h on any text: what is read as a network holds the address
 * that it begins with, and no more are kept than there is room for. The row
 * ['ip_range', [base]] in meson.build builds it.
 */
#include <stdint.h>

#include "base/ip_range.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free) char *text = mem_strndup((const char *)data, size);
	struct ip_range ranges[4];
	struct err err = ERR_INIT;
	size_t n = 0;
	int rc = ip_ranges_read(text, ranges, ARRAY_LEN(ranges), &n, &err);

	ASSERT(n <= ARRAY_LEN(ranges));
	ASSERT((rc == 0) == (err.kind == ERR_NONE));
	for (size_t i = 0; i < n; i++) {
		ASSERT(ranges[i].bits >= 0 && ranges[i].bits <= 128);
		ASSERT(ip_range_has(&ranges[i], ranges[i].bytes));
	}
	return 0;
}
