/*
 * A container's description as the hub takes it: the runner's fields by their
 * exact names, nothing that it did not name. Used by hub_prepare.c and
 * hub_step.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hook/hub_internal.h"

static void put(json_t *o, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(o, key, json_string(value));
}

static void put_words(json_t *o, const char *key, const struct words *words)
{
	json_t *list = json_array();

	for (size_t i = 0; i < words->n; i++)
		json_array_append_new(list, json_string(words->v[i]));
	json_object_set_new(o, key, list);
}

/* "NAME=value" back into a map. */
json_t *hub_env_json(const struct words *env)
{
	json_t *map = json_object();

	for (size_t i = 0; i < env->n; i++) {
		const char *equals = strchr(env->v[i], '=');
		char *name =
		    mem_strndup(env->v[i], (size_t)(equals - env->v[i]));

		json_object_set_new(map, name, json_string(equals + 1));
		mem_free(name);
	}
	return map;
}

/* A path that is not there stays: the hub says what is wrong with it. */
static void put_source(json_t *o, const char *source)
{
	char *real =
	    source != NULL && source[0] == '/' ? realpath(source, NULL) : NULL;

	put(o, "sourceVolumePath", real != NULL ? real : source);
	mem_free(real); /* of malloc, as mem's */
}

static void put_mounts(
    json_t *o, const char *key, const struct wish_mount *mounts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *m = json_object();

		put(m, "userProvidedValue", mounts[i].user);
		put_source(m, mounts[i].source);
		put(m, "targetVolumePath", mounts[i].target);
		json_object_set_new(
		    m, "readOnly", json_boolean(mounts[i].read_only));
		json_array_append_new(list, m);
	}
	json_object_set_new(o, key, list);
}

static void put_registry(json_t *o, const struct container_wish *w)
{
	json_t *registry;

	if (!w->has_registry)
		return;
	registry = json_object();
	put(registry, "username", w->registry_user);
	put(registry, "password", w->registry_password);
	put(registry, "serverUrl", w->registry_server);
	json_object_set_new(o, "registry", registry);
}

json_t *hub_wish_json(const struct container_wish *w)
{
	json_t *o = json_object();

	put(o, "image", w->image);
	if (w->image == NULL)
		put(o, "dockerfile", w->dockerfile);
	put(o, "entryPoint", w->entry_point);
	put_words(o, "entryPointArgs", &w->entry_args);
	put(o, "workingDirectory", w->working_dir);
	put(o, "createOptions", w->create_options);
	put(o, "contextName", w->alias);
	put_words(o, "prependPath", &w->prepend_path);
	json_object_set_new(o, "environmentVariables", hub_env_json(&w->env));
	put_words(o, "portMappings", &w->ports);
	put_mounts(
	    o, "systemMountVolumes", w->system_mounts, w->nsystem_mounts);
	put_mounts(o, "userMountVolumes", w->user_mounts, w->nuser_mounts);
	put_registry(o, w);
	return o;
}
