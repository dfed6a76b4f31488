/*
 * Sealing of secrets at rest: XChaCha20-Poly1305 with a random nonce, bound
 * to whom it is for. A sealed blob: version byte, the key's number, nonce,
 * ciphertext and tag. Pure; any thread.
 *
 * Which keys there are, and which the operator's key opens, is keyring.h.
 */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

#define SEAL_KEY_BYTES      32
#define SEAL_OVERHEAD_BYTES (1 + 4 + 24 + 16)

struct seal_key {
	uint32_t id;   /* stands in what it has sealed */
	int64_t since; /* wall ns: in use from then on; 0: from the first day */
	uint8_t bytes[SEAL_KEY_BYTES];
};

enum { SEAL_DATA_KEYS_MAX = 4, SEAL_SIGN_KEYS_MAX = 8 };

/* All keys of an open store. They change while it is rotated only, when
 * nobody else uses it. */
struct sealer {
	struct seal_key root; /* never changes */
	/* these follow from it, one for each use: */
	uint8_t hash_key[SEAL_KEY_BYTES];   /* content hashes */
	uint8_t runner_key[SEAL_KEY_BYTES]; /* what is kept of tokens */
	uint8_t audit_key[SEAL_KEY_BYTES];  /* the audit log's chain */
	/* the newest is the last of each: */
	struct seal_key data[SEAL_DATA_KEYS_MAX]; /* seal rows */
	size_t n_data;
	struct seal_key sign[SEAL_SIGN_KEYS_MAX]; /* tokens follow from them */
	size_t n_sign;
};

/* Once, before all else here. */
int seal_begin(struct err *err) MUST_CHECK;
/* Computes what follows from the root key. */
void sealer_derive(struct sealer *s);
void sealer_fini(struct sealer *s); /* wipes the keys */
/* 32 bytes of BLAKE2b of data under a context, so that no two uses share a
 * key. */
void seal_hash(uint8_t out[SEAL_KEY_BYTES], const char *context,
    const void *data, size_t len);

/* What tokens that are made at that moment follow from: as many bytes as a key
 * for this purpose (at most 64 bytes of text). */
void seal_sign_key(const struct sealer *s, int64_t wall_ns, const char *purpose,
    uint8_t ret[SEAL_KEY_BYTES]);

/* out: len + SEAL_OVERHEAD_BYTES bytes. With the newest key. */
void seal(const struct sealer *s, struct uuid owner, const void *plain,
    size_t len, uint8_t *out);
/* ERR_INVALID "wrong_key" when key, owner or bytes do not fit. */
int unseal(const struct sealer *s, struct uuid owner, const void *sealed,
    size_t len, struct secret **ret, struct err *err) MUST_CHECK;
/* Was it sealed with the newest key? */
bool seal_is_newest(const struct sealer *s, const void *sealed, size_t len);

/* The same two with one key. */
void seal_with(const struct seal_key *key, struct uuid owner, const void *plain,
    size_t len, uint8_t *out);
int unseal_with(const struct seal_key *key, struct uuid owner,
    const void *sealed, size_t len, struct secret **ret,
    struct err *err) MUST_CHECK;

#endif
