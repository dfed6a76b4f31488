/*
 * Named secrets of jobs (src/secrets): a delegation names them, they are looked
 * up each time the job is started, so that a value that was changed meanwhile
 * counts, and are then as the delegation's own: variables, masked in the log.
 */
#ifndef JOBS_NAMED_H
#define JOBS_NAMED_H

#include "base/err.h"
#include "jobs/request.h"

struct hub;
struct carry;
struct json_t;

enum { NAMED_MAX = 100 }; /* of one job */

/* Of a delegation: may its repository have all that it names? Handler
 * threads. */
int named_check(
    struct hub *h, const struct request *r, struct err *err) MUST_CHECK;
/* Into c->named, unless they are there. Carrier's thread; Vault may take its
 * time, and ERR_UNAVAILABLE says that the job should wait. */
int named_take(struct carry *c, struct err *err) MUST_CHECK;
/* Wipes; NULL is fine. */
void named_free(struct json_t *named);

#endif
