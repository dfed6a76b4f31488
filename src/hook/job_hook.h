/*
 * The runner's job hooks (ACTIONS_RUNNER_HOOK_JOB_STARTED, _COMPLETED): they
 * report to the hub, and the first may refuse the job. They cannot delegate
 * it: a job hook does not know the job's steps, and its exit code only says
 * "go on" or "failed".
 */
#ifndef HOOK_JOB_HOOK_H
#define HOOK_JOB_HOOK_H

/* event: "job-started" or "job-completed". Returns the exit code. */
int job_hook_main(const char *event);

#endif
