/*
 * Masks secret values in a stream of bytes with "***". Every value is also
 * found in its usual encodings: base64 (standard and URL alphabet, all three
 * alignments), hex (both cases), percent-encoded, JSON-escaped. A value of
 * several lines is masked line by line (as GitHub does) and its encodings
 * also as a whole; pieces shorter than 3 bytes are not masked. Lines longer
 * than MASK_PIECE_MAX are split into pieces of about half that. What is
 * covered by any occurrence, overlapping or adjacent, becomes one "***".
 * Cost without a hit: one table look-up per byte.
 */
#ifndef BASE_MASK_H
#define BASE_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define MASK_PIECE_MAX 8192

/* The patterns; immutable after the adds, then shareable between threads.
 * The owner of all its streams may add later: that holds for what follows. */
struct mask_set;
struct mask_set *mask_set_new(void);
void mask_set_free(struct mask_set *m); /* wipes the patterns */
DEFINE_CLEANUP(struct mask_set *, mask_set_free);
/* Longer values and more of them cost memory: the caller bounds both. */
void mask_add(struct mask_set *m, const char *value, size_t len);
bool mask_is_empty(const struct mask_set *m);
/* The most bytes a stream may hold back: the longest pattern less one. */
size_t mask_held_max(const struct mask_set *m);

/* One per stream: holds back the end of a chunk that may be the beginning of
 * a secret (never across a newline). */
struct mask_stream {
	const struct mask_set *set;
	struct buf held;
	size_t covered; /* of held: stands under a "***" already written */
	bool in_run;    /* the byte before held does */
};
void mask_stream_init(struct mask_stream *s, const struct mask_set *set);
void mask_stream_fini(struct mask_stream *s);
/* Appends the masked bytes to out; last: nothing is held back. */
void mask_feed(struct mask_stream *s, const char *data, size_t len, bool last,
    struct buf *out);
/* A whole text at once. */
void mask_text(
    const struct mask_set *m, const char *data, size_t len, struct buf *out);

#endif
