/*
 * How far the start of an instance is: the five steps that a portal shows
 * (deploymentProgress). Pure; the caller has the lock and the clock.
 */
#ifndef COMPONENTS_DEPLOYMENT_H
#define COMPONENTS_DEPLOYMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json_out.h"

/* In this order. */
enum deployment_step {
	DEPLOY_DOWNLOAD,
	DEPLOY_EXTRACT,
	DEPLOY_BUILD,
	DEPLOY_START,
	DEPLOY_MONITOR,
	DEPLOY_STEPS,
};
enum deployment_state {
	DEPLOY_PENDING,
	DEPLOY_IN_PROGRESS,
	DEPLOY_COMPLETED,
	DEPLOY_FAILED,
};

struct deployment {
	struct {
		enum deployment_state state;
		int64_t started_at, completed_at; /* wall ns, 0: not yet */
		int percent;                      /* -1: not known */
		char error[480];
		const char *description; /* NULL: as ever */
	} steps[DEPLOY_STEPS];
	enum deployment_step current;
	int64_t started_at, completed_at;
};

void deployment_begin(struct deployment *d, int64_t now);
/* step is being worked on: those before it are completed. */
void deployment_enter(
    struct deployment *d, enum deployment_step step, int64_t now);
/* Of the current step; never backwards. */
void deployment_percent(struct deployment *d, int percent);
/* What the current step does this time; the text must outlive d. */
void deployment_describe(struct deployment *d, const char *text);
/* All of it is done. */
void deployment_complete(struct deployment *d, int64_t now);
/* The current step has failed, with words for people. */
void deployment_fail(struct deployment *d, const char *error, int64_t now);
/* The object, fields that have no value left out. */
void deployment_write(const struct deployment *d, struct json *j);

#endif
