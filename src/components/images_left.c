/* Images of components that left the catalog: see images_left.h. The thread of
 * images_tidy. */
#include "components/images_left.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "components/flow.h"
#include "components/portal_catalog.h"

enum { LOOK_MS_MAX = 3600 * 1000, LOOK_MS_MIN = 500 };

static void add_name(struct images_left *l, const char *ref)
{
	char name[IMAGES_NAME];

	images_component_name(ref, name);
	l->names = mem_realloc(l->names, (l->nnames + 1) * sizeof(*l->names));
	l->names[l->nnames++] = mem_strdup(name);
}

static void add_entity(struct images_left *l, const struct entity *e)
{
	CLEANUP(mem_free) char *ref = entity_component_ref(e);

	add_name(l, ref);
}

/* -- what is known ----------------------------------------------------- */

static bool add_own(struct images_left *l)
{
	CLEANUP(catalog_view_fini) struct catalog_view view = {0};

	catalog_look(l->c->catalog, &view);
	for (size_t i = 0; i < view.n; i++)
		add_entity(l, &view.v[i]->entity);
	return catalog_view_is_whole(&view);
}

/* As the hub sees it: with a user's token it would be that user's part. */
static bool add_portals(struct images_left *l)
{
	CLEANUP(entity_list_fini) struct entity_list list = {0};
	const struct component_caller hub = {0};
	struct err err = ERR_INIT;

	if (l->c->config.portal == NULL)
		return true;
	if (portal_catalog_why_not(l->c, &hub) != NULL ||
	    portal_catalog_list(l->c, &hub, &list, &err) < 0)
		return false;
	for (size_t i = 0; i < list.n; i++)
		add_entity(l, &list.v[i]);
	return true;
}

static bool add_instances(struct images_left *l)
{
	CLEANUP(instance_list_free) struct instance_list list = {0};
	struct err err = ERR_INIT;

	if (store_instance_list(
		l->c->config.store, true, INSTANCE_LIST_MAX, &list, &err) < 0 ||
	    list.n == INSTANCE_LIST_MAX)
		return false;
	for (size_t i = 0; i < list.n; i++)
		add_name(l, list.items[i].component_ref);
	return true;
}

void images_left_begin(
    struct images_left *l, struct components *c, const struct ctx *ctx)
{
	struct err err = ERR_INIT;

	*l = (struct images_left){.c = c};
	l->knows =
	    ctx_check(ctx, &err) == 0 &&
	    (catalog_has_places(c->catalog) || c->config.portal != NULL) &&
	    add_own(l) && add_portals(l) && add_instances(l);
}

/* -- one image --------------------------------------------------------- */

/* "<name>-<32 hex>" */
static bool is_of(const char *tag, const char *name)
{
	size_t n = strlen(name);

	return strncmp(tag, name, n) == 0 && tag[n] == '-' &&
	       strlen(tag + n + 1) == IMAGES_NAME_KEY;
}

static bool is_known(const struct images_left *l, const char *tag)
{
	for (size_t i = 0; i < l->nnames; i++)
		if (is_of(tag, l->names[i]))
			return true;
	return false;
}

static int64_t absent_since(const struct components *c, const char *tag)
{
	for (size_t i = 0; i < c->nabsent; i++)
		if (strcmp(c->absent[i].tag, tag) == 0)
			return c->absent[i].since;
	return clock_mono_ns();
}

bool images_left_is_over(struct images_left *l, const char *tag)
{
	int64_t grace_ms = l->c->config.options->image_grace_ms;
	struct image_absence *a;

	if (!l->knows || is_known(l, tag))
		return false;
	l->absent =
	    mem_realloc(l->absent, (l->nabsent + 1) * sizeof(*l->absent));
	a = &l->absent[l->nabsent++];
	*a = (struct image_absence){.since = absent_since(l->c, tag)};
	snprintf(a->tag, sizeof(a->tag), "%s", tag);
	return clock_mono_ns() - a->since >= grace_ms * CLOCK_NS_PER_MS;
}

int64_t images_left_end(struct images_left *l)
{
	int64_t look_ms = l->c->config.options->image_grace_ms / 2;

	for (size_t i = 0; i < l->nnames; i++)
		mem_free(l->names[i]);
	mem_free(l->names);
	if (l->knows) { /* else those that were away may be so still */
		mem_free(l->c->absent);
		l->c->absent = l->absent;
		l->c->nabsent = l->nabsent;
	} else {
		mem_free(l->absent);
	}
	if (look_ms > LOOK_MS_MAX)
		look_ms = LOOK_MS_MAX;
	if (look_ms < LOOK_MS_MIN)
		look_ms = LOOK_MS_MIN;
	return clock_deadline_ms(look_ms);
}
