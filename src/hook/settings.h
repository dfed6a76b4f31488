/*
 * What the environment of the runner says: how to reach an engine, what is
 * allowed, which runner this is. Texts are borrowed from the environment.
 */
#ifndef HOOK_SETTINGS_H
#define HOOK_SETTINGS_H

#include <stdbool.h>

#include "base/err.h"
#include "containers/policy.h"

#define POLICY_SETTING "RUNNERHUB_HOOK_ALLOW"

enum pull_policy { PULL_IF_MISSING, PULL_ALWAYS, PULL_NEVER };

struct hook_settings {
	const char *engine; /* DOCKER_HOST or the usual socket */
	enum pull_policy pull;
	struct policy policy;
	const char *runner; /* RUNNER_NAME */
	const char *temp;   /* RUNNER_TEMP, or NULL */
};

/* ERR_INVALID when a setting is wrong or missing; the direct mode not asked
 * for is ERR_INVALID "no_hub_mode". */
int settings_read(struct hook_settings *ret, struct err *err) MUST_CHECK;

#endif
