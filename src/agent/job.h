/*
 * What holds for all steps of the job: user and directories, environment,
 * and what steps have left for later ones through GITHUB_ENV and
 * GITHUB_PATH.
 */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/command.h"
#include "agent/envlist.h"
#include "agent/stream.h"
#include "agent/workplace.h"

#define JOB_PATHS_MAX (64 * 1024) /* bytes of all GITHUB_PATH entries */

struct job {
	bool given, ready;
	bool wants_tunnel;  /* WIRE_JOB_TUNNEL */
	struct err refused; /* why, when given but not ready */
	struct workplace place;
	struct envlist env;      /* of WIRE_JOB */
	struct envlist exported; /* from GITHUB_ENV */
	struct buf paths;        /* from GITHUB_PATH: "latest:...:first:" */
};

void job_init(struct job *j);
/* Takes WIRE_JOB; what goes wrong is kept in refused and ends every step. */
void job_take(struct job *j, struct wire_reader *body, struct stream_hub *hub);

/* All that a step is started with; finish with job_plan_fini. */
struct job_plan {
	struct envlist env;
	char **argv;
	char *cwd;
	const char *path; /* in env */
	char *script;     /* name of its file, NULL: none */
};
/* Writes the step's files and script. -1: the step cannot start. */
int job_plan_step(struct job *j, const struct command_run *run, uint16_t step,
    struct job_plan *ret, struct err *err) MUST_CHECK;
void job_plan_fini(struct job_plan *p);
/* Every `hole` in the words of argv becomes `with`. */
void job_plan_fill(struct job_plan *p, const char *hole, const char *with);
/* Removes what was written for the step alone: its script. */
void job_plan_remove(struct job *j, const struct job_plan *p);

/* After the step: its file commands, as records and for later steps. */
void job_collect(struct job *j, uint16_t step, struct stream_hub *hub);

#endif
