/*
 * How rows of the audit log are chained: see audit.h. Pure, and the two places
 * of the chain that are kept sealed. The writer thread's, or a reader's.
 */
#include "store/audit_chain.h"

#include <sodium.h>
#include <string.h>

#include "base/secret.h"

static const struct uuid HEAD_OWNER; /* nobody's id */

static void add_number(crypto_generichash_state *st, int64_t n)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
	crypto_generichash_update(st, b, sizeof(b));
}

/* With its length, so that no text can pass for two. */
static void add_text(crypto_generichash_state *st, const char *text)
{
	add_number(st, text != NULL ? (int64_t)strlen(text) : -1);
	if (text != NULL)
		crypto_generichash_update(
		    st, (const unsigned char *)text, strlen(text));
}

void audit_hash(const struct sealer *sealer,
    const uint8_t before[AUDIT_HASH_BYTES], int64_t seq,
    const struct audit_text *row, uint8_t out[AUDIT_HASH_BYTES])
{
	const char *const texts[] = {row->at, row->actor, row->address,
	    row->action, row->object, row->result, row->request, row->detail};
	crypto_generichash_state st;

	ASSERT(crypto_generichash_init(&st, sealer->audit_key,
		   sizeof(sealer->audit_key), AUDIT_HASH_BYTES) == 0);
	crypto_generichash_update(&st, before, AUDIT_HASH_BYTES);
	add_number(&st, seq);
	add_number(&st, row->status);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		add_text(&st, texts[i]);
	crypto_generichash_final(&st, out, AUDIT_HASH_BYTES);
}

int audit_place_load(const struct store *s, struct db *db, const char *name,
    struct audit_head *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT sealed FROM store_keys WHERE name = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(secret_free) struct secret *plain = NULL;
	const void *sealed;
	size_t len;
	int rc;

	*ret = (struct audit_head){0};
	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, name);
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	sealed = db_col_blob(st, &len);
	TRY(unseal(&s->sealer, HEAD_OWNER, sealed, len, &plain, err));
	if (secret_expose(plain, &len) == NULL || len != sizeof(*ret))
		return err_set(err, ERR_INTERNAL, "sealed_damaged",
		    "the place %s of the audit log is damaged", name);
	memcpy(ret, secret_expose(plain, &len), sizeof(*ret));
	return 1;
}

int audit_place_save(const struct store *s, struct db *db, const char *name,
    const struct audit_head *head, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO store_keys (name, sealed) VALUES (?, ?)"
	    " ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	uint8_t sealed[sizeof(*head) + SEAL_OVERHEAD_BYTES];

	seal(&s->sealer, HEAD_OWNER, head, sizeof(*head), sealed);
	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, name);
	db_bind_blob(st, sealed, sizeof(sealed));
	return db_run(st, err);
}
