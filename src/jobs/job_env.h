/* The variables of a job that follow from its delegation. */
#ifndef JOBS_JOB_ENV_H
#define JOBS_JOB_ENV_H

#include "config/config.h"
#include "jobs/spec.h"
#include "store/jobs.h"

#define JOB_WORKSPACE "/github/workspace"
#define JOB_TEMP      "/github/temp"

/* A new jansson object: GITHUB_*, RUNNER_*, CI, then the request's env. */
struct json_t *job_env_make(const struct options *options,
    const struct job *job, const struct spec *spec);

#endif
