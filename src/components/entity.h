/*
 * Catalog entities: the part of them that a runner needs, from YAML
 * (catalog-info.yaml, several documents) or JSON (a Backstage catalog). Pure.
 */
#ifndef COMPONENTS_ENTITY_H
#define COMPONENTS_ENTITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "components/problems.h"

struct entity_ref {
	char *kind, *namespace, *name; /* namespace "default" when not given */
};
/* "component:default/demo", "Component:demo", case kept. ERR_INVALID says what
 * is missing. */
int entity_ref_parse(
    const char *text, struct entity_ref *ret, struct err *err) MUST_CHECK;
void entity_ref_fini(struct entity_ref *r);
/* Compares without case, as the catalog does. */
bool entity_ref_equal(const struct entity_ref *a, const struct entity_ref *b);

struct entity {
	struct entity_ref ref; /* the catalog's letter case */
	char *title, *description, *owner, *system, *lifecycle,
	    *type;             /* or NULL */
	char **tags;           /* ends with NULL */
	bool enabled;          /* runner.backstage.io/enabled is "true" */
	char *config_path;     /* annotation, else ".runner/config.yml" */
	char *source_location; /* annotation, or NULL */
	char *managed_by;      /* backstage.io/managed-by-location, or NULL */
	json_t *links;         /* array as it stands, or NULL */
	/* of a Location: where more entities stand, ends with NULL */
	char **targets;
	char *target_type; /* "url", "file", or NULL */
};
void entity_fini(struct entity *e);
static inline void entity_fini_guard(struct entity *e)
{
	entity_fini(e);
}
/* "Component:default/demo-web": kind and name in the catalog's case. */
char *entity_component_ref(const struct entity *e);
/* "group:default/team-a" in lower case: a group of the entity's namespace
 * unless its owner says else. NULL: none, or no reference. For mem_free. */
char *entity_owner_ref(const struct entity *e);
int entity_from_json(
    const json_t *o, struct entity *ret, struct err *err) MUST_CHECK;
enum { ENTITIES_BYTES_MAX = 1024 * 1024, ENTITIES_MAX = 1000 };
/* Every document of the file; wrong ones are problems with line and text, the
 * others are returned (entities_free). -1 when there are none: err names the
 * first problem. location: of the file itself, for entities without an
 * annotation ("url:...", "file:..."), or NULL; a relative "dir:" or "file:" is
 * taken from the directory of a "file:". */
int entities_from_yaml(const char *text, size_t len, const char *file,
    const char *location, struct entity **ret, size_t *ret_n,
    struct problems *problems, struct err *err) MUST_CHECK;
void entities_free(struct entity *v, size_t n);

#endif
