/*
 * Replies of the portal that are good for a moment. Bounded by number and
 * size; the one that ends first goes first. Any thread. Internal.
 */
#ifndef PORTAL_KEPT_H
#define PORTAL_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { KEPT_MAX = 256, KEPT_ONE_MAX = 512 * 1024, KEPT_BYTES_MAX = 4 << 20 };

struct kept;
struct kept *kept_new(void);
void kept_free(struct kept *k);
/* Appends what is kept under key; false: nothing, or no more. */
bool kept_get(struct kept *k, const char *key, struct buf *out);
/* Until then (monotonic). Bodies that are too large are not kept. */
void kept_put(
    struct kept *k, const char *key, const struct buf *body, int64_t until_ns);

#endif
