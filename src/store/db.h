/*
 * The seam between the store's SQL and a database: connections, cached
 * statements, positional parameters, transactions. A driver is one table of
 * functions; SQLite is db_sqlite.c. SQL text lives in the files that bind
 * it, in the subset that SQLite >= 3.35 and PostgreSQL >= 13 share, with `?`
 * for parameters.
 *
 * A connection and its statements belong to one thread at a time. Parameters
 * are bound in order of appearance and columns read in order of selection,
 * so no statement counts question marks:
 *
 *   CLEANUP(db_done) struct db_stmt *st = NULL;
 *   TRY(db_use(db, SQL, &st, err));
 *   db_bind_text(st, id);
 *   while ((rc = db_step(st, err)) == 1)
 *           x = db_col_int(st);
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct db;
struct db_stmt;

enum db_role { DB_WRITER, DB_READER };

struct db_driver {
	const char *name;
	int (*open)(struct db **ret, const char *target, enum db_role role,
	    struct err *err);
	void (*close)(struct db *db);
	int (*exec)(struct db *db, const char *sql, struct err *err);
	int (*begin)(struct db *db, struct err *err);
	int (*commit)(struct db *db, struct err *err);
	void (*rollback)(struct db *db);
	bool (*in_transaction)(struct db *db);
	int (*prepare)(struct db *db, const char *sql, struct db_stmt **ret,
	    struct err *err);
	void (*finalize)(struct db_stmt *st);
	void (*bind_null)(struct db_stmt *st, int i);
	void (*bind_int)(struct db_stmt *st, int i, int64_t v);
	void (*bind_text)(
	    struct db_stmt *st, int i, const char *text, size_t len);
	void (*bind_blob)(
	    struct db_stmt *st, int i, const void *data, size_t len);
	int (*step)(struct db_stmt *st, struct err *err);
	void (*reset)(struct db_stmt *st);
	int64_t (*changes)(struct db_stmt *st);
	bool (*col_is_null)(struct db_stmt *st, int i);
	int64_t (*col_int)(struct db_stmt *st, int i);
	const char *(*col_text)(struct db_stmt *st, int i, size_t *ret_len);
	const void *(*col_blob)(struct db_stmt *st, int i, size_t *ret_len);
};
extern const struct db_driver db_driver_sqlite;

/* The commonly used head of every driver's connection and statement. */
#define DB_CACHE_MAX 128
struct db {
	const struct db_driver *driver;
	struct {
		const char *sql;
		struct db_stmt *st;
	} cache[DB_CACHE_MAX];
	unsigned n_cached;
};
struct db_stmt {
	struct db *db;
	int next_param; /* 1-based */
	int next_col;   /* 0-based */
	bool in_use;
};

/* target: for SQLite the file's path. */
int db_open(struct db **ret, const char *target, enum db_role role,
    struct err *err) MUST_CHECK;
void db_close(struct db *db); /* also its statements; NULL is fine */
DEFINE_CLEANUP(struct db *, db_close);

/* Text of one or more statements without parameters or rows. */
int db_exec(struct db *db, const char *sql, struct err *err) MUST_CHECK;
/* Begins a transaction that may write. */
int db_begin(struct db *db, struct err *err) MUST_CHECK;
/*
 * ERR_UNAVAILABLE "disk_full": nothing was written, the transaction is gone.
 * ERR_UNCERTAIN: the disk failed while syncing, it may have been written.
 */
int db_commit(struct db *db, struct err *err) MUST_CHECK;
void db_rollback(struct db *db); /* fine when there is no transaction */
bool db_in_transaction(struct db *db);

/*
 * The prepared statement of `sql`, ready to bind; cached per connection by
 * the address of the text, which must therefore be a constant. Give it back
 * with db_done before using the same one again.
 */
int db_use(struct db *db, const char *sql, struct db_stmt **ret,
    struct err *err) MUST_CHECK;
void db_done(struct db_stmt *st);
DEFINE_CLEANUP(struct db_stmt *, db_done);

/* Each binds the next parameter; memory is borrowed until db_done. */
void db_bind_null(struct db_stmt *st);
void db_bind_int(struct db_stmt *st, int64_t v);
void db_bind_int_or_null(struct db_stmt *st, int64_t v); /* 0: NULL */
void db_bind_text(struct db_stmt *st, const char *text); /* NULL: NULL */
void db_bind_textn(struct db_stmt *st, const char *text, size_t len);
void db_bind_blob(struct db_stmt *st, const void *data, size_t len);

/* 1: a row, 0: the end, -1: error (also of an earlier bind). */
int db_step(struct db_stmt *st, struct err *err) MUST_CHECK;
/* For a statement without rows of interest: runs it to its end. */
int db_run(struct db_stmt *st, struct err *err) MUST_CHECK;
/* Rows that the INSERT, UPDATE or DELETE just run has changed. */
int64_t db_changes(struct db_stmt *st);

/* Each reads the next column of the row; NULL reads as 0 or NULL. */
int64_t db_col_int(struct db_stmt *st);
int64_t db_col_int_null(struct db_stmt *st, bool *ret_has);
const char *db_col_text(struct db_stmt *st); /* until the next step */
char *db_col_strdup(struct db_stmt *st);     /* mem_free; NULL: NULL */
const void *db_col_blob(struct db_stmt *st, size_t *ret_len);

#endif
