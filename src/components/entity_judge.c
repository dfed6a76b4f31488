/*
 * What a catalog would say to one document of catalog-info.yaml, with the
 * place in the file. Called by entity_yaml.c. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "components/entity_internal.h"

struct place entity_place(
    const struct entity_reading *r, const struct yaml_item *item)
{
	return (struct place){r->line + item->value_line, item->value_column};
}

bool entity_is_text(const struct yaml_item *item)
{
	double number;

	if (item->kind != YAML_SCALAR)
		return false;
	return !item->plain ||
	       (!yaml_item_is_null(item) && strcmp(item->text, "true") != 0 &&
		   strcmp(item->text, "false") != 0 &&
		   parse_num(item->text, -1e300, 1e300, &number) < 0);
}

/* Null or absent is fine. */
static void expect_text(const struct entity_reading *r,
    const struct yaml_item *item, const char *path)
{
	char shown[64];

	if (item == NULL || entity_is_text(item) || yaml_item_is_null(item))
		return;
	if (item->kind == YAML_SCALAR)
		problems_error(r->problems, entity_place(r, item),
		    "%s: %s is no text: put it in quotes", path,
		    problem_quote(item->text, shown));
	else
		problems_error(r->problems, entity_place(r, item),
		    "%s: expected a text, found a %s", path,
		    item->kind == YAML_MAP ? "map" : "list");
}

static void expect_name(const struct entity_reading *r,
    const struct yaml_item *map, const char *key, const char *path,
    bool (*is_valid)(const char *), const char *rule)
{
	const struct yaml_item *item = yaml_item_get(map, key);
	char shown[64];

	if (item == NULL || yaml_item_is_null(item))
		problems_error(r->problems, entity_place(r, map),
		    "%s is required: %s", path, rule);
	else if (item->kind != YAML_SCALAR)
		expect_text(r, item, path);
	else if (!is_valid(item->text))
		problems_error(r->problems, entity_place(r, item),
		    "%s: %s is not accepted: %s", path,
		    problem_quote(item->text, shown), rule);
}

static bool is_inner_path(const char *path)
{
	if (*path == '/' || *path == '\0')
		return false;
	while (*path != '\0') {
		size_t n = strcspn(path, "/");

		if (n == 2 && memcmp(path, "..", 2) == 0)
			return false;
		path += n + strspn(path + n, "/");
	}
	return true;
}

static void judge_annotations(
    const struct entity_reading *r, const struct yaml_item *map)
{
	char path[128], shown[64];

	if (map == NULL || yaml_item_is_null(map))
		return;
	if (map->kind != YAML_MAP) {
		problems_error(r->problems, entity_place(r, map),
		    "metadata.annotations: expected a map of names and texts");
		return;
	}
	for (const struct yaml_item *i = map->first; i != NULL; i = i->next) {
		snprintf(
		    path, sizeof(path), "metadata.annotations.%.90s", i->key);
		expect_text(r, i, path);
		if (strcmp(i->key, ANNOTATION_CONFIG_PATH) == 0 &&
		    entity_is_text(i) && !is_inner_path(i->text))
			problems_error(r->problems, entity_place(r, i),
			    "%s: %s is not accepted, expected a path within "
			    "the repository, without \"..\"",
			    path, problem_quote(i->text, shown));
	}
}

static void judge_tags(
    const struct entity_reading *r, const struct yaml_item *tags)
{
	if (tags == NULL || yaml_item_is_null(tags))
		return;
	if (tags->kind != YAML_LIST)
		problems_error(r->problems, entity_place(r, tags),
		    "metadata.tags: expected a list of texts");
	else
		for (const struct yaml_item *i = tags->first; i; i = i->next)
			expect_text(r, i, "metadata.tags");
}

static void judge_metadata(
    const struct entity_reading *r, const struct yaml_item *root)
{
	const struct yaml_item *metadata = yaml_item_get(root, "metadata");
	const struct yaml_item *links;

	if (metadata == NULL || metadata->kind != YAML_MAP) {
		problems_error(r->problems,
		    entity_place(r, metadata != NULL ? metadata : root),
		    "metadata is required: expected a map with name, "
		    "annotations");
		return;
	}
	expect_name(r, metadata, "name", "metadata.name", entity_name_is_valid,
	    ENTITY_NAME_RULE);
	if (yaml_item_get(metadata, "namespace") != NULL)
		expect_name(r, metadata, "namespace", "metadata.namespace",
		    entity_name_is_valid, ENTITY_NAME_RULE);
	expect_text(r, yaml_item_get(metadata, "title"), "metadata.title");
	expect_text(
	    r, yaml_item_get(metadata, "description"), "metadata.description");
	judge_tags(r, yaml_item_get(metadata, "tags"));
	judge_annotations(r, yaml_item_get(metadata, "annotations"));
	links = yaml_item_get(metadata, "links");
	if (links != NULL && links->kind != YAML_LIST &&
	    !yaml_item_is_null(links))
		problems_error(r->problems, entity_place(r, links),
		    "metadata.links: expected a list of maps with url, title");
}

/* A portal's catalog refuses a component without these; a runner does not
 * need them. */
static void judge_spec(
    const struct entity_reading *r, const struct yaml_item *root)
{
	static const char *const keys[] = {"type", "lifecycle", "owner"};
	const struct yaml_item *kind = yaml_item_get(root, "kind");
	const struct yaml_item *spec = yaml_item_get(root, "spec");
	char path[32];

	if (spec != NULL && spec->kind != YAML_MAP) {
		problems_error(r->problems, entity_place(r, spec),
		    "spec: expected a map with type, lifecycle, owner");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct yaml_item *item =
		    spec != NULL ? yaml_item_get(spec, keys[i]) : NULL;

		snprintf(path, sizeof(path), "spec.%s", keys[i]);
		expect_text(r, item, path);
		if (item == NULL && kind != NULL && kind->kind == YAML_SCALAR &&
		    strcmp(kind->text, "Component") == 0)
			problems_warn(r->problems,
			    entity_place(r, spec != NULL ? spec : root),
			    "%s is missing: a portal's catalog refuses a "
			    "component without it",
			    path);
	}
	if (spec != NULL)
		expect_text(r, yaml_item_get(spec, "system"), "spec.system");
}

static bool is_not_empty(const char *text)
{
	return *text != '\0';
}

void entity_judge(const struct entity_reading *r, const struct yaml_item *root)
{
	expect_name(r, root, "apiVersion", "apiVersion", is_not_empty,
	    "such as backstage.io/v1alpha1");
	expect_name(r, root, "kind", "kind", entity_kind_is_valid,
	    "letters and digits, such as Component");
	judge_metadata(r, root);
	judge_spec(r, root);
}
