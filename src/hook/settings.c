/* The settings: see settings.h. Read once by main.c; docs/HOOKS.md lists
 * them. */
#include "hook/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

const char *settings_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool is_on(const char *name)
{
	const char *value = settings_env(name);

	return value != NULL && strcmp(value, "1") == 0;
}

static int read_pull(enum pull_policy *ret, struct err *err)
{
	static const char *const names[] = {[PULL_IF_MISSING] = "if-missing",
	    [PULL_ALWAYS] = "always",
	    [PULL_NEVER] = "never"};
	const char *value = settings_env("RUNNER_PULL_POLICY");

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

static int read_direct(struct hook_settings *ret, struct err *err)
{
	ret->engine = settings_env("DOCKER_HOST");
	if (ret->engine == NULL)
		ret->engine = "unix:///var/run/docker.sock";
	TRY(read_pull(&ret->pull, err));
	return policy_parse(
	    settings_env(POLICY_SETTING), POLICY_SETTING, &ret->policy, err);
}

int settings_read(struct hook_settings *ret, struct err *err)
{
	*ret = (struct hook_settings){.direct = is_on("RUNNERHUB_HOOK_DIRECT"),
	    .runner = settings_env("RUNNER_NAME"),
	    .temp = settings_env("RUNNER_TEMP"),
	    .keep_log = is_on("RUNNERHUB_HOOK_KEEP_LOG")};
	if (!ret->direct && settings_env("RUNNERHUB_URL") == NULL)
		return err_set(err, ERR_INVALID, "no_mode",
		    "neither RUNNERHUB_URL (with RUNNERHUB_TOKEN_FILE: run the "
		    "job's containers through a hub) nor "
		    "RUNNERHUB_HOOK_DIRECT=1 (on this machine's own engine) is "
		    "set in the runner's environment");
	if (ret->runner == NULL)
		return err_set(err, ERR_INVALID, "bad_setting",
		    "RUNNER_NAME is not set: runnerhub-hook is started by a "
		    "runner, see docs/HOOKS.md");
	return ret->direct ? read_direct(ret, err) : 0;
}
