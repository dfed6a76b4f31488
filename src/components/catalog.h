/*
 * The catalog that stands in the configuration: catalog-info.yaml files, and
 * directories that hold such (themselves or one level below). Read anew for
 * each question: a file that was changed is seen at once.
 */
#ifndef COMPONENTS_CATALOG_H
#define COMPONENTS_CATALOG_H

#include "components/entity.h"

/* places: csv, or NULL: an empty catalog. Entities of every kind; those of
 * files that cannot be read are logged and left out. */
struct catalog {
	struct entity *v;
	size_t n;
};
void catalog_fini(struct catalog *c);
static inline void catalog_fini_guard(struct catalog *c)
{
	catalog_fini(c);
}
int catalog_read(
    const char *places, struct catalog *ret, struct err *err) MUST_CHECK;
/* NULL: it has no such entity. Borrowed. */
const struct entity *catalog_find(
    const struct catalog *c, const struct entity_ref *ref);

#endif
