/*
 * What every driver shares: see db.h. The statement cache and the counting
 * of parameters and columns. On the thread that holds the connection.
 */
#include "store/db.h"

#include <string.h>

#include "base/mem.h"

int db_open(
    struct db **ret, const char *target, enum db_role role, struct err *err)
{
	return db_driver_sqlite.open(ret, target, role, err);
}

void db_close(struct db *db)
{
	if (db == NULL)
		return;
	for (unsigned i = 0; i < db->n_cached; i++) {
		ASSERT(!db->cache[i].st->in_use);
		db->driver->finalize(db->cache[i].st);
	}
	db->driver->close(db);
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
	return db->driver->exec(db, sql, err);
}

int db_begin(struct db *db, struct err *err)
{
	ASSERT(!db->driver->in_transaction(db));
	return db->driver->begin(db, err);
}

int db_commit(struct db *db, struct err *err)
{
	return db->driver->commit(db, err);
}

void db_rollback(struct db *db)
{
	if (db->driver->in_transaction(db))
		db->driver->rollback(db);
}

bool db_in_transaction(struct db *db)
{
	return db->driver->in_transaction(db);
}

static struct db_stmt *cache_find(struct db *db, const char *sql)
{
	for (unsigned i = 0; i < db->n_cached; i++)
		if (db->cache[i].sql == sql)
			return db->cache[i].st;
	return NULL;
}

int db_use(
    struct db *db, const char *sql, struct db_stmt **ret, struct err *err)
{
	struct db_stmt *st = cache_find(db, sql);

	if (st == NULL) {
		ASSERT(db->n_cached < DB_CACHE_MAX);
		TRY(db->driver->prepare(db, sql, &st, err));
		st->db = db;
		st->in_use = false;
		db->cache[db->n_cached].sql = sql;
		db->cache[db->n_cached++].st = st;
	}
	ASSERT(!st->in_use);
	st->in_use = true;
	st->next_param = 1;
	st->next_col = 0;
	*ret = st;
	return 0;
}

void db_done(struct db_stmt *st)
{
	if (st == NULL || !st->in_use)
		return;
	st->db->driver->reset(st);
	st->in_use = false;
}

void db_bind_null(struct db_stmt *st)
{
	st->db->driver->bind_null(st, st->next_param++);
}

void db_bind_int(struct db_stmt *st, int64_t v)
{
	st->db->driver->bind_int(st, st->next_param++, v);
}

void db_bind_int_or_null(struct db_stmt *st, int64_t v)
{
	if (v == 0)
		db_bind_null(st);
	else
		db_bind_int(st, v);
}

void db_bind_textn(struct db_stmt *st, const char *text, size_t len)
{
	if (text == NULL)
		db_bind_null(st);
	else
		st->db->driver->bind_text(st, st->next_param++, text, len);
}

void db_bind_text(struct db_stmt *st, const char *text)
{
	db_bind_textn(st, text, text != NULL ? strlen(text) : 0);
}

void db_bind_blob(struct db_stmt *st, const void *data, size_t len)
{
	if (data == NULL)
		db_bind_null(st);
	else
		st->db->driver->bind_blob(st, st->next_param++, data, len);
}

int db_step(struct db_stmt *st, struct err *err)
{
	ASSERT(st->in_use);
	st->next_col = 0;
	return st->db->driver->step(st, err);
}

int db_run(struct db_stmt *st, struct err *err)
{
	int rc;

	do {
		rc = db_step(st, err);
	} while (rc == 1);
	return rc;
}

int64_t db_changes(struct db_stmt *st)
{
	return st->db->driver->changes(st);
}

int64_t db_col_int(struct db_stmt *st)
{
	return st->db->driver->col_int(st, st->next_col++);
}

int64_t db_col_int_null(struct db_stmt *st, bool *ret_has)
{
	*ret_has = !st->db->driver->col_is_null(st, st->next_col);
	return db_col_int(st);
}

const char *db_col_text(struct db_stmt *st)
{
	size_t len;

	return st->db->driver->col_text(st, st->next_col++, &len);
}

char *db_col_strdup(struct db_stmt *st)
{
	size_t len;
	const char *text = st->db->driver->col_text(st, st->next_col++, &len);

	return text != NULL ? mem_strndup(text, len) : NULL;
}

const void *db_col_blob(struct db_stmt *st, size_t *ret_len)
{
	return st->db->driver->col_blob(st, st->next_col++, ret_len);
}
