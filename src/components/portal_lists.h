/*
 * What the portal's catalog lists, kept for a moment: a page that many look at
 * asks it once in PORTAL_LIST_MS for each identity, however many ask the hub.
 * Who sees what is the portal's to say, so nothing is shared between tokens.
 * Internal to components/.
 */
#ifndef COMPONENTS_PORTAL_LISTS_H
#define COMPONENTS_PORTAL_LISTS_H

#include "base/thread.h"
#include "components/portal_catalog.h"

enum {
	PORTAL_LIST_MS = 10000,
	PORTAL_LISTS = 32,             /* identities */
	PORTAL_LISTS_ENTITIES = 20000, /* of all of them together */
};

/* Counted, for several read one at a time; does not change. */
struct portal_list {
	int refs;
	struct entity_list entities;
};

struct portal_lists;
struct portal_lists *portal_lists_new(void);
void portal_lists_free(struct portal_lists *lists); /* NULL is fine */

/* The caller's, for portal_list_put; NULL: as portal_catalog_list fails. Waits
 * for the portal, or for whoever asks it for the same identity just now. */
struct portal_list *portal_list_get(
    struct components *c, const struct component_caller *by, struct err *err);
void portal_list_put(struct components *c, struct portal_list *list);

#endif
