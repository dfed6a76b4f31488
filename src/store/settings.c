/*
 * Settings: see settings.h. Puts pass through the writer thread, reads use a
 * borrowed connection.
 */
#include "store/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/store_internal.h"

struct put {
	struct write write; /* first */
	const char *name, *value;
	char now[CLOCK_ISO_LEN];
};

static int run_put(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO settings (name, value, updated_at) VALUES (?, ?, ?)"
	    " ON CONFLICT (name) DO UPDATE SET value = excluded.value,"
	    " updated_at = excluded.updated_at";
	struct put *p = (struct put *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, p->name);
	db_bind_text(st, p->value);
	db_bind_text(st, p->now);
	return db_run(st, err);
}

int store_setting_put(
    struct store *s, const char *name, const char *value, struct err *err)
{
	struct put p = {
	    .write = {.run = run_put}, .name = name, .value = value};

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(strlen(value) < STORE_SETTING_MAX);
	clock_iso(clock_wall_ns(), p.now);
	return writer_run(s, &p.write, err);
}

int store_setting_get(struct store *s, const char *name,
    char ret[STORE_SETTING_MAX], int64_t *ret_changed, struct err *err)
{
	static const char sql[] =
	    "SELECT value, updated_at FROM settings WHERE name = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, name);
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	snprintf(ret, STORE_SETTING_MAX, "%s", db_col_text(st));
	if (clock_parse_iso(db_col_text(st), ret_changed) == 0)
		return 1;
	return err_set(err, ERR_INTERNAL, "store_corrupt",
	    "the stored setting %s has an unreadable time", name);
}
