/*
 * The SQLite driver of db.h. WAL journal, synchronous=FULL: a commit has
 * been fsynced when it returns. Called by the writer thread (DB_WRITER) and
 * by whoever borrowed a reader; a connection has one user at a time, so
 * SQLite's own mutexes are off.
 */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

/* How long to wait for another process (an operator's shell) at most. */
#define BUSY_TIMEOUT_MS 5000
#define TEXT_MAX        (64 * 1024 * 1024)

struct sqlite_db {
	struct db head;
	sqlite3 *handle;
	int lock_fd; /* of the only writer; -1 for readers */
	char path[PATH_MAX];
};
struct sqlite_stmt {
	struct db_stmt head;
	sqlite3_stmt *handle;
	int bind_rc; /* the first failed bind, told by the next step */
};

static struct sqlite_db *db_of(struct db *db)
{
	ASSERT(db->driver == &db_driver_sqlite);
	return (struct sqlite_db *)db;
}

static struct sqlite_stmt *stmt_of(struct db_stmt *st)
{
	return (struct sqlite_stmt *)st;
}

/* sqlite3_system_errno knows nothing of a failed write to the WAL. */
static int errno_of_file(struct sqlite_db *d, int which)
{
	sqlite3_file *file = NULL;
	int eno = 0;

	if (sqlite3_file_control(d->handle, "main", which, &file) !=
		SQLITE_OK ||
	    file == NULL || file->pMethods == NULL)
		return 0;
	IGNORE(
	    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &eno));
	return eno;
}

static bool is_space(int eno)
{
	return eno == ENOSPC || eno == EDQUOT || eno == EFBIG;
}

/* The errno behind an SQLITE_IOERR; SQLite tells only ENOSPC apart. */
static int io_errno(struct sqlite_db *d)
{
	int log = errno_of_file(d, SQLITE_FCNTL_JOURNAL_POINTER);
	int file = errno_of_file(d, SQLITE_FCNTL_FILE_POINTER);

	if (is_space(log) || file == 0)
		return log;
	return file;
}

static int fail_space(const struct sqlite_db *d, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "disk_full",
	    "no space left for %s: nothing was stored; free space on its "
	    "disk",
	    d->path);
}

static int fail_io(struct sqlite_db *d, int rc, struct err *err)
{
	int eno = io_errno(d);

	if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
		return err_set(err, ERR_UNCERTAIN, "commit_uncertain",
		    "the disk failed while syncing %s: the write may or may "
		    "not last; look before repeating it",
		    d->path);
	if (is_space(eno))
		return fail_space(d, err);
	err_sys(err, eno != 0 ? eno : EIO,
	    "reading or writing %s failed, check its disk", d->path);
	err->kind = ERR_UNAVAILABLE;
	snprintf(err->code, sizeof(err->code), "disk_error");
	return -1;
}

static int fail(struct sqlite_db *d, int rc, struct err *err)
{
	const char *text = sqlite3_errmsg(d->handle);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return fail_space(d, err);
	case SQLITE_IOERR:
		return fail_io(d, rc, err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, ERR_UNAVAILABLE, "store_locked",
		    "%s is locked by another process for more than %d ms",
		    d->path, BUSY_TIMEOUT_MS);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "%s is damaged or no SQLite database (%s): restore a "
		    "backup",
		    d->path, text);
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return err_set(err, ERR_UNAVAILABLE, "store_not_writable",
		    "%s cannot be opened for writing (%s): check that its "
		    "directory exists and its owner",
		    d->path, text);
	case SQLITE_CONSTRAINT:
		return err_set(err, ERR_INTERNAL, "store_constraint",
		    "%s refused a row: %s", d->path, text);
	case SQLITE_TOOBIG:
		return err_set(err, ERR_LIMIT, NULL,
		    "a value is too big for %s (at most %d bytes)", d->path,
		    TEXT_MAX);
	default:
		return err_set(
		    err, ERR_INTERNAL, "store_error", "%s: %s", d->path, text);
	}
}

/* -- connections ------------------------------------------------------- */

/* The allocator's statistics cost a global lock per allocation. */
static void configure_library(void)
{
	IGNORE(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0));
}

static int sqlite_exec(struct db *db, const char *sql, struct err *err)
{
	struct sqlite_db *d = db_of(db);
	int rc = sqlite3_exec(d->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(d, rc, err);
}

/*
 * secure_delete: sealed secrets are overwritten when a job ends. The log is
 * folded back every 4 MB: measured, larger folds gain no rate and double
 * the slowest answers, which wait for them. Nor does a larger cache: the
 * kernel's holds the file already.
 */
static const char SETUP_WRITER[] = "PRAGMA journal_mode=WAL;"
				   "PRAGMA synchronous=FULL;"
				   "PRAGMA secure_delete=ON;"
				   "PRAGMA wal_autocheckpoint=1000;"
				   "PRAGMA journal_size_limit=16777216;"
				   "PRAGMA cache_size=-2048;"
				   "PRAGMA temp_store=MEMORY;"
				   "PRAGMA foreign_keys=OFF;";
static const char SETUP_READER[] = "PRAGMA query_only=ON;"
				   "PRAGMA cache_size=-512;"
				   "PRAGMA temp_store=MEMORY;";

/*
 * SQLite would create the file readable by everybody; -wal and -shm get the
 * mode of the main file. An existing file is not opened: closing it would
 * drop the locks that SQLite holds on it in this process.
 */
static int create_private(const char *path, struct err *err)
{
	CLEANUP(fd_close) int fd =
	    open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EEXIST)
		return err_sys(err, errno, "create the database %s", path);
	return 0;
}

static int refuse_second_writer(const char *path, int fd, struct err *err)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	return err_set(err, ERR_CONFLICT, "store_in_use",
	    "%s is in use by another runnerhub (process %s): stop that one, "
	    "or choose another state directory",
	    path, n > 0 ? pid : "?");
}

/* One hub per database: two would start every job twice. The lock ends with
 * the process, however that ends. */
static int lock_writer(struct sqlite_db *d, struct err *err)
{
	CLEANUP(mem_free) char *path = mem_printf("%s.lock", d->path);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, errno, "open the lock file %s", path);
	d->lock_fd = fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return refuse_second_writer(d->path, fd, err);
	/* the number is for people only */
	IGNORE(ftruncate(fd, 0) < 0 || dprintf(fd, "%d", (int)getpid()) < 0);
	return 0;
}

static void sqlite_close(struct db *db)
{
	struct sqlite_db *d = db_of(db);

	/* every statement was finalized, so this cannot be refused */
	ASSERT(sqlite3_close(d->handle) == SQLITE_OK);
	fd_close(d->lock_fd);
	mem_free(d);
}

static int open_writer(struct sqlite_db *d, struct err *err)
{
	TRY(lock_writer(d, err));
	return create_private(d->path, err);
}

static int open_handle(struct sqlite_db *d, enum db_role role, struct err *err)
{
	int rc;

	if (role == DB_WRITER)
		TRY(open_writer(d, err));
	rc = sqlite3_open_v2(d->path, &d->handle,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return fail(d, rc, err);
	sqlite3_extended_result_codes(d->handle, 1);
	sqlite3_busy_timeout(d->handle, BUSY_TIMEOUT_MS);
	sqlite3_limit(d->handle, SQLITE_LIMIT_LENGTH, TEXT_MAX);
	return sqlite_exec(
	    &d->head, role == DB_WRITER ? SETUP_WRITER : SETUP_READER, err);
}

static int sqlite_open(
    struct db **ret, const char *path, enum db_role role, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sqlite_db *d;

	pthread_once(&once, configure_library);
	if (strlen(path) >= sizeof(d->path))
		return err_set(err, ERR_INVALID, NULL,
		    "the name of the database is too long");
	d = mem_zalloc(sizeof(*d));
	d->head.driver = &db_driver_sqlite;
	d->lock_fd = -1;
	memcpy(d->path, path, strlen(path) + 1);
	if (open_handle(d, role, err) < 0) {
		sqlite_close(&d->head);
		return -1;
	}
	*ret = &d->head;
	return 0;
}

/* -- transactions ------------------------------------------------------ */

static int run_cached(struct db *db, const char *sql, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	return db_run(st, err);
}

/* IMMEDIATE: the write lock at once, never an upgrade that can deadlock. */
static int sqlite_begin(struct db *db, struct err *err)
{
	static const char sql[] = "BEGIN IMMEDIATE";

	return run_cached(db, sql, err);
}

static void sqlite_rollback(struct db *db)
{
	/* fails only when SQLite has rolled back already */
	IGNORE(sqlite3_exec(db_of(db)->handle, "ROLLBACK", NULL, NULL, NULL));
}

static bool sqlite_in_transaction(struct db *db)
{
	return sqlite3_get_autocommit(db_of(db)->handle) == 0;
}

static int sqlite_commit(struct db *db, struct err *err)
{
	static const char sql[] = "COMMIT";

	ASSERT(sqlite_in_transaction(db));
	if (run_cached(db, sql, err) == 0)
		return 0;
	if (sqlite_in_transaction(db))
		sqlite_rollback(db);
	return -1;
}

/* -- statements -------------------------------------------------------- */

static int sqlite_prepare(
    struct db *db, const char *sql, struct db_stmt **ret, struct err *err)
{
	struct sqlite_db *d = db_of(db);
	struct sqlite_stmt *st;
	sqlite3_stmt *handle;
	int rc = sqlite3_prepare_v3(
	    d->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);

	if (rc != SQLITE_OK)
		return fail(d, rc, err);
	st = mem_zalloc(sizeof(*st));
	st->handle = handle;
	*ret = &st->head;
	return 0;
}

static void sqlite_finalize(struct db_stmt *st)
{
	sqlite3_finalize(stmt_of(st)->handle);
	mem_free(st);
}

static void note_bind(struct db_stmt *st, int rc)
{
	if (rc != SQLITE_OK && stmt_of(st)->bind_rc == SQLITE_OK)
		stmt_of(st)->bind_rc = rc;
}

static void sqlite_bind_null(struct db_stmt *st, int i)
{
	note_bind(st, sqlite3_bind_null(stmt_of(st)->handle, i));
}

static void sqlite_bind_int(struct db_stmt *st, int i, int64_t v)
{
	note_bind(st, sqlite3_bind_int64(stmt_of(st)->handle, i, v));
}

static void sqlite_bind_text(
    struct db_stmt *st, int i, const char *text, size_t len)
{
	note_bind(st, sqlite3_bind_text64(stmt_of(st)->handle, i, text, len,
			  SQLITE_STATIC, SQLITE_UTF8));
}

static void sqlite_bind_blob(
    struct db_stmt *st, int i, const void *data, size_t len)
{
	note_bind(st, sqlite3_bind_blob64(
			  stmt_of(st)->handle, i, data, len, SQLITE_STATIC));
}

static int sqlite_step(struct db_stmt *st, struct err *err)
{
	struct sqlite_stmt *s = stmt_of(st);
	int rc = s->bind_rc;

	/* a wrong index is our bug, never input */
	ASSERT(rc != SQLITE_RANGE);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s->handle);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : fail(db_of(st->db), rc, err);
}

static void sqlite_reset(struct db_stmt *st)
{
	struct sqlite_stmt *s = stmt_of(st);

	IGNORE(sqlite3_reset(s->handle)); /* repeats the error of the step */
	sqlite3_clear_bindings(s->handle);
	s->bind_rc = SQLITE_OK;
}

static int64_t sqlite_changes(struct db_stmt *st)
{
	return sqlite3_changes(db_of(st->db)->handle);
}

static bool sqlite_col_is_null(struct db_stmt *st, int i)
{
	return sqlite3_column_type(stmt_of(st)->handle, i) == SQLITE_NULL;
}

static int64_t sqlite_col_int(struct db_stmt *st, int i)
{
	return sqlite3_column_int64(stmt_of(st)->handle, i);
}

static const char *sqlite_col_text(struct db_stmt *st, int i, size_t *ret_len)
{
	sqlite3_stmt *handle = stmt_of(st)->handle;
	const void *text = sqlite3_column_text(handle, i);

	*ret_len = (size_t)sqlite3_column_bytes(handle, i);
	return text;
}

static const void *sqlite_col_blob(struct db_stmt *st, int i, size_t *ret_len)
{
	sqlite3_stmt *handle = stmt_of(st)->handle;
	const void *data = sqlite3_column_blob(handle, i);

	*ret_len = (size_t)sqlite3_column_bytes(handle, i);
	return data;
}

const struct db_driver db_driver_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .exec = sqlite_exec,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .in_transaction = sqlite_in_transaction,
    .prepare = sqlite_prepare,
    .finalize = sqlite_finalize,
    .bind_null = sqlite_bind_null,
    .bind_int = sqlite_bind_int,
    .bind_text = sqlite_bind_text,
    .bind_blob = sqlite_bind_blob,
    .step = sqlite_step,
    .reset = sqlite_reset,
    .changes = sqlite_changes,
    .col_is_null = sqlite_col_is_null,
    .col_int = sqlite_col_int,
    .col_text = sqlite_col_text,
    .col_blob = sqlite_col_blob,
};
