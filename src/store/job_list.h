/* What the files that list jobs share; of this folder only. */
#ifndef STORE_JOB_LIST_H
#define STORE_JOB_LIST_H

#include "store/store_internal.h"

/* The row of a statement that gives JOB_COLUMNS, to the end of the list; cap:
 * how many it has room for. */
int job_list_add(struct job_list *l, size_t *cap, struct db_stmt *st,
    struct err *err) MUST_CHECK;
/* A filter with words or the name of a runner: job_search.c. */
int job_list_search(struct db *db, const struct job_filter *f,
    struct job_list *ret, struct err *err) MUST_CHECK;

#endif
