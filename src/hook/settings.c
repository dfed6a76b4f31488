/* The settings: see settings.h. Read once by main.c; docs/HOOKS.md lists
 * them. */
#include "hook/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

/* Absent and empty are the same. */
static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static int read_pull(enum pull_policy *ret, struct err *err)
{
	static const char *const names[] = {[PULL_IF_MISSING] = "if-missing",
	    [PULL_ALWAYS] = "always",
	    [PULL_NEVER] = "never"};
	const char *value = env("RUNNER_PULL_POLICY");

	*ret = PULL_IF_MISSING;
	for (size_t i = 0; value != NULL && i < ARRAY_LEN(names); i++)
		if (strcmp(value, names[i]) == 0) {
			*ret = (enum pull_policy)i;
			return 0;
		}
	if (value == NULL)
		return 0;
	return err_set(err, ERR_INVALID, "bad_setting",
	    "RUNNER_PULL_POLICY is \"%.64s\": if-missing, always or never is "
	    "wanted",
	    value);
}

int settings_read(struct hook_settings *ret, struct err *err)
{
	const char *direct = env("RUNNERHUB_HOOK_DIRECT");

	*ret = (struct hook_settings){.engine = env("DOCKER_HOST"),
	    .runner = env("RUNNER_NAME"),
	    .temp = env("RUNNER_TEMP")};
	if (direct == NULL || strcmp(direct, "1") != 0)
		return err_set(err, ERR_INVALID, "no_hub_mode",
		    "running a job's containers through a hub is not available "
		    "in this version of runnerhub-hook; set "
		    "RUNNERHUB_HOOK_DIRECT=1 in the runner's environment to "
		    "use the container engine of this machine");
	if (ret->engine == NULL)
		ret->engine = "unix:///var/run/docker.sock";
	if (ret->runner == NULL)
		return err_set(err, ERR_INVALID, "bad_setting",
		    "RUNNER_NAME is not set: runnerhub-hook is started by a "
		    "runner, see docs/HOOKS.md");
	TRY(read_pull(&ret->pull, err));
	return policy_parse(
	    env(POLICY_SETTING), POLICY_SETTING, &ret->policy, err);
}
