/*
 * The portal's catalog as a caller may see it: asked with the caller's own
 * token, or the hub's. The network is waited for, with a bound on how long and
 * on how many do so at a time: the API has other things to do. Internal to
 * components/.
 */
#ifndef COMPONENTS_PORTAL_CATALOG_H
#define COMPONENTS_PORTAL_CATALOG_H

#include "components/flow.h"

/* NULL: it can be asked; else why not, for people. */
const char *portal_catalog_why_not(
    const struct components *c, const struct component_caller *by);
/* Around what waits for the portal: ERR_UNAVAILABLE, too many do already. */
int portal_catalog_wait_begin(struct components *c, struct err *err) MUST_CHECK;
void portal_catalog_wait_end(struct components *c);
/* 1 found, 0 none that the caller may see, -1. */
int portal_catalog_get(struct components *c, const struct component_caller *by,
    const struct entity_ref *ref, struct entity *ret,
    struct err *err) MUST_CHECK;
struct entity_list {
	struct entity *v;
	size_t n;
};
void entity_list_fini(struct entity_list *l);
static inline void entity_list_fini_guard(struct entity_list *l)
{
	entity_list_fini(l);
}
/* Those that are runner-enabled. */
int portal_catalog_list(struct components *c, const struct component_caller *by,
    struct entity_list *ret, struct err *err) MUST_CHECK;

#endif
