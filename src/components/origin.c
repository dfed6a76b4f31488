/* Where an instance comes from: see origin.h. Any thread. */
#include "components/origin.h"

#include "base/mem.h"

void origin_fini(struct origin *o)
{
	mem_free(o->source);
	mem_free(o->config_path);
	*o = (struct origin){0};
}

void origin_of(const struct entity *e, bool local, struct origin *ret)
{
	const char *source =
	    e->source_location != NULL ? e->source_location : e->managed_by;

	*ret = (struct origin){.source = mem_strdup_or_null(source),
	    .config_path = mem_strdup(e->config_path),
	    .local = local};
}

void origin_write(const struct origin *o, struct json *j)
{
	if (o->source != NULL)
		json_kstr(j, "source", o->source);
	json_kstr(j, "configPath", o->config_path);
	json_kbool(j, "local", o->local);
	if (o->rebuild)
		json_kbool(j, "rebuild", true);
}

void origin_read(const char *object, struct origin *ret)
{
	json_t *o = object != NULL ? json_loads(object, 0, NULL) : NULL;

	*ret = (struct origin){.source = mem_strdup_or_null(json_string_value(
				   json_object_get(o, "source"))),
	    .config_path = mem_strdup_or_null(
		json_string_value(json_object_get(o, "configPath"))),
	    .local = json_is_true(json_object_get(o, "local")),
	    .rebuild = json_is_true(json_object_get(o, "rebuild"))};
	json_decref(o);
}
