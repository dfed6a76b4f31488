/*
 * The keyring: random keys, kept in the store itself, sealed with the
 * operator's key alone. So another operator's key is a change of these few
 * rows, and nothing that was made with the keys is void by it.
 *
 *   root   what is kept of tokens, content hashes, the audit log's chain;
 *          never changes, as these cannot be made again
 *   data   seals rows; a row says which one
 *   sign   tokens of sessions and of logins follow from it; those that were
 *          made before it follow from the one before
 *
 * A store from before there was a keyring takes its key as root, sign and
 * first data key. Called while the store is opened, before anybody else has it.
 */
#ifndef STORE_KEYRING_H
#define STORE_KEYRING_H

#include "store/master_key.h"
#include "store/store_internal.h"

enum keyring_mode {
	KEYRING_OPEN,    /* with the key that is configured */
	KEYRING_ROTATE,  /* with any that opens it */
	KEYRING_GIVE_UP, /* the key is lost: begin anew */
};
struct keyring_opened {
	enum master_source source; /* what opened it */
	bool unfinished;           /* rows wait to be sealed anew */
};

/* Fills s->sealer, or makes the first keys. ERR_INVALID "wrong_key" says which
 * key would fit. Before the writer starts. */
int keyring_open(struct store *s, const struct store_config *c,
    enum keyring_mode mode, struct keyring_opened *ret,
    struct err *err) MUST_CHECK;
/* store_open with the keys of that mode, and without keyring_tidy. */
int store_open_as(struct store **ret, const struct store_config *config,
    enum keyring_mode mode, struct keyring_opened *ret_opened,
    struct err *err) MUST_CHECK;
/* Writes (or replaces) one key's row, within a transaction. */
int keyring_put(struct db *db, const struct seal_key *master,
    const char *purpose, const struct seal_key *key,
    struct err *err) MUST_CHECK;
/* All keys of a sealer: keyring_put. */
int keyring_put_all(struct db *db, const struct seal_key *master,
    const struct sealer *s, struct err *err) MUST_CHECK;

/* Seals all rows with the newest key, in bounded transactions, and drops the
 * keys that nothing needs any more. What a crash leaves the next opening does.
 * With a running writer. ret_n: rows sealed anew, added. */
int keyring_tidy(struct store *s, int64_t *ret_n, struct err *err) MUST_CHECK;
int reseal_all(struct store *s, int64_t *ret_n, struct err *err) MUST_CHECK;

#endif
