/*
 * The hub's own catalog: catalog-info.yaml files of this machine, directories
 * that hold such (themselves or one level below), and files at GitHub; and
 * what entities of kind Location among them name. Files of this machine are
 * read anew for each question: one that was changed is seen at once. Those at
 * GitHub are fetched by a thread of the catalog's, again and again, and
 * questions are answered from the copies: they never wait for the network. A
 * GitHub that does not answer leaves the last good copy in place, also over a
 * restart of the hub.
 */
#ifndef COMPONENTS_CATALOG_H
#define COMPONENTS_CATALOG_H

#include "base/map.h"
#include "components/app_config.h"
#include "components/entity.h"
#include "config/config.h"

struct catalog;
/* Reads it for the first time, and logs what is wrong with it: a place that
 * cannot be read is no error. sources: as long as the catalog. */
int catalog_open(struct catalog **ret, const struct options *o,
    const struct app_config *app, struct sources *sources,
    struct err *err) MUST_CHECK;
void catalog_close(struct catalog *c); /* waits for its thread */

/* -- what it says now -------------------------------------------------- */
struct catalog_item {
	struct map_node node;
	struct entity entity;
	bool local; /* stands in a file of this machine */
};
struct catalog_problem {
	char *file;       /* a path, a URL, or what named it */
	int line, column; /* 0: none in particular */
	bool warning;     /* nothing is left out for it */
	char *text;
};
struct catalog_view {
	struct catalog_item **v; /* every kind, no two of one reference */
	size_t n;
	struct map by_ref;
	struct catalog_problem *problems;
	size_t nproblems;
	/* Files at GitHub that could not be read yet, and those of which a copy
	 * stands for what cannot be read now. */
	size_t missing, stale;
};
/* Everything that it should hold was read just now. */
bool catalog_view_is_whole(const struct catalog_view *view);
void catalog_view_fini(struct catalog_view *view);
static inline void catalog_view_fini_guard(struct catalog_view *view)
{
	catalog_view_fini(view);
}
/* Is there anything that it could hold? */
bool catalog_has_places(const struct catalog *c);
/* Any thread; reads files. */
void catalog_look(struct catalog *c, struct catalog_view *ret);
/* NULL: it has no such entity. Borrowed. */
const struct catalog_item *catalog_find(
    const struct catalog_view *view, const struct entity_ref *ref);

/* For who makes views: takes the entity; false: there is one of that name. */
bool catalog_view_add(struct catalog_view *view, struct entity *e, bool local);
/* text is copied; beyond a few hundred they are dropped. */
void catalog_view_problem(
    struct catalog_view *view, const char *file, const struct problem *p);

#endif
