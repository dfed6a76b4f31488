/*
 * Replies that GitHub may call unchanged: their entity tags and bodies, so
 * that asking again costs nothing of the rate limit. Bounded by number and
 * size; the one unused for longest goes first. Any thread. Internal.
 */
#ifndef GITHUB_ETAGS_H
#define GITHUB_ETAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { ETAGS_MAX = 128, ETAG_BODY_MAX = 128 * 1024, ETAGS_BYTES_MAX = 4 << 20 };

struct etags;
struct etags *etags_new(void);
void etags_free(struct etags *e);
/* The tag of key, if there is one. */
bool etags_get(struct etags *e, const char *key, char *ret_tag, size_t size);
/* Appends the body kept for exactly this tag; false: it is gone. */
bool etags_body(
    struct etags *e, const char *key, const char *tag, struct buf *out);
/* Bodies that are too large are not kept. */
void etags_put(
    struct etags *e, const char *key, const char *tag, const struct buf *body);

#endif
