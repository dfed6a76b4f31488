/* What the files about sources share. */
#ifndef COMPONENTS_SOURCE_INTERNAL_H
#define COMPONENTS_SOURCE_INTERNAL_H

#include "components/source.h"

struct sources {
	char **hosts; /* ends with NULL */
	struct github **github;
	size_t n;
	struct unpack_limits limits;
};
/* NULL: no such host. */
struct github *sources_github(const struct sources *s, const char *host);

/* Where a location at GitHub leads: sha, ref and directory of src, whose repo
 * is given (and becomes GitHub's own spelling where that is told). */
int source_find_commit(struct github *g, const struct ctx *ctx,
    const struct location *at, struct source *src, struct err *err) MUST_CHECK;

#endif
