/*
 * What a workflow may ask of the engine. Everything that reaches beyond its
 * own containers is refused unless the runner's administrator grants it by
 * name, in the setting that the policy names. Pure.
 */
#ifndef CONTAINERS_POLICY_H
#define CONTAINERS_POLICY_H

#include <stdbool.h>

#include "base/err.h"

enum policy_grant {
	POLICY_PRIVILEGED,      /* --privileged */
	POLICY_DEVICES,         /* --device, --gpus */
	POLICY_HOST_MOUNTS,     /* paths outside the work directories */
	POLICY_ENGINE_SOCKET,   /* the engine's own socket */
	POLICY_HOST_NAMESPACES, /* --pid host, --ipc host, ... */
	POLICY_CAPABILITIES,    /* --cap-add beyond the harmless ones */
	POLICY_SECURITY_OPT,    /* --security-opt but no-new-privileges */
	POLICY_RUNTIME,         /* --runtime, --cgroup-parent */
	POLICY_GRANTS,
};

struct policy {
	const char *setting; /* for messages: "RUNNERHUB_HOOK_ALLOW" */
	bool granted[POLICY_GRANTS];
};

/* "privileged,devices"; NULL or "": nothing. An unknown name is
 * ERR_INVALID: a grant that is mistyped must not look like one. */
int policy_parse(const char *list, const char *setting, struct policy *ret,
    struct err *err) MUST_CHECK;
/* 0 when granted, else ERR_FORBIDDEN "forbidden_option" with a line that
 * names what was asked for and the setting that would allow it. */
int policy_need(const struct policy *policy, enum policy_grant grant,
    struct err *err, const char *what, ...) PRINTF(4, 5) MUST_CHECK;

#endif
