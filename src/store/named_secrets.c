/*
 * Named secrets: see named_secrets.h. Sealed and opened on the caller's
 * thread; changes pass through the writer thread, reads use a borrowed
 * connection. What is sealed is bound to its name: a row moved to another
 * name does not open there.
 */
#include "store/named_secrets.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

#define LIST_LIMIT_MAX 1000

bool named_secret_name_is_valid(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-.";
	size_t n = strnlen(name, NAMED_SECRET_NAME_MAX + 1);

	return n > 0 && n <= NAMED_SECRET_NAME_MAX &&
	       strchr(first, name[0]) != NULL && strspn(name, rest) == n;
}

static int check_name(const char *name, struct err *err)
{
	if (named_secret_name_is_valid(name))
		return 0;
	return err_set(err, ERR_INVALID, "invalid_name",
	    "The name of a secret has 1 to %d letters, digits, \"_\", \"-\" or "
	    "\".\" and begins with a letter or \"_\"",
	    NAMED_SECRET_NAME_MAX);
}

static int check_value(const char *value, size_t len, struct err *err)
{
	if (len == 0 || len > NAMED_SECRET_VALUE_MAX)
		return err_set(err, ERR_INVALID, "invalid_value",
		    "The value of a secret has 1 to %d bytes, this one %zu",
		    NAMED_SECRET_VALUE_MAX, len);
	if (memchr(value, '\0', len) != NULL)
		return err_set(err, ERR_INVALID, "invalid_value",
		    "The value of a secret cannot hold a NUL byte: it becomes "
		    "an environment variable");
	return 0;
}

struct uuid named_secret_owner(const struct store *s, const char *name)
{
	struct uuid owner;

	_Static_assert(sizeof(owner.b) == crypto_generichash_BYTES_MIN, "size");
	crypto_generichash(owner.b, sizeof(owner.b),
	    (const unsigned char *)name, strlen(name), s->sealer.hash_key,
	    sizeof(s->sealer.hash_key));
	return owner;
}

/* -- put --------------------------------------------------------------- */

struct put {
	struct write write; /* first */
	const char *name;
	const char *use, *repositories; /* NULL: as they are */
	const uint8_t *sealed;
	size_t sealed_len;
	char now[CLOCK_ISO_LEN];
};

/* Room for one more, or it is there already? */
static int check_room(struct db *db, const char *name, struct err *err)
{
	static const char sql[] =
	    "SELECT COUNT(*) FROM named_secrets WHERE name <> ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, name);
	TRY(db_step(st, err));
	if (db_col_int(st) < NAMED_SECRETS_MAX)
		return 0;
	return err_set(err, ERR_LIMIT, "too_many_secrets",
	    "there are %d secrets already, that is the maximum: delete some",
	    NAMED_SECRETS_MAX);
}

static int run_put(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO named_secrets (name, sealed, created_at, updated_at,"
	    " used_by, repositories) VALUES (?, ?, ?, ?,"
	    " COALESCE(?, 'components'), COALESCE(?, ''))"
	    " ON CONFLICT (name) DO UPDATE SET"
	    " sealed = excluded.sealed, updated_at = excluded.updated_at,"
	    " used_by = COALESCE(?, named_secrets.used_by),"
	    " repositories = COALESCE(?, named_secrets.repositories)";
	struct put *p = (struct put *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(check_room(tx->db, p->name, err));
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, p->name);
	db_bind_blob(st, p->sealed, p->sealed_len);
	db_bind_text(st, p->now);
	db_bind_text(st, p->now);
	for (int i = 0; i < 2; i++) {
		db_bind_text(st, p->use);
		db_bind_text(st, p->repositories);
	}
	return db_run(st, err);
}

/* ret: the repositories, tidied, if any are given. */
static int check_rule(
    const struct named_secret_new *n, struct secret_rule *ret, struct err *err)
{
	if (n->use != NULL && secret_use_parse(n->use, &ret->use) < 0)
		return err_set(err, ERR_INVALID, "invalid_use",
		    "A secret is for \"components\", \"jobs\" or \"both\", not "
		    "for \"%.40s\"",
		    n->use);
	if (n->repositories == NULL)
		return 0;
	return secret_rule_set_repositories(ret, n->repositories, err);
}

int store_named_secret_put(
    struct store *s, const struct named_secret_new *n, struct err *err)
{
	struct put p = {
	    .write = {.run = run_put}, .name = n->name, .use = n->use};
	CLEANUP(mem_free) uint8_t *sealed = NULL;
	const char *name = n->name, *value = n->value;
	struct secret_rule rule = {0};
	size_t len = n->len;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(check_name(name, err));
	TRY(check_value(value, len, err));
	TRY(check_rule(n, &rule, err));
	p.repositories = n->repositories != NULL ? rule.repositories : NULL;
	p.sealed_len = len + SEAL_OVERHEAD_BYTES;
	p.sealed = sealed = mem_alloc(p.sealed_len);
	seal(&s->sealer, named_secret_owner(s, name), value, len, sealed);
	clock_iso(clock_wall_ns(), p.now);
	return writer_run(s, &p.write, err);
}

/* -- delete ------------------------------------------------------------ */

struct deletion {
	struct write write; /* first */
	const char *name;
	bool found; /* set by run */
};

static int run_deletion(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] = "DELETE FROM named_secrets WHERE name = ?";
	struct deletion *d = (struct deletion *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, d->name);
	TRY(db_run(st, err));
	d->found = db_changes(st) > 0;
	return 0;
}

int store_named_secret_delete(
    struct store *s, const char *name, struct err *err)
{
	struct deletion d = {.write = {.run = run_deletion}, .name = name};

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(writer_run(s, &d.write, err));
	return d.found;
}

/* -- reads ------------------------------------------------------------- */

static void read_rule(struct db_stmt *st, struct secret_rule *ret)
{
	struct err ignored = ERR_INIT;

	*ret = SECRET_RULE_DEFAULT;
	IGNORE(secret_use_parse(db_col_text(st), &ret->use));
	/* It was checked when it came in. */
	IGNORE(secret_rule_set_repositories(ret, db_col_text(st), &ignored));
}

int store_named_secret_get(struct store *s, const char *name, struct buf *out,
    struct secret_rule *ret_rule, struct err *err)
{
	static const char sql[] = "SELECT used_by, repositories, sealed"
				  " FROM named_secrets WHERE name = ?";
	struct secret_rule rule;
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(secret_free) struct secret *plain = NULL;
	const void *sealed;
	const char *value;
	size_t len;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, name);
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	read_rule(st, &rule);
	if (ret_rule != NULL)
		*ret_rule = rule;
	sealed = db_col_blob(st, &len);
	if (unseal(&s->sealer, named_secret_owner(s, name), sealed, len, &plain,
		err) < 0)
		return err_wrap(err, "open the secret %.128s", name);
	value = secret_expose(plain, &len);
	if (buf_append(out, value, len) == 0)
		return 1;
	return err_set(err, ERR_LIMIT, "no_room",
	    "the secret %.128s has %zu bytes, more than there is room for",
	    name, len);
}

void named_secret_list_free(struct named_secret_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		mem_free(l->items[i].name);
	mem_free(l->items);
	memset(l, 0, sizeof(*l));
}

static int read_row(
    struct db_stmt *st, struct named_secret *ret, struct err *err)
{
	const char *created, *updated;

	ret->name = db_col_strdup(st);
	created = db_col_text(st);
	updated = db_col_text(st);
	read_rule(st, &ret->rule);
	if (clock_parse_iso(created, &ret->created_at) == 0 &&
	    clock_parse_iso(updated, &ret->updated_at) == 0)
		return 0;
	return err_set(err, ERR_INTERNAL, "store_corrupt",
	    "the stored secret %.128s has an unreadable time", ret->name);
}

int store_named_secret_list(struct store *s, const char *after, int64_t limit,
    struct named_secret_list *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT name, created_at, updated_at, used_by, repositories"
	    " FROM named_secrets"
	    " WHERE name > ? ORDER BY name LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(named_secret_list_free) struct named_secret_list l = {0};
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(limit >= 1 && limit <= LIST_LIMIT_MAX);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, after != NULL ? after : "");
	db_bind_int(st, limit);
	l.items = mem_calloc((size_t)limit, sizeof(l.items[0]));
	while ((rc = db_step(st, err)) == 1)
		TRY(read_row(st, &l.items[l.n++], err));
	TRY(rc);
	*ret = l;
	l = (struct named_secret_list){0};
	return 0;
}
