/*
 * A keyed hash of a request's content, so that a repeat can be told from
 * something else under the same name without keeping the content, and
 * without its secrets being guessable from the database. Any thread.
 */
#include <sodium.h>
#include <string.h>

#include "store/jobs.h"
#include "store/store_internal.h"

uint64_t store_content_hash(struct store *s, const void *data, size_t len)
{
	uint64_t hash = 0;
	uint8_t out[crypto_generichash_BYTES_MIN];

	crypto_generichash(out, sizeof(out), data, len, s->sealer.hash_key,
	    sizeof(s->sealer.hash_key));
	memcpy(&hash, out, sizeof(hash));
	return hash >> 1; /* 63 bits: the database's integers are signed */
}
