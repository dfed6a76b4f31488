/*
 * A step as a proxy gives it to its session: checked. It holds secrets, and
 * goes to the agent and nowhere else.
 */
#ifndef JOBS_SESSION_STEP_H
#define JOBS_SESSION_STEP_H

#include <jansson.h>

#include "jobs/request.h"

/*
 * The known fields of the body of POST .../steps, in the form that
 * spec_step_read takes, with "key", "prependPath", "input", "pipes" and
 * "container" (an object, not looked into). NULL: ERR_INVALID names the
 * field. For session_step_free.
 */
json_t *session_step_parse(const char *body, size_t len,
    const struct request_limits *limits, struct err *err) MUST_CHECK;
/* Wipes its strings; NULL is fine. */
void session_step_free(json_t *step);

#endif
