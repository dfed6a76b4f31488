/*
 * The state database: SQLite in WAL mode, synchronous=FULL. One writer
 * thread takes whatever waits, runs it in one transaction (each piece in
 * its own savepoint), commits with one fsync and only then answers all of
 * them (group commit). Reads use a small pool of connections and never wait
 * for the writer. The only folder with SQL.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store;

struct store_config {
	const char *path;           /* "<state dir>/runnerhub.db" */
	const char *key_path;       /* generated (0600) when encryption_key is
				       NULL: "<state dir>/encryption.key" */
	const char *encryption_key; /* any text of >= 16 bytes, or NULL */
	const char *encryption_key_old; /* the one before, for a rotation and
					   for saying that it fits; or NULL */
	size_t queue_max;           /* inserts that may wait; 0: 16384 */
};

/* Opens or creates, migrates (refusing a newer schema), starts the writer.
 * ERR_CONFLICT "store_in_use" while another process has it open. */
int store_open(struct store **ret, const struct store_config *config,
    struct err *err) MUST_CHECK;
/* Finishes what was submitted, then closes. */
void store_close(struct store *s);

/* Can it still commit? Runs an empty durable write. */
int store_check(struct store *s, struct err *err) MUST_CHECK;

/* 32 bytes that follow from the store's newest sign key and the purpose; the
 * caller's. */
struct secret;
struct secret *store_secret_for(struct store *s, const char *purpose);

struct store_stats {
	uint64_t commits, writes, failures;
	uint64_t queue; /* waiting for the writer now */
	int64_t file_bytes;
};
void store_stats(struct store *s, struct store_stats *ret);
int store_schema_version(struct store *s);
const char *store_sqlite_version(void);

#endif
