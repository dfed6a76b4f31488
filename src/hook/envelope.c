/*
 * Reads the runner's request: see envelope.h. Called once, by conversation.c;
 * pure. Secrets are in here (environments, registry passwords): no message
 * of this file quotes a value.
 */
#include "hook/envelope.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define SERVICES_MAX 256
#define MOUNTS_MAX   1024

static const char *const command_names[] = {
    [HOOK_PREPARE_JOB] = "prepare_job",
    [HOOK_RUN_SCRIPT_STEP] = "run_script_step",
    [HOOK_RUN_CONTAINER_STEP] = "run_container_step",
    [HOOK_CLEANUP_JOB] = "cleanup_job",
};

const char *hook_command_name(enum hook_command command)
{
	return command_names[command];
}

/* -- fields ------------------------------------------------------------ */

/* NULL when absent or null. The exact name wins over one in another case. */
static json_t *field(const json_t *object, const char *name)
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

static int wrong_type(const char *name, const char *wanted, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_request",
	    "the runner's request is not understood: \"%s\" is not %s", name,
	    wanted);
}

static int get_text(
    const json_t *object, const char *name, const char **ret, struct err *err)
{
	const json_t *value = field(object, name);

	*ret = NULL;
	if (value == NULL)
		return 0;
	*ret = json_string_value(value);
	if (*ret == NULL || strlen(*ret) != json_string_length(value))
		return wrong_type(name, "a text", err);
	return 0;
}

/* The same, with "" as absent. */
static int get_name(
    const json_t *object, const char *name, const char **ret, struct err *err)
{
	TRY(get_text(object, name, ret, err));
	if (*ret != NULL && (*ret)[0] == '\0')
		*ret = NULL;
	return 0;
}

static int get_bool(
    const json_t *object, const char *name, bool *ret, struct err *err)
{
	const json_t *value = field(object, name);

	if (value != NULL && !json_is_boolean(value))
		return wrong_type(name, "true or false", err);
	*ret = json_is_true(value);
	return 0;
}

static int add_text(
    struct words *list, const json_t *value, const char *name, struct err *err)
{
	const char *text = json_string_value(value);

	if (text == NULL || strlen(text) != json_string_length(value))
		return wrong_type(name, "a list of texts", err);
	words_add(list, mem_strdup(text));
	return 0;
}

/* An array of texts, or one text alone (prependPath of old runners). */
static int get_list(
    const json_t *object, const char *name, struct words *ret, struct err *err)
{
	const json_t *value = field(object, name);

	ret->v = mem_zalloc(sizeof(*ret->v)); /* the NULL of an empty list */
	if (value == NULL)
		return 0;
	if (json_is_string(value))
		return json_string_length(value) > 0
			   ? add_text(ret, value, name, err)
			   : 0;
	if (!json_is_array(value))
		return wrong_type(name, "a list", err);
	for (size_t i = 0; i < json_array_size(value); i++)
		TRY(add_text(ret, json_array_get(value, i), name, err));
	return 0;
}

/* A variable whose name a process cannot have is left out; null is "". */
static int get_env(const json_t *object, struct words *ret, struct err *err)
{
	static const char name[] = "environmentVariables";
	const json_t *map = field(object, name);
	const char *key;
	json_t *value;

	ret->v = mem_zalloc(sizeof(*ret->v));
	if (map != NULL && !json_is_object(map))
		return wrong_type(name, "a map", err);
	json_object_foreach((json_t *)(uintptr_t)map, key, value)
	{
		const char *text =
		    json_is_null(value) ? "" : json_string_value(value);

		if (text == NULL ||
		    (!json_is_null(value) &&
			strlen(text) != json_string_length(value)))
			return wrong_type(name, "a map of texts", err);
		if (key[0] != '\0' && strchr(key, '=') == NULL)
			words_add(ret, mem_printf("%s=%s", key, text));
	}
	return 0;
}

/* -- containers -------------------------------------------------------- */

static int get_mount(
    const json_t *object, struct hook_mount *m, struct err *err)
{
	TRY(get_name(object, "userProvidedValue", &m->user, err));
	TRY(get_name(object, "sourceVolumePath", &m->source, err));
	TRY(get_name(object, "targetVolumePath", &m->target, err));
	return get_bool(object, "readOnly", &m->read_only, err);
}

static int get_mounts(const json_t *object, const char *name,
    struct hook_mount **ret, size_t *ret_n, struct err *err)
{
	const json_t *list = field(object, name);
	size_t n = json_array_size(list);

	if (list != NULL && (!json_is_array(list) || n > MOUNTS_MAX))
		return wrong_type(name, "a list of mounts", err);
	*ret = mem_calloc(n + 1, sizeof(**ret));
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_is_object(item))
			return wrong_type(name, "a list of mounts", err);
		TRY(get_mount(item, &(*ret)[i], err));
		*ret_n = i + 1;
	}
	return 0;
}

static int get_registry(
    const json_t *object, struct hook_container *c, struct err *err)
{
	const json_t *registry = field(object, "registry");

	if (registry == NULL)
		return 0;
	if (!json_is_object(registry))
		return wrong_type("registry", "an object", err);
	TRY(get_name(registry, "username", &c->registry_user, err));
	TRY(get_name(registry, "password", &c->registry_password, err));
	TRY(get_name(registry, "serverUrl", &c->registry_server, err));
	c->has_registry =
	    c->registry_user != NULL && c->registry_password != NULL;
	return 0;
}

/* On failure what was filled is left to envelope_fini. */
static int get_container(
    const json_t *object, struct hook_container *c, struct err *err)
{
	TRY(get_name(object, "image", &c->image, err));
	TRY(get_name(object, "dockerfile", &c->dockerfile, err));
	TRY(get_name(object, "entryPoint", &c->entry_point, err));
	TRY(get_name(object, "workingDirectory", &c->working_dir, err));
	TRY(get_name(object, "createOptions", &c->create_options, err));
	TRY(get_name(object, "contextName", &c->alias, err));
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

static void container_fini(struct hook_container *c)
{
	words_fini(&c->entry_args);
	words_fini(&c->prepend_path);
	words_fini(&c->env);
	words_fini(&c->ports);
	mem_free(c->system_mounts);
	mem_free(c->user_mounts);
}

static int get_services(
    const json_t *args, struct hook_envelope *e, struct err *err)
{
	const json_t *list = field(args, "services");
	size_t n = json_array_size(list);

	if (list != NULL && (!json_is_array(list) || n > SERVICES_MAX))
		return wrong_type("services", "a list of containers", err);
	e->services = mem_calloc(n + 1, sizeof(*e->services));
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_is_object(item))
			return wrong_type(
			    "services", "a list of containers", err);
		e->nservices = i + 1;
		TRY(get_container(item, &e->services[i], err));
	}
	return 0;
}

static int get_job(const json_t *args, struct hook_envelope *e, struct err *err)
{
	const json_t *container = field(args, "container");

	if (container != NULL && !json_is_object(container))
		return wrong_type("container", "an object", err);
	TRY(get_services(args, e, err));
	e->has_container = container != NULL;
	return container != NULL ? get_container(container, &e->container, err)
				 : 0;
}

/* -- the whole --------------------------------------------------------- */

static int get_command(struct hook_envelope *e, struct err *err)
{
	const char *name;

	TRY(get_text(e->doc, "command", &name, err));
	for (size_t i = 0; name != NULL && i < ARRAY_LEN(command_names); i++)
		if (strcmp(name, command_names[i]) == 0) {
			e->command = (enum hook_command)i;
			return 0;
		}
	return err_set(err, ERR_INVALID, "unknown_command",
	    "the runner asks for the command \"%.64s\", which this version "
	    "does not know",
	    name != NULL ? name : "");
}

static int get_all(struct hook_envelope *e, struct err *err)
{
	const json_t *args = field(e->doc, "args");

	TRY(get_command(e, err));
	TRY(get_name(e->doc, "responseFile", &e->response_file, err));
	e->state = field(e->doc, "state");
	if (e->state != NULL && !json_is_object(e->state))
		return wrong_type("state", "an object", err);
	if (args != NULL && !json_is_object(args))
		return wrong_type("args", "an object", err);
	switch (e->command) {
	case HOOK_PREPARE_JOB:
		return get_job(args, e, err);
	case HOOK_RUN_SCRIPT_STEP:
	case HOOK_RUN_CONTAINER_STEP:
		e->has_container = true;
		return get_container(args, &e->container, err);
	case HOOK_CLEANUP_JOB:
		return 0;
	}
	WRONG("a hook_command out of range");
}

int envelope_parse(
    const char *text, size_t len, struct hook_envelope *ret, struct err *err)
{
	CLEANUP(envelope_fini) struct hook_envelope e = {.doc = NULL};
	json_error_t why;

	if (len > ENVELOPE_MAX)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "the runner's request is longer than %zu bytes",
		    ENVELOPE_MAX);
	e.doc = json_loadb(text, len, JSON_ALLOW_NUL, &why);
	if (e.doc == NULL || !json_is_object(e.doc))
		return err_set(err, ERR_INVALID, "bad_request",
		    "the runner's request (%zu bytes on stdin) is not a JSON "
		    "object",
		    len);
	TRY(get_all(&e, err));
	*ret = e;
	e = (struct hook_envelope){.doc = NULL};
	return 0;
}

void envelope_fini(struct hook_envelope *e)
{
	container_fini(&e->container);
	for (size_t i = 0; i < e->nservices; i++)
		container_fini(&e->services[i]);
	mem_free(e->services);
	json_decref(e->doc);
	*e = (struct hook_envelope){.doc = NULL};
}
