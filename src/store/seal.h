/*
 * Sealing of secrets at rest: XChaCha20-Poly1305 with a random nonce, bound
 * to one job. A sealed blob: version byte, nonce, ciphertext and tag.
 */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

#define SEAL_KEY_BYTES      32
#define SEAL_OVERHEAD_BYTES (1 + 24 + 16)

struct sealer {
	uint8_t key[SEAL_KEY_BYTES];
	/* derived, one for each use: */
	uint8_t hash_key[SEAL_KEY_BYTES];    /* content hashes */
	uint8_t runner_key[SEAL_KEY_BYTES];  /* what is kept of tokens */
	uint8_t session_key[SEAL_KEY_BYTES]; /* tokens of sessions */
	uint8_t audit_key[SEAL_KEY_BYTES];   /* the audit log's chain */
};

/*
 * The key from the operator's text (>= 16 bytes), or, when that is NULL,
 * from the file key_path, made with 32 random bytes and mode 0600 if there
 * is none. A file with another size or open to others is refused.
 */
int sealer_init(struct sealer *s, const char *encryption_key,
    const char *key_path, struct err *err) MUST_CHECK;
void sealer_fini(struct sealer *s); /* wipes the keys */
/* As many bytes as a key, for this purpose (at most 64 bytes of text). */
struct secret *seal_secret_for(const struct sealer *s, const char *purpose);

/* out: len + SEAL_OVERHEAD_BYTES bytes. */
void seal(const struct sealer *s, struct uuid owner, const void *plain,
    size_t len, uint8_t *out);
/* ERR_INVALID "wrong_key" when key, owner or bytes do not fit. */
int unseal(const struct sealer *s, struct uuid owner, const void *sealed,
    size_t len, struct secret **ret, struct err *err) MUST_CHECK;

#endif
