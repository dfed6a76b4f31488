/*
 * Mounts: as workflows and the runner write them, then as the engine may
 * have them. A wish is a JSON object {"Type","Source","Target","ReadOnly"}:
 * Type "bind" (Source a path of the runner's), "volume" (Source a name, or
 * absent for an anonymous one) or "tmpfs".
 */
#ifndef CONTAINERS_MOUNTS_H
#define CONTAINERS_MOUNTS_H

#include <jansson.h>

#include "base/err.h"
#include "containers/paths.h"
#include "containers/policy.h"
#include "containers/wish.h"

/* A source that begins with "/" is a path, else a volume's name, NULL an
 * anonymous volume. ERR_INVALID when target is no absolute path. Pure. */
int mount_wish(json_t *wishes, const char *source, const char *target,
    bool read_only, struct err *err) MUST_CHECK;
/* "src:dst[:opts]", "dst": docker's --volume. Pure. */
int mount_wish_volume(
    json_t *wishes, const char *text, struct err *err) MUST_CHECK;
/* "type=bind,source=...,target=...,readonly": docker's --mount. Pure. */
int mount_wish_mount(
    json_t *wishes, const char *text, struct err *err) MUST_CHECK;

struct mount_rules {
	const struct policy *policy;
	const struct paths *paths;
	/* A workflow's bind may come from below these (the runner's own
	 * mounts); the job's container is made from them. */
	const struct wish_mount *roots;
	size_t nroots;
	const char *volume_prefix; /* namespaces named volumes */
};

/* The runner's own mounts, appended to out as the engine takes them; the
 * engine's socket is left out and *ret_socket_dropped set, unless granted. */
int mounts_put_system(json_t *out, const struct wish_mount *mounts, size_t n,
    const struct mount_rules *rules, bool *ret_socket_dropped,
    struct err *err) MUST_CHECK;
/* What a workflow wishes for, judged by policy: ERR_FORBIDDEN tells. Reads
 * the file system: links in a source are resolved. */
int mounts_put_wishes(json_t *out, const json_t *wishes,
    const struct mount_rules *rules, struct err *err) MUST_CHECK;

#endif
