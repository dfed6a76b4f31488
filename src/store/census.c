/* Counting by state: see census.h. A borrowed connection; both tables are
 * short. */
#include "store/census.h"

#include <stdio.h>

#include "store/store_internal.h"

static int count(
    struct store *s, const char *sql, struct census *ret, struct err *err)
{
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct census){.n = 0};
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	while ((rc = db_step(st, err)) == 1 && ret->n < CENSUS_STATES_MAX) {
		snprintf(ret->states[ret->n].state,
		    sizeof(ret->states[ret->n].state), "%s", db_col_text(st));
		ret->states[ret->n++].count = db_col_int(st);
	}
	return rc < 0 ? -1 : 0;
}

int store_count_runners(struct store *s, struct census *ret, struct err *err)
{
	static const char sql[] = "SELECT status, COUNT(*) FROM runners"
				  " GROUP BY status ORDER BY status";

	return count(s, sql, ret, err);
}

int store_count_instances(struct store *s, struct census *ret, struct err *err)
{
	static const char sql[] = "SELECT status, COUNT(*) FROM instances"
				  " GROUP BY status ORDER BY status";

	return count(s, sql, ret, err);
}
