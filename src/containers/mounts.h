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
/* Letters, digits, "_.-", begun by a letter or digit. Pure. */
bool mount_is_volume_name(const char *name);
/* The usual names of an engine's own socket. Pure. */
bool mount_is_engine_socket(const char *path);
/* "src:dst[:opts]", "dst": docker's --volume. Pure. */
int mount_wish_volume(
    json_t *wishes, const char *text, struct err *err) MUST_CHECK;
/* "type=bind,source=...,target=...,readonly": docker's --mount. Pure. */
int mount_wish_mount(
    json_t *wishes, const char *text, struct err *err) MUST_CHECK;

/* As the engine takes one. source NULL: anonymous. Pure. */
json_t *mount_make(
    const char *type, const char *source, const char *target, bool read_only);

/* Of direct mode: mounts of the runner's own file system. */
struct mount_rules {
	const struct policy *policy;
	const struct paths *paths;
	/* A workflow's bind may come from below these (the runner's own
	 * mounts); the job's container is made from them. */
	const struct wish_mount *roots;
	size_t nroots;
	const char *volume_prefix; /* namespaces named volumes */
};

/*
 * The mounts of one container, appended to out as the engine takes them: the
 * runner's own (the engine's socket is left out and *ret_socket_dropped set,
 * unless granted), and what the workflow wishes for in its volumes and
 * options, judged by policy: ERR_FORBIDDEN tells. Reads the file system: links
 * in a source are resolved.
 */
int mounts_put(json_t *out, const struct container_wish *wish,
    const json_t *options_mounts, const struct mount_rules *rules,
    bool *ret_socket_dropped, struct err *err) MUST_CHECK;

#endif
