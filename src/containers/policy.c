/* The grants and their names: see policy.h. Documented in docs/HOOKS.md. */
#include "containers/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[POLICY_GRANTS] = {
    [POLICY_PRIVILEGED] = "privileged",
    [POLICY_DEVICES] = "devices",
    [POLICY_HOST_MOUNTS] = "host-mounts",
    [POLICY_ENGINE_SOCKET] = "engine-socket",
    [POLICY_HOST_NAMESPACES] = "host-namespaces",
    [POLICY_CAPABILITIES] = "capabilities",
    [POLICY_SECURITY_OPT] = "security-opt",
    [POLICY_RUNTIME] = "runtime",
};

static int grant_one(
    const char *name, size_t len, struct policy *policy, struct err *err)
{
	for (size_t i = 0; i < POLICY_GRANTS; i++)
		if (strlen(names[i]) == len &&
		    strncmp(names[i], name, len) == 0) {
			policy->granted[i] = true;
			return 0;
		}
	return err_set(err, ERR_INVALID, "bad_setting",
	    "%s names \"%.*s\", which is none of privileged, devices, "
	    "host-mounts, engine-socket, host-namespaces, capabilities, "
	    "security-opt, runtime",
	    policy->setting, (int)(len < 64 ? len : 64), name);
}

int policy_parse(
    const char *list, const char *setting, struct policy *ret, struct err *err)
{
	struct policy policy = {.setting = setting};
	const char *at = list != NULL ? list : "";

	while (*at != '\0') {
		size_t len;

		at += strspn(at, ", ");
		len = strcspn(at, ", ");
		if (len > 0)
			TRY(grant_one(at, len, &policy, err));
		at += len;
	}
	*ret = policy;
	return 0;
}

int policy_need(const struct policy *policy, enum policy_grant grant,
    struct err *err, const char *what, ...)
{
	char text[300];
	va_list ap;

	if (policy->granted[grant])
		return 0;
	va_start(ap, what);
	vsnprintf(text, sizeof(text), what, ap);
	va_end(ap);
	return err_set(err, ERR_FORBIDDEN, "forbidden_option",
	    "%s is not allowed on this runner; its administrator can allow it "
	    "with %s=%s",
	    text, policy->setting, names[grant]);
}
