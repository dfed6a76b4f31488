/*
 * A secret value: bytes that no printer knows. There is no function that
 * logs, formats or serialises it to JSON. Freed memory is wiped.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>

#include "base/defs.h"

struct secret; /* opaque */

struct secret *secret_new(const char *bytes, size_t len);
struct secret *secret_copy(const struct secret *s);
void secret_free(struct secret *s); /* wipes; NULL is fine */
DEFINE_CLEANUP(struct secret *, secret_free);

/* Borrowed, NUL-terminated; only for the place that really uses it. */
const char *secret_expose(const struct secret *s, size_t *ret_len);

/* Overwrites memory in a way the compiler keeps. */
void secret_wipe(void *p, size_t len);

#endif
