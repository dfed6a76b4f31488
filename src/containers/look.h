/*
 * What is to be seen of a container and its image: is it well, by which name
 * do others find it, which system is it. Pure.
 */
#ifndef CONTAINERS_LOOK_H
#define CONTAINERS_LOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "containers/wish.h"

enum container_health { CONTAINER_WELL, CONTAINER_STARTING, CONTAINER_BAD };
/* By the engine's document. must_run: it is bad when it has ended; another
 * without a health check may do its work and end. */
enum container_health container_judge(const json_t *doc, bool must_run);

/* How it ended, by the engine's document: "ended with code 3", and what a
 * kill tells of memory: engines miss one in a hundred such deaths. */
void container_tell_end(const json_t *doc, char *out, size_t size);

/* "docker.io/library/postgres:16" is found as "postgres"; to mem_free. */
char *container_image_alias(const char *image);

/* Any line "ID=...alpine..." of what the release files say. */
bool container_is_alpine(const char *releases);

/* Where a file of the runner's is seen in the container that mounts it;
 * to mem_free. NULL: none of the runner's own mounts has it. */
char *container_path_inside(
    const struct container_wish *wish, const char *path);

#endif
