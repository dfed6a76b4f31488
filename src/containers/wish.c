/*
 * Reads a container's description from JSON: see wish.h. Pure. Secrets are in
 * here (environments, registry passwords): no message of this file quotes a
 * value.
 */
#include "containers/wish.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define MOUNTS_MAX 1024

/* -- fields ------------------------------------------------------------ */

/* NULL when absent or null. The exact name wins over one in another case. */
json_t *wish_field(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);
	const char *key;
	json_t *other;

	if (value == NULL)
		json_object_foreach((json_t *)(uintptr_t)object, key, other)
		{
			if (strcasecmp(key, name) == 0)
				value = other;
		}
	return json_is_null(value) ? NULL : value;
}

int wish_wrong_type(const char *name, const char *wanted, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_request",
	    "the runner's request is not understood: \"%s\" is not %s", name,
	    wanted);
}

int wish_text(
    const json_t *object, const char *name, const char **ret, struct err *err)
{
	const json_t *value = wish_field(object, name);

	*ret = NULL;
	if (value == NULL)
		return 0;
	*ret = json_string_value(value);
	if (*ret == NULL || strlen(*ret) != json_string_length(value))
		return wish_wrong_type(name, "a text", err);
	return 0;
}

/* The same, with "" as absent. */
int wish_name(
    const json_t *object, const char *name, const char **ret, struct err *err)
{
	TRY(wish_text(object, name, ret, err));
	if (*ret != NULL && (*ret)[0] == '\0')
		*ret = NULL;
	return 0;
}

static int get_bool(
    const json_t *object, const char *name, bool *ret, struct err *err)
{
	const json_t *value = wish_field(object, name);

	if (value != NULL && !json_is_boolean(value))
		return wish_wrong_type(name, "true or false", err);
	*ret = json_is_true(value);
	return 0;
}

static int add_text(
    struct words *list, const json_t *value, const char *name, struct err *err)
{
	const char *text = json_string_value(value);

	if (text == NULL || strlen(text) != json_string_length(value))
		return wish_wrong_type(name, "a list of texts", err);
	words_add(list, mem_strdup(text));
	return 0;
}

/* An array of texts, or one text alone (prependPath of old runners). */
static int get_list(
    const json_t *object, const char *name, struct words *ret, struct err *err)
{
	const json_t *value = wish_field(object, name);

	ret->v = mem_zalloc(sizeof(*ret->v)); /* the NULL of an empty list */
	if (value == NULL)
		return 0;
	if (json_is_string(value))
		return json_string_length(value) > 0
			   ? add_text(ret, value, name, err)
			   : 0;
	if (!json_is_array(value))
		return wish_wrong_type(name, "a list", err);
	for (size_t i = 0; i < json_array_size(value); i++)
		TRY(add_text(ret, json_array_get(value, i), name, err));
	return 0;
}

/* A variable whose name a process cannot have is left out; null is "". */
static int get_env(const json_t *object, struct words *ret, struct err *err)
{
	static const char name[] = "environmentVariables";
	const json_t *map = wish_field(object, name);
	const char *key;
	json_t *value;

	ret->v = mem_zalloc(sizeof(*ret->v));
	if (map != NULL && !json_is_object(map))
		return wish_wrong_type(name, "a map", err);
	json_object_foreach((json_t *)(uintptr_t)map, key, value)
	{
		const char *text =
		    json_is_null(value) ? "" : json_string_value(value);

		if (text == NULL ||
		    (!json_is_null(value) &&
			strlen(text) != json_string_length(value)))
			return wish_wrong_type(name, "a map of texts", err);
		if (key[0] != '\0' && strchr(key, '=') == NULL)
			words_add(ret, mem_printf("%s=%s", key, text));
	}
	return 0;
}

/* -- containers -------------------------------------------------------- */

static int get_mount(
    const json_t *object, struct wish_mount *m, struct err *err)
{
	TRY(wish_name(object, "userProvidedValue", &m->user, err));
	TRY(wish_name(object, "sourceVolumePath", &m->source, err));
	TRY(wish_name(object, "targetVolumePath", &m->target, err));
	return get_bool(object, "readOnly", &m->read_only, err);
}

static int get_mounts(const json_t *object, const char *name,
    struct wish_mount **ret, size_t *ret_n, struct err *err)
{
	const json_t *list = wish_field(object, name);
	size_t n = json_array_size(list);

	if (list != NULL && (!json_is_array(list) || n > MOUNTS_MAX))
		return wish_wrong_type(name, "a list of mounts", err);
	*ret = mem_calloc(n + 1, sizeof(**ret));
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_is_object(item))
			return wish_wrong_type(name, "a list of mounts", err);
		TRY(get_mount(item, &(*ret)[i], err));
		*ret_n = i + 1;
	}
	return 0;
}

static int get_registry(
    const json_t *object, struct container_wish *c, struct err *err)
{
	const json_t *registry = wish_field(object, "registry");

	if (registry == NULL)
		return 0;
	if (!json_is_object(registry))
		return wish_wrong_type("registry", "an object", err);
	TRY(wish_name(registry, "username", &c->registry_user, err));
	TRY(wish_name(registry, "password", &c->registry_password, err));
	TRY(wish_name(registry, "serverUrl", &c->registry_server, err));
	c->has_registry =
	    c->registry_user != NULL && c->registry_password != NULL;
	return 0;
}

int container_wish_read(
    const json_t *object, struct container_wish *c, struct err *err)
{
	TRY(wish_name(object, "image", &c->image, err));
	TRY(wish_name(object, "dockerfile", &c->dockerfile, err));
	TRY(wish_name(object, "entryPoint", &c->entry_point, err));
	TRY(wish_name(object, "workingDirectory", &c->working_dir, err));
	TRY(wish_name(object, "createOptions", &c->create_options, err));
	TRY(wish_name(object, "contextName", &c->alias, err));
	TRY(get_list(object, "entryPointArgs", &c->entry_args, err));
	TRY(get_list(object, "prependPath", &c->prepend_path, err));
	TRY(get_env(object, &c->env, err));
	TRY(get_list(object, "portMappings", &c->ports, err));
	TRY(get_registry(object, c, err));
	TRY(get_mounts(object, "systemMountVolumes", &c->system_mounts,
	    &c->nsystem_mounts, err));
	return get_mounts(
	    object, "userMountVolumes", &c->user_mounts, &c->nuser_mounts, err);
}

void container_wish_fini(struct container_wish *c)
{
	words_fini(&c->entry_args);
	words_fini(&c->prepend_path);
	words_fini(&c->env);
	words_fini(&c->ports);
	mem_free(c->system_mounts);
	mem_free(c->user_mounts);
}
