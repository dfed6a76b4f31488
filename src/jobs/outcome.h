/* How the carrying of a job ended. */
#ifndef JOBS_OUTCOME_H
#define JOBS_OUTCOME_H

#include <stdbool.h>

#include "base/err.h"
#include "store/jobs.h"

enum outcome_kind {
	OUTCOME_END,   /* the job is over: status says how */
	OUTCOME_RETRY, /* infrastructure failed before its first step */
	OUTCOME_LEAVE, /* the hub stops: the next one goes on */
	OUTCOME_OVER,  /* somebody else has ended it in the store */
};

struct outcome {
	enum outcome_kind kind;
	enum job_status status;
	char code[32];
	char words[480];
	bool has_exit_code;
	int exit_code;
};

struct outcome outcome_end(enum job_status status, const char *code,
    const char *fmt, ...) PRINTF(3, 4);
/* What an error before the first step means: retry when the infrastructure
 * failed, the end when repeating would not help. */
struct outcome outcome_of_error(const struct err *err);

#endif
