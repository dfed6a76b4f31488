/*
 * The operator's key, which opens the store's keyring: from ENCRYPTION_KEY, or
 * from a file in the state directory that the hub made. Called while a store
 * is opened; blocks on the file.
 */
#ifndef STORE_MASTER_KEY_H
#define STORE_MASTER_KEY_H

#include "base/err.h"
#include "store/seal.h"
#include "store/store.h"

/* Of an operator's text of at least 16 bytes; `what` is its name in errors. */
int master_key_derive(struct seal_key *ret, const char *what, const char *text,
    struct err *err) MUST_CHECK;
/* 1, 0: no such file, -1: of another size, or open to others. */
int master_key_read(
    struct seal_key *ret, const char *path, struct err *err) MUST_CHECK;
/* Into the file, mode 0600, durably. */
int master_key_write(
    const struct seal_key *key, const char *path, struct err *err) MUST_CHECK;
void master_key_random(struct seal_key *ret);

/* All that an operator may have meant, in this order. */
enum master_source {
	MASTER_TEXT,     /* ENCRYPTION_KEY */
	MASTER_FILE,     /* the key file */
	MASTER_NEW_FILE, /* the one of a rotation that was interrupted */
	MASTER_OLD_TEXT, /* ENCRYPTION_KEY_OLD */
	MASTER_SOURCES,
};
struct master_keys {
	struct {
		bool there;
		struct seal_key key;
	} of[MASTER_SOURCES];
	char new_path[4096]; /* beside the key file */
};
/* A source that this configuration means to open the store with must be
 * right; another that cannot be read is left out. */
int master_keys_find(struct master_keys *ret, const struct store_config *c,
    struct err *err) MUST_CHECK;
/* Would the hub open its store with it? */
bool master_key_is_used(
    const struct store_config *c, enum master_source source);
/* "ENCRYPTION_KEY", "the key file /…", for messages. */
const char *master_key_name(const struct store_config *c,
    enum master_source source, char *buf, size_t size);
void master_keys_wipe(struct master_keys *k);
static inline void master_keys_wipe_guard(struct master_keys *k)
{
	master_keys_wipe(k);
}

#endif
