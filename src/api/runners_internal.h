/* What the files of api/ about runners share. */
#ifndef API_RUNNERS_INTERNAL_H
#define API_RUNNERS_INTERNAL_H

#include <jansson.h>

#include "api/api_internal.h"
#include "runners/runners.h"

void runner_write(struct call *c, const struct runner *r, struct json *j);
/* The id of the path; ERR_NOT_FOUND. */
int call_runner(struct call *c, runner_id *ret, struct err *err) MUST_CHECK;

/* A string of the body, absent: NULL; borrowed. */
int body_word(const json_t *body, const char *key, const char **ret,
    struct err *err) MUST_CHECK;

#endif
