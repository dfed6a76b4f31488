/*
 * Counts that would cost a scan: jobs per status, ended jobs ever, the last
 * event number. One row each, changed once per batch in the batch's own
 * transaction, so opening a store with a million jobs reads seventeen rows.
 */
#include <stdio.h>
#include <string.h>

#include "store/store_internal.h"

static const char EVENT_SEQ[] = "event_seq";
static const char PRESENT[] = "present_";
static const char ENDED[] = "ended_";

static void read_one(struct counters *c, const char *name, int64_t value)
{
	enum job_status status;

	if (strcmp(name, EVENT_SEQ) == 0)
		c->event_seq = value;
	else if (strncmp(name, PRESENT, sizeof(PRESENT) - 1) == 0 &&
		 job_status_parse(name + sizeof(PRESENT) - 1, &status) == 0)
		c->present[status] = value;
	else if (strncmp(name, ENDED, sizeof(ENDED) - 1) == 0 &&
		 job_status_parse(name + sizeof(ENDED) - 1, &status) == 0)
		c->ended[status] = value;
}

int counters_load(struct db *db, struct counters *ret, struct err *err)
{
	static const char sql[] = "SELECT name, value FROM counters";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	struct counters c = {0};
	int rc;

	TRY(db_use(db, sql, &st, err));
	while ((rc = db_step(st, err)) == 1) {
		const char *name = db_col_text(st);

		read_one(&c, name, db_col_int(st));
	}
	if (rc == 0)
		*ret = c;
	return rc;
}

static int save_one(struct db *db, const char *prefix, const char *name,
    int64_t value, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO counters (name, value) VALUES (?, ?)"
	    " ON CONFLICT (name) DO UPDATE SET value = excluded.value";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char full[32];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, full);
	db_bind_int(st, value);
	return db_run(st, err);
}

int counters_save(struct db *db, const struct counters *old,
    const struct counters *now, struct err *err)
{
	if (now->event_seq != old->event_seq)
		TRY(save_one(db, "", EVENT_SEQ, now->event_seq, err));
	for (int i = JOB_PENDING; i < JOB_STATUS_COUNT; i++) {
		const char *name = job_status_name((enum job_status)i);

		if (now->present[i] != old->present[i])
			TRY(save_one(db, PRESENT, name, now->present[i], err));
		if (now->ended[i] != old->ended[i])
			TRY(save_one(db, ENDED, name, now->ended[i], err));
	}
	return 0;
}
