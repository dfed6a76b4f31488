/* Between the files that read entities. */
#ifndef COMPONENTS_ENTITY_INTERNAL_H
#define COMPONENTS_ENTITY_INTERNAL_H

#include <stdbool.h>

#include "components/problems.h"
#include "config/yaml_doc.h"

#define ENTITY_NAME_RULE                                                       \
	"a name is letters, digits, \"-\", \"_\" and \".\", at most 63, and "  \
	"begins and ends with a letter or digit"

#define ANNOTATION_ENABLED     "runner.backstage.io/enabled"
#define ANNOTATION_CONFIG_PATH "runner.backstage.io/config-path"
#define ANNOTATION_SOURCE      "backstage.io/source-location"
#define ANNOTATION_MANAGED_BY  "backstage.io/managed-by-location"

bool entity_kind_is_valid(const char *kind);
bool entity_name_is_valid(const char *name); /* also of namespaces */

struct entity_reading {
	struct problems *problems;
	int line; /* of the file, where the document begins; from 0 */
};
struct place entity_place(
    const struct entity_reading *r, const struct yaml_item *item);
/* Or does YAML make something else of it, a number, a boolean, null? */
bool entity_is_text(const struct yaml_item *item);
/* Adds what is wrong with a document, a map. */
void entity_judge(const struct entity_reading *r, const struct yaml_item *root);

#endif
