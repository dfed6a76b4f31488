/* Changing the operator's key: see rotate.h. Main thread of the command. */
#include "store/rotate.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/audit_chain.h"
#include "store/keyring.h"

struct change {
	struct write write; /* first */
	const struct seal_key *master;
	const struct audit_entry *entry;
	struct sealer next;
};

static int run_change(struct tx *tx, struct write *w, struct err *err)
{
	struct change *c = (struct change *)w;

	/* The one that went for want of room goes here, too: a keyring with
	 * one too many does not open. */
	TRY(db_exec(tx->db, "DELETE FROM seal_keys", err));
	TRY(keyring_put_all(tx->db, c->master, &c->next, err));
	TRY(audit_append(tx, c->entry, err));
	FAULT("rotate_before_commit");
	return 0;
}

/* Behind the newest; the oldest goes when there is no room: it is of so many
 * rotations ago that its sessions are no loss. */
static void add_key(
    struct seal_key *keys, size_t *n, size_t max, int64_t since_ns)
{
	uint32_t id = keys[*n - 1].id + 1;

	if (*n == max) {
		memmove(keys, keys + 1, (max - 1) * sizeof(*keys));
		--*n;
	}
	keys[*n] = (struct seal_key){.id = id, .since = since_ns};
	random_bytes(keys[*n].bytes, sizeof(keys[*n].bytes));
	++*n;
}

static struct audit_entry entry_of(const char *detail)
{
	return (struct audit_entry){.at = clock_wall_ns(),
	    .actor = (char *)"local",
	    .address = (char *)"command line",
	    .action = (char *)"secret.rotate",
	    .result = (char *)"ok",
	    .detail = (char *)detail};
}

/* The moment of the change. */
static int change_keys(
    struct store *s, const struct seal_key *master, struct err *err)
{
	const struct audit_entry entry = entry_of(NULL);
	struct change c = {.write = {.run = run_change},
	    .master = master,
	    .entry = &entry,
	    .next = s->sealer};
	int rc;

	add_key(c.next.data, &c.next.n_data, SEAL_DATA_KEYS_MAX, 0);
	add_key(c.next.sign, &c.next.n_sign, SEAL_SIGN_KEYS_MAX, entry.at);
	rc = writer_run(s, &c.write, err);
	if (rc == 0)
		s->sealer = c.next;
	sealer_fini(&c.next);
	return rc;
}

/* The new file is there, whole, before the store takes its key; it gets its
 * name after. keyring_open settles what a crash leaves. */
static int change_to_file(
    struct store *s, const struct store_config *c, struct err *err)
{
	CLEANUP(mem_free) char *path = mem_printf("%s.new", c->key_path);
	struct seal_key key;
	int rc;

	master_key_random(&key);
	rc = master_key_write(&key, path, err);
	FAULT("rotate_key_written");
	if (rc == 0)
		rc = change_keys(s, &key, err);
	FAULT("rotate_changed");
	if (rc == 0)
		rc = master_key_write(&key, c->key_path, err);
	FAULT("rotate_key_named");
	if (rc == 0)
		unlink(path);
	secret_wipe(&key, sizeof(key));
	return rc;
}

/* A file's key that opens nothing any more does not stay. */
static int change_to_text(
    struct store *s, const struct store_config *c, struct err *err)
{
	struct seal_key key;
	int rc;

	TRY(master_key_derive(&key, "ENCRYPTION_KEY", c->encryption_key, err));
	rc = change_keys(s, &key, err);
	FAULT("rotate_changed");
	if (rc == 0)
		unlink(c->key_path);
	secret_wipe(&key, sizeof(key));
	return rc;
}

static int rotate(struct store *s, const struct store_config *c,
    const struct keyring_opened *opened, struct store_rotated *ret,
    struct err *err)
{
	ret->finished = opened->unfinished || opened->source == MASTER_NEW_FILE;
	TRY(keyring_tidy(s, &ret->n_rows, err));
	if (ret->finished && master_key_is_used(c, opened->source))
		return 0;
	ret->finished = false;
	if (opened->source == MASTER_TEXT)
		return err_set(err, ERR_INVALID, "same_key",
		    "ENCRYPTION_KEY opens the store already: set the new key "
		    "there, and the one used until now in ENCRYPTION_KEY_OLD");
	TRY(c->encryption_key != NULL ? change_to_text(s, c, err)
				      : change_to_file(s, c, err));
	return keyring_tidy(s, &ret->n_rows, err);
}

int store_rotate(
    const struct store_config *c, struct store_rotated *ret, struct err *err)
{
	struct keyring_opened opened;
	struct store *s = NULL;
	int rc;

	*ret = (struct store_rotated){0};
	TRY(store_open_as(&s, c, KEYRING_ROTATE, &opened, err));
	rc = rotate(s, c, &opened, ret, err);
	store_close(s);
	return rc;
}

int store_give_up(const struct store_config *c, struct err *err)
{
	const struct audit_entry entry = entry_of("{\"givenUp\":true}");
	struct keyring_opened opened;
	struct store *s = NULL;

	TRY(store_open_as(&s, c, KEYRING_GIVE_UP, &opened, err));
	store_audit_add(s, &entry);
	store_close(s);
	return 0;
}
