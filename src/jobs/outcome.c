/* How the carrying of a job ended: see outcome.h. */
#include "jobs/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct outcome outcome_end(
    enum job_status status, const char *code, const char *fmt, ...)
{
	struct outcome o = {.kind = OUTCOME_END, .status = status};
	va_list ap;

	snprintf(o.code, sizeof(o.code), "%s", code != NULL ? code : "");
	va_start(ap, fmt);
	vsnprintf(o.words, sizeof(o.words), fmt, ap);
	va_end(ap);
	return o;
}

struct outcome outcome_of_error(const struct err *err)
{
	struct outcome o = outcome_end(JOB_FAILED, err->code, "%s", err->msg);

	switch (err->kind) {
	case ERR_UNAVAILABLE:
	case ERR_UNCERTAIN:
	case ERR_TIMEOUT:
	case ERR_CONFLICT:
	case ERR_LIMIT:
	case ERR_INTERNAL:
	case ERR_CANCELED:
		o.kind = OUTCOME_RETRY;
		break;
	case ERR_NONE:
	case ERR_INVALID:
	case ERR_NOT_FOUND:
	case ERR_AUTH:
	case ERR_FORBIDDEN:
		break;
	}
	/* A registry's "not found" may be an outage or a tag yet to come. */
	if (strcmp(err->code, "image_pull_failed") == 0)
		o.kind = OUTCOME_RETRY;
	return o;
}
