/*
 * From a reference to an entity, and from a caller to all that may be run: the
 * hub's own catalog first, then the portal's, where there is one. Internal to
 * components/. Any thread.
 */
#ifndef COMPONENTS_LOOKUP_H
#define COMPONENTS_LOOKUP_H

#include "components/catalog.h"
#include "components/flow.h"

/* What an instance is made of; all of it is of the catalog's entity. */
struct wanted {
	char *component_ref; /* in the catalog's own spelling */
	char *owner;         /* as entity_owner_ref, or NULL */
	struct origin origin;
};
void wanted_fini(struct wanted *w);
static inline void wanted_fini_guard(struct wanted *w)
{
	wanted_fini(w);
}
/* ERR_INVALID: no reference, or not enabled; ERR_NOT_FOUND
 * "entity_not_found"; ERR_UNAVAILABLE: the catalog cannot be asked, or is not
 * whole yet. */
int lookup_entity(struct components *c, const struct component_caller *by,
    const char *text, struct wanted *ret, struct err *err) MUST_CHECK;

#endif
