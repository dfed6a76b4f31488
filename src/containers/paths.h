/*
 * Paths as the runner sees them, and as the engine does. They are the same
 * when both stand on one file system; a runner that is in a container itself
 * sees mounts of the host's directories under other names.
 */
#ifndef CONTAINERS_PATHS_H
#define CONTAINERS_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct path_pair {
	char *here; /* the runner's: a mount's target in its container */
	char *host; /* the engine's */
};

struct paths {
	struct path_pair *pairs; /* none: both see the same */
	size_t n;
	bool in_container; /* what no pair covers is in the container alone */
};

/* Copies. */
void paths_add(struct paths *p, const char *here, const char *host);
void paths_fini(struct paths *p);
static inline void paths_fini_guard(struct paths *p)
{
	paths_fini(p);
}
/* The engine's name of path (absolute), by the longest pair. ERR_INVALID
 * "path_unreachable" when the engine cannot see it. Pure. */
int paths_to_host(const struct paths *p, const char *path, struct buf *ret,
    struct err *err) MUST_CHECK;
/*
 * "/a//b/./c/" as "/a/b/c"; to mem_free. ERR_INVALID "bad_path": not
 * absolute, or with ".." (which means something else behind a link). Pure.
 */
int path_normalise(const char *path, char **ret, struct err *err) MUST_CHECK;
/* path is prefix, or lies below it. Pure. */
bool path_is_below(const char *path, const char *prefix);

/* Reads a container's document (the runner's own): its mounts become pairs.
 * Pure. */
int paths_from_document(
    struct paths *p, const char *json, size_t len, struct err *err) MUST_CHECK;
/*
 * Ids by which the engine may know the container that this process is in:
 * from mountinfo text (/proc/self/mountinfo). Calls found for each; it
 * returns not 0 to stop, and that is returned. Pure.
 */
int paths_container_ids(const char *mountinfo,
    int (*found)(void *arg, const char id[65]), void *arg);

#endif
