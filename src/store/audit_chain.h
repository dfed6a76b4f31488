/* The chain of the audit log, between its files and the writer. */
#ifndef STORE_AUDIT_CHAIN_H
#define STORE_AUDIT_CHAIN_H

#include "store/audit.h"
#include "store/store_internal.h"

struct audit_text { /* one row's texts as they are stored; borrowed */
	const char *at, *actor, *address, *action, *object, *result, *request,
	    *detail;
	int64_t status;
};
/* hash of (before, seq, row). */
void audit_hash(const struct sealer *sealer,
    const uint8_t before[AUDIT_HASH_BYTES], int64_t seq,
    const struct audit_text *row, uint8_t out[AUDIT_HASH_BYTES]);

/* Before the writer starts: where the chain ends. */
int audit_open(struct store *s, struct err *err) MUST_CHECK;

/* Adds a row within the transaction of something else; e is borrowed. */
int audit_append(struct tx *tx, const struct audit_entry *e,
    struct err *err) MUST_CHECK;

/* A place in the chain, sealed into store_keys: "audit_head" is its end,
 * "audit_anchor" the last row that was purged. 1, 0: none, -1. */
int audit_place_load(const struct store *s, struct db *db, const char *name,
    struct audit_head *ret, struct err *err) MUST_CHECK;
int audit_place_save(const struct store *s, struct db *db, const char *name,
    const struct audit_head *head, struct err *err) MUST_CHECK;
#define AUDIT_HEAD   "audit_head"
#define AUDIT_ANCHOR "audit_anchor"

#endif
