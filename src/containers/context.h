/* The build context of a Dockerfile: a directory as a tar. */
#ifndef CONTAINERS_CONTEXT_H
#define CONTAINERS_CONTEXT_H

#include "base/err.h"

/* A tar of the directory into an unlinked file in temp (NULL: /tmp). */
int context_tar(const char *directory, const char *temp, int *ret_fd,
    struct err *err) MUST_CHECK;

#endif
