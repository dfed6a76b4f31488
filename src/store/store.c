/*
 * ~ The store's life: open (file, schema, key, writer thread), check,
 * statistics, close. Read next: writer.c (how a change becomes durable),
 * job_insert.c and job_change.c (what is changed), job_read.c.
 *
 * Called by main's boot and shutdown; check and stats from any thread.
 */
#include "store/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/audit_chain.h"
#include "store/keyring.h"

#define QUEUE_MAX_DEFAULT 16384

/* -- open and close ---------------------------------------------------- */

static void init_parts(struct store *s)
{
	mtx_init(&s->queue.mtx, "store queue");
	cond_init(&s->queue.more);
	s->queue.tail = &s->queue.head;
	mtx_init(&s->readers.mtx, "store readers");
	cond_init(&s->readers.freed);
}

static void fini_parts(struct store *s)
{
	struct readers *r = &s->readers;

	ASSERT(r->n_idle == r->n_open);
	for (unsigned i = 0; i < r->n_idle; i++)
		db_close(r->idle[i]);
	db_close(s->db); /* last: folds the WAL into the file */
	sealer_fini(&s->sealer);
	cond_fini(&r->freed);
	mtx_fini(&r->mtx);
	cond_fini(&s->queue.more);
	mtx_fini(&s->queue.mtx);
	mem_free(s->path);
	mem_free(s);
}

static int open_parts(struct store *s, const struct store_config *c,
    enum keyring_mode mode, struct keyring_opened *ret, struct err *err)
{
	TRY(db_open(&s->db, c->path, DB_WRITER, err));
	TRY(migrate(s->db, c->path, &s->schema_version, err));
	TRY(keyring_open(s, c, mode, ret, err));
	TRY(counters_load(s->db, &s->queue.counters, err));
	TRY(audit_open(s, err));
	return writer_start(s, err);
}

int store_open_as(struct store **ret, const struct store_config *config,
    enum keyring_mode mode, struct keyring_opened *ret_opened, struct err *err)
{
	struct store *s = mem_zalloc(sizeof(*s));

	s->magic = STORE_MAGIC;
	s->path = mem_strdup(config->path);
	s->queue_max =
	    config->queue_max > 0 ? config->queue_max : QUEUE_MAX_DEFAULT;
	init_parts(s);
	if (open_parts(s, config, mode, ret_opened, err) < 0) {
		fini_parts(s);
		return -1;
	}
	*ret = s;
	return 0;
}

int store_open(
    struct store **ret, const struct store_config *config, struct err *err)
{
	struct keyring_opened opened;
	int64_t n = 0;

	TRY(store_open_as(ret, config, KEYRING_OPEN, &opened, err));
	if (keyring_tidy(*ret, &n, err) == 0)
		return 0;
	store_close(*ret);
	*ret = NULL;
	return -1;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	MAGIC_CHECK(s, STORE_MAGIC);
	writer_stop(s);
	fini_parts(s);
}

/* -- readers ----------------------------------------------------------- */

/* Takes an idle one, or the right to open another; waits for either. */
static struct db *take_idle(struct readers *r)
{
	struct db *db = NULL;

	mtx_lock(&r->mtx);
	while (r->n_idle == 0 && r->n_open == STORE_READERS_MAX)
		cond_wait(&r->freed, &r->mtx);
	if (r->n_idle > 0)
		db = r->idle[--r->n_idle];
	else
		r->n_open++;
	mtx_unlock(&r->mtx);
	return db;
}

int reader_take(struct store *s, struct reader *ret, struct err *err)
{
	struct readers *r = &s->readers;
	struct db *db;

	MAGIC_CHECK(s, STORE_MAGIC);
	db = take_idle(r);
	if (db == NULL && db_open(&db, s->path, DB_READER, err) < 0) {
		mtx_lock(&r->mtx);
		r->n_open--;
		cond_signal(&r->freed);
		mtx_unlock(&r->mtx);
		return -1;
	}
	ret->store = s;
	ret->db = db;
	return 0;
}

void reader_return(struct reader *borrowed)
{
	struct readers *r;

	if (borrowed->db == NULL)
		return;
	r = &borrowed->store->readers;
	mtx_lock(&r->mtx);
	r->idle[r->n_idle++] = borrowed->db;
	cond_signal(&r->freed);
	mtx_unlock(&r->mtx);
	borrowed->db = NULL;
}

struct secret *store_secret_for(struct store *s, const char *purpose)
{
	uint8_t bytes[SEAL_KEY_BYTES];
	struct secret *made;

	MAGIC_CHECK(s, STORE_MAGIC);
	seal_sign_key(&s->sealer, INT64_MAX, purpose, bytes);
	made = secret_new((const char *)bytes, sizeof(bytes));
	secret_wipe(bytes, sizeof(bytes));
	return made;
}

/* -- check and statistics ---------------------------------------------- */

static int run_check(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO counters (name, value) VALUES ('checked_ns', ?)"
	    " ON CONFLICT (name) DO UPDATE SET value = excluded.value";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	(void)w;
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_int(st, clock_wall_ns());
	return db_run(st, err);
}

int store_check(struct store *s, struct err *err)
{
	struct write w = {.run = run_check};

	MAGIC_CHECK(s, STORE_MAGIC);
	return writer_run(s, &w, err);
}

static int64_t file_size(const char *path, const char *suffix)
{
	CLEANUP(mem_free) char *full = mem_printf("%s%s", path, suffix);
	struct stat st;

	return stat(full, &st) == 0 ? (int64_t)st.st_size : 0;
}

void store_stats(struct store *s, struct store_stats *ret)
{
	struct queue *q = &s->queue;

	MAGIC_CHECK(s, STORE_MAGIC);
	mtx_lock(&q->mtx);
	ret->commits = q->commits;
	ret->writes = q->writes;
	ret->failures = q->failures;
	ret->queue = q->n;
	mtx_unlock(&q->mtx);
	ret->file_bytes = file_size(s->path, "") + file_size(s->path, "-wal");
}

int store_schema_version(struct store *s)
{
	return s->schema_version;
}

const char *store_sqlite_version(void)
{
	return sqlite3_libversion();
}
