/*
 * UUIDs (RFC 9562). Jobs carry v7 (ordered by creation time), instances v4.
 * Wrap in a struct of their own where two kinds could be confused.
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_LEN 37 /* with NUL */

struct uuid {
	uint8_t b[16];
};

struct uuid uuid_v4(void);
/* Strictly increasing within this process, also within a millisecond. */
struct uuid uuid_v7(void);
char *uuid_text(struct uuid id, char out[UUID_TEXT_LEN]); /* lower case */
/* Exactly 8-4-4-4-12 hex digits, any version; 0 or -1. */
int uuid_parse(const char *text, struct uuid *ret);
bool uuid_equal(struct uuid a, struct uuid b);

/* Fills with random bytes from the kernel. */
void random_bytes(void *out, unsigned long len);
/* 2*n lower-case hex digits and a NUL. */
char *random_hex(char *out, unsigned n_bytes);

#endif
