/*
 * The build context of a Dockerfile: a directory as a tar, without what its
 * .dockerignore leaves out. No link in it is followed. Its files and patterns
 * are a stranger's: the context is looked at between any two. The same
 * directory makes the same tar, byte for byte: names, kinds, modes, content.
 */
#ifndef CONTAINERS_CONTEXT_H
#define CONTAINERS_CONTEXT_H

#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"

/* A tar of the directory into an unlinked file in temp (NULL: /tmp).
 * dockerfile: its path in there, sent whatever .dockerignore says. */
int context_tar(const struct ctx *ctx, const char *directory,
    const char *dockerfile, const char *temp, int *ret_fd,
    struct err *err) MUST_CHECK;
/* The same of an open directory (of grounds_open), which stays the caller's;
 * ERR_LIMIT when the tar would be larger than max. */
int context_tar_at(const struct ctx *ctx, int directory, const char *dockerfile,
    const char *temp, uint64_t max, int *ret_fd, struct err *err) MUST_CHECK;

#endif
