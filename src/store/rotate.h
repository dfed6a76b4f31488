/*
 * Changing the operator's key: `runnerhub secret rotate`. With the hub stopped:
 * the store is held by one process, so it is certain that nobody goes on with
 * the old key, and the new one never travels. Jobs that run are not touched;
 * the hub that starts after it adopts them as after any stop.
 *
 * One transaction seals the keyring with the new key and adds a fresh data and
 * a fresh sign key; that is the moment of the change. Rows are then sealed
 * anew, a few in each transaction. A crash before the moment leaves the old
 * key in force, one after it leaves rows to be done, which the next opening
 * does with the new key alone.
 */
#ifndef STORE_ROTATE_H
#define STORE_ROTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct store_rotated {
	bool finished;  /* an interrupted one was finished, nothing new begun */
	int64_t n_rows; /* sealed anew */
};

/*
 * To ENCRYPTION_KEY when c has it, else to a new key file; from whatever opens
 * the store: encryption_key_old, or the key file. ERR_CONFLICT "store_in_use"
 * while a hub runs; ERR_INVALID "wrong_key", "same_key". Writes an audit row.
 */
int store_rotate(const struct store_config *c, struct store_rotated *ret,
    struct err *err) MUST_CHECK;
/* The key is lost: gives up all that is sealed, with fresh keys; tokens of
 * runners are void, the audit log's chain begins anew. */
int store_give_up(const struct store_config *c, struct err *err) MUST_CHECK;

#endif
