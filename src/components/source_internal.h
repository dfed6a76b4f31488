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

#endif
