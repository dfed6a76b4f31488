/*
 * What of the host a session may mount: the work directories of its runner.
 * Only a directory itself is ever bound; a path below it becomes a link into
 * that mount, made inside the container before it starts. So no link that a
 * job has put into its work directory is ever followed by the engine.
 * Pure but for grounds_open, which looks at the file system.
 */
#ifndef CONTAINERS_GROUNDS_H
#define CONTAINERS_GROUNDS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "containers/mounts.h"

struct ground {
	char *here; /* as the runner sees it; absolute, normalised */
	char *host; /* as the engine does: a directory; NULL: a volume */
	char *volume;
	bool read_only;
};
struct grounds {
	struct ground *v;
	size_t n;
};
void grounds_fini(struct grounds *g);
static inline void grounds_fini_guard(struct grounds *g)
{
	grounds_fini(g);
}
/* Copies; host NULL: the same as here. ERR_INVALID: not absolute, "..", "/". */
int grounds_add(struct grounds *g, const char *here, const char *host,
    const char *volume, bool read_only, struct err *err) MUST_CHECK;
/* From [{"here","host"|"volume","readOnly"}]. */
int grounds_read(
    struct grounds *g, const json_t *list, struct err *err) MUST_CHECK;
/* The one that path is at or below, the longest; NULL: none. */
const struct ground *grounds_find(const struct grounds *g, const char *path);

/* ERR_FORBIDDEN "outside_grounds": path is on none. */
int grounds_outside(const char *path, struct err *err);

/*
 * The mounts of one container (system and user mounts of a wish, and those of
 * its options): those at a ground bind it, those below one become links.
 * Appended to mounts (Engine API "Mounts"); links as a tar to be unpacked at
 * / of the container. What is below a ground that no mount binds as a whole
 * leads to a place of ours: /__w when it is free, else /.runnerhub-work. What
 * is wished read-only leads to a read-only bind.
 *
 * A path on no ground: ERR_FORBIDDEN "outside_grounds", which names it and
 * RUNNERHUB_WORK_ROOTS, unless policy grants host-mounts. The engine's socket
 * is left out and told of when the runner itself mounts it, ERR_FORBIDDEN when
 * a workflow does, unless granted. ERR_INVALID "bad_mount": a link would have
 * to stand within another mount, or over one. volume_prefix: for named
 * volumes.
 */
struct grounds_made {
	json_t *mounts;
	struct buf links;
	bool socket_dropped;
};
void grounds_made_fini(struct grounds_made *m);
static inline void grounds_made_fini_guard(struct grounds_made *m)
{
	grounds_made_fini(m);
}
int grounds_mount(const struct grounds *g, const struct container_wish *wish,
    const json_t *options_mounts, const struct policy *policy,
    const char *volume_prefix, struct grounds_made *ret,
    struct err *err) MUST_CHECK;

/* Opens a directory below a ground for reading (a build context) without
 * following a link out of it (openat2, RESOLVE_BENEATH). A ground that is a
 * volume: mountpoint is its directory on this host. */
int grounds_open(const struct grounds *g, const char *path,
    const char *mountpoint, int *ret_fd, struct err *err) MUST_CHECK;

#endif
