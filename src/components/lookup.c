/* One entity, wherever it stands: see lookup.h. The thread of whoever asks. */
#include "components/lookup.h"

#include "base/mem.h"
#include "components/portal_catalog.h"

void wanted_fini(struct wanted *w)
{
	mem_free(w->component_ref);
	mem_free(w->owner);
	origin_fini(&w->origin);
}

static int take(
    const struct entity *e, bool local, struct wanted *ret, struct err *err)
{
	if (!e->enabled)
		return err_set(err, ERR_INVALID, "not_enabled",
		    "Component is not enabled for runner");
	ret->component_ref = entity_component_ref(e);
	ret->owner = entity_owner_ref(e);
	origin_of(e, local, &ret->origin);
	return 0;
}

/* A catalog of which a part is not known yet cannot say that there is none. */
static int not_found(
    const struct catalog_view *view, const char *text, struct err *err)
{
	if (view->missing == 0)
		return err_set(err, ERR_NOT_FOUND, "entity_not_found",
		    "Entity not found: %.200s", text);
	return err_set(err, ERR_UNAVAILABLE, "catalog_incomplete",
	    "Entity not found: %.200s, among what is known of the catalog: %zu "
	    "of its files could not be read from GitHub yet. Try again",
	    text, view->missing);
}

static int find(struct components *c, const struct component_caller *by,
    const struct entity_ref *ref, const char *text, struct wanted *ret,
    struct err *err)
{
	CLEANUP(catalog_view_fini) struct catalog_view view = {0};
	CLEANUP(entity_fini) struct entity e = {0};
	const struct catalog_item *item;
	const char *why;
	int found;

	catalog_look(c->catalog, &view);
	item = catalog_find(&view, ref);
	if (item != NULL)
		return take(&item->entity, item->local, ret, err);
	if (c->config.portal == NULL)
		return not_found(&view, text, err);
	why = portal_catalog_why_not(c, by);
	if (why != NULL)
		return err_set(err, ERR_NOT_FOUND, "entity_not_found",
		    "Entity not found: %.200s; %s", text, why);
	found = portal_catalog_get(c, by, ref, &e, err);
	TRY(found);
	return found > 0 ? take(&e, false, ret, err)
			 : not_found(&view, text, err);
}

int lookup_entity(struct components *c, const struct component_caller *by,
    const char *text, struct wanted *ret, struct err *err)
{
	struct entity_ref ref = {0};
	int r;

	TRY(entity_ref_parse(text, &ref, err));
	r = find(c, by, &ref, text, ret, err);
	entity_ref_fini(&ref);
	return r;
}
