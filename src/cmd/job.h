/* What the `job` commands share. Main thread. */
#ifndef CMD_JOB_H
#define CMD_JOB_H

#include "cmd/client.h"
#include "cmd/cmd.h"

bool job_is_final(const json_t *job);
/* What a command that waited for it ends with. */
int job_exit_code(const json_t *job);

/* Polls until the job has ended, showing on a terminal what it waits for;
 * outlives restarts of the hub for a minute. *ret is the caller's. */
int job_wait_end(struct client *c, const struct ctx *ctx, const char *id,
    json_t **ret, struct err *err) MUST_CHECK;

struct job_log_options {
	const char *tail; /* NULL: all */
	bool timestamps;
	bool json;
};
/* The job's output to stdout until it has ended, through restarts of the
 * hub. */
int job_follow_log(struct client *c, const struct ctx *ctx, const char *id,
    const struct job_log_options *lo, struct err *err) MUST_CHECK;

/* "completed with exit code 0 after 1.2 s" */
void job_sum_up(const json_t *job, struct buf *out);

/* The request of `job delegate`, from file and flags; the caller's. */
int job_request_build(
    const struct args *a, json_t **ret, struct err *err) MUST_CHECK;

#endif
