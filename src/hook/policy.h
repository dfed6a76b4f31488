/*
 * What a workflow may ask of the engine. Everything that reaches beyond its
 * own containers is refused unless the runner's administrator grants it by
 * name in RUNNERHUB_HOOK_ALLOW. Pure.
 */
#ifndef HOOK_POLICY_H
#define HOOK_POLICY_H

#include <stdbool.h>

#include "base/err.h"

#define POLICY_SETTING "RUNNERHUB_HOOK_ALLOW"

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
	bool granted[POLICY_GRANTS];
};

/* "privileged,devices"; NULL or "": nothing. An unknown name is
 * ERR_INVALID: a grant that is mistyped must not look like one. */
int policy_parse(
    const char *list, struct policy *ret, struct err *err) MUST_CHECK;
/* 0 when granted, else ERR_FORBIDDEN "forbidden_option" with a line that
 * names what was asked for and the setting that would allow it. */
int policy_need(const struct policy *policy, enum policy_grant grant,
    struct err *err, const char *what, ...) PRINTF(4, 5) MUST_CHECK;

#endif
