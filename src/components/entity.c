/*
 * An entity of the catalog as JSON: see entity.h. What a runner does not need
 * is not judged, only left out when it has another type. Pure.
 */
#include "components/entity.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "components/entity_internal.h"

#define CONFIG_PATH ".runner/config.yml"

static char *text_of(const json_t *map, const char *key)
{
	return mem_strdup_or_null(json_string_value(json_object_get(map, key)));
}

static char **list_of(const json_t *list)
{
	char **out = mem_calloc(json_array_size(list) + 1, sizeof(char *));
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text != NULL)
			out[n++] = mem_strdup(text);
	}
	return out;
}

static int refuse(const char *what, const char *rule, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_entity",
	    "the catalog's entity has no good %s: %s", what, rule);
}

static int read_ref(const json_t *o, struct entity_ref *ref, struct err *err)
{
	const json_t *metadata = json_object_get(o, "metadata");
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *name = json_string_value(json_object_get(metadata, "name"));
	const char *namespace =
	    json_string_value(json_object_get(metadata, "namespace"));

	if (kind == NULL || !entity_kind_is_valid(kind))
		return refuse("kind", "letters and digits, at most 63", err);
	if (name == NULL || !entity_name_is_valid(name))
		return refuse("metadata.name", ENTITY_NAME_RULE, err);
	if (namespace == NULL)
	namespace = "default";
	if (!entity_name_is_valid(namespace))
		return refuse("metadata.namespace", ENTITY_NAME_RULE, err);
	*ref = (struct entity_ref){
	    mem_strdup(kind), mem_strdup(namespace), mem_strdup(name)};
	return 0;
}

static void read_annotations(const json_t *annotations, struct entity *e)
{
	const char *enabled =
	    json_string_value(json_object_get(annotations, ANNOTATION_ENABLED));

	e->enabled = enabled != NULL && strcmp(enabled, "true") == 0;
	e->config_path = text_of(annotations, ANNOTATION_CONFIG_PATH);
	if (e->config_path == NULL)
		e->config_path = mem_strdup(CONFIG_PATH);
	e->source_location = text_of(annotations, ANNOTATION_SOURCE);
	e->managed_by = text_of(annotations, ANNOTATION_MANAGED_BY);
}

/* A target, or a list of them, or both. */
static void read_targets(const json_t *spec, struct entity *e)
{
	const char *one = json_string_value(json_object_get(spec, "target"));
	const json_t *more = json_object_get(spec, "targets");
	json_t *all = json_array();

	if (one != NULL)
		json_array_append_new(all, json_string(one));
	for (size_t i = 0; i < json_array_size(more); i++)
		json_array_append(all, json_array_get(more, i));
	e->targets = list_of(all);
	e->target_type = text_of(spec, "type");
	json_decref(all);
}

int entity_from_json(const json_t *o, struct entity *ret, struct err *err)
{
	const json_t *metadata = json_object_get(o, "metadata");
	const json_t *spec = json_object_get(o, "spec");
	const json_t *links = json_object_get(metadata, "links");
	struct entity e = {0};

	TRY(read_ref(o, &e.ref, err));
	e.title = text_of(metadata, "title");
	e.description = text_of(metadata, "description");
	e.owner = text_of(spec, "owner");
	e.system = text_of(spec, "system");
	e.lifecycle = text_of(spec, "lifecycle");
	e.type = text_of(spec, "type");
	e.tags = list_of(json_object_get(metadata, "tags"));
	read_annotations(json_object_get(metadata, "annotations"), &e);
	if (strcasecmp(e.ref.kind, "Location") == 0)
		read_targets(spec, &e);
	if (json_is_array(links))
		e.links = json_deep_copy(links);
	*ret = e;
	return 0;
}

char *entity_component_ref(const struct entity *e)
{
	return mem_printf(
	    "%s:%s/%s", e->ref.kind, e->ref.namespace, e->ref.name);
}

static void free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		mem_free(list[i]);
	mem_free(list);
}

void entity_fini(struct entity *e)
{
	entity_ref_fini(&e->ref);
	mem_free(e->title);
	mem_free(e->description);
	mem_free(e->owner);
	mem_free(e->system);
	mem_free(e->lifecycle);
	mem_free(e->type);
	free_list(e->tags);
	free_list(e->targets);
	mem_free(e->target_type);
	mem_free(e->config_path);
	mem_free(e->source_location);
	mem_free(e->managed_by);
	json_decref(e->links);
	*e = (struct entity){0};
}
