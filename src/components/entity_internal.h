/* Between entity.c, entity_ref.c and entity_yaml.c. */
#ifndef COMPONENTS_ENTITY_INTERNAL_H
#define COMPONENTS_ENTITY_INTERNAL_H

#include <stdbool.h>

#define ENTITY_NAME_RULE                                                       \
	"a name is letters, digits, \"-\", \"_\" and \".\", at most 63, and "  \
	"begins and ends with a letter or digit"

#define ANNOTATION_ENABLED     "runner.backstage.io/enabled"
#define ANNOTATION_CONFIG_PATH "runner.backstage.io/config-path"
#define ANNOTATION_SOURCE      "backstage.io/source-location"
#define ANNOTATION_MANAGED_BY  "backstage.io/managed-by-location"

bool entity_kind_is_valid(const char *kind);
bool entity_name_is_valid(const char *name); /* also of namespaces */

#endif
