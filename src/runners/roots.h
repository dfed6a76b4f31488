/*
 * Work directories of a runner: what of the host its sessions may mount, as
 * JSON [{"here":PATH, "host":PATH or "volume":NAME, "readOnly":bool}]. Never
 * the engine's socket, never the hub's own state. Pure but for realpath.
 */
#ifndef RUNNERS_ROOTS_H
#define RUNNERS_ROOTS_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/* What no session may ever see; either may be NULL. */
struct roots_secret {
	const char *state_dir;
	const char *engine_host; /* "unix:///run/docker.sock" */
};

/* As an operator writes them: paths, or objects as above. ERR_INVALID,
 * ERR_FORBIDDEN name the one. */
int roots_from_request(const json_t *list, const struct roots_secret *secret,
    struct buf *out, struct err *err) MUST_CHECK;
/* Of the engine's document about a container; what may not be seen, and what
 * is no directory, is left out. */
int roots_from_container(const char *document, size_t len,
    const struct roots_secret *secret, struct buf *out,
    struct err *err) MUST_CHECK;

#endif
