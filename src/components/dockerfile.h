/*
 * A Dockerfile read before it is built: which images it is made from, and
 * what the builder would only answer with a riddle. It reads as the classic
 * builder does (moby's Dockerfile frontend): comments, continued lines, the
 * `escape` directive, ARGs of FROM lines with their defaults, names of stages.
 * Pure; any thread.
 */
#ifndef COMPONENTS_DOCKERFILE_H
#define COMPONENTS_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "components/descriptor.h"

enum { DOCKERFILE_BYTES_MAX = 1024 * 1024 };

struct dockerfile_rules {
	const struct descriptor_pair *args; /* of the build; borrowed */
	size_t nargs;
	bool buildkit; /* the builder knows mounts and here-documents */
	/* May it be built from this image? 0, or -1 with the reason: called
	 * for each FROM and COPY --from that names no stage, as it reads with
	 * the arguments put in. */
	int (*image)(void *arg, const char *ref, struct err *err);
	void *arg;
};
/* `file` is what people know it by. -1: the first thing that cannot be, with
 * file and line; ERR_INVALID "INVALID_CONFIGURATION", or as rules->image
 * failed when it could not tell. */
int dockerfile_check(const char *text, size_t len, const char *file,
    const struct dockerfile_rules *rules, struct err *err) MUST_CHECK;

#endif
