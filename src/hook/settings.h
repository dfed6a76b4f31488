/*
 * What the environment of the runner says: through a hub or straight to an
 * engine, what is allowed, which runner this is. Texts are borrowed from the
 * environment.
 */
#ifndef HOOK_SETTINGS_H
#define HOOK_SETTINGS_H

#include <stdbool.h>

#include "base/err.h"
#include "containers/policy.h"

#define POLICY_SETTING "RUNNERHUB_HOOK_ALLOW"

enum pull_policy { PULL_IF_MISSING, PULL_ALWAYS, PULL_NEVER };

struct hook_settings {
	bool direct;        /* straight to an engine, else through a hub */
	const char *runner; /* RUNNER_NAME */
	const char *temp;   /* RUNNER_TEMP, or NULL */
	/* the direct mode's */
	const char *engine; /* DOCKER_HOST or the usual socket */
	enum pull_policy pull;
	struct policy policy;
	/* the hub mode's */
	bool keep_log;
};

/* ERR_INVALID when a setting is wrong or missing; no mode is ever guessed. */
int settings_read(struct hook_settings *ret, struct err *err) MUST_CHECK;
/* A variable of the environment; absent and empty are the same: NULL. */
const char *settings_env(const char *name);

#endif
