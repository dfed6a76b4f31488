/*
 * Validates what a session wants of the engine (container, services, nested,
 * profile, keepLog) and parts it by where it is kept: what everybody may see
 * goes into the spec, registries' credentials into memory, all else (variables
 * and options of workflows hold tokens) beside the job's secrets, sealed.
 * Handler threads.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "containers/wish.h"
#include "jobs/request_internal.h"
#include "jobs/session_wish.h"

enum { SERVICES_MAX = 50, PATH_BYTES_MAX = 1024 };

static const char *const fields[] = {
    "container", "services", "nested", "profile", "keepLog", NULL};

/* -- one container ----------------------------------------------------- */

static size_t env_bytes(const struct container_wish *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->env.n; i++)
		n += strlen(w->env.v[i]);
	return n;
}

static int check_probe(
    struct request_parser *p, const json_t *object, const char *field)
{
	const json_t *probe = json_object_get(object, "probe");
	const char *path = json_string_value(json_object_get(probe, "path"));
	char name[64];

	if (probe == NULL || json_is_null(probe))
		return 0;
	snprintf(name, sizeof(name), "%s.probe.path", field);
	if (path == NULL || path[0] != '/' || strlen(path) > PATH_BYTES_MAX)
		return request_bad(p, name, "an absolute path");
	return 0;
}

static int check_wish(
    struct request_parser *p, const char *field, const struct container_wish *w)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.image", field);
	if (w->image == NULL || strlen(w->image) > TEXT_MAX_BYTES ||
	    !request_is_image(w->image))
		return request_bad(
		    p, name, "an image reference such as alpine:3");
	snprintf(name, sizeof(name), "%s.dockerfile", field);
	if (w->dockerfile != NULL)
		return request_bad(
		    p, name, "no such field: only container steps build one");
	snprintf(name, sizeof(name), "%s.environmentVariables", field);
	if (env_bytes(w) > ENV_TOTAL_MAX)
		return request_bad(p, name, "at most 400 KiB altogether");
	return 0;
}

static int check_object(struct request_parser *p, const json_t *object,
    const char *field, struct container_wish *w)
{
	if (!json_is_object(object))
		return request_bad(p, field,
		    "an object with \"image\", as the runner describes a "
		    "container");
	if (container_wish_read(object, w, p->err) != 0) {
		snprintf(p->err->code, sizeof(p->err->code), "invalid_field");
		return err_wrap(p->err, "Field \"%s\"", field);
	}
	TRY(check_wish(p, field, w));
	return check_probe(p, object, field);
}

/* Names of fields match in any case: none of the spellings may stay. */
static json_t *without_registry(const json_t *object)
{
	json_t *copy = json_copy((json_t *)object), *value;
	const char *key;
	void *next;

	json_object_foreach_safe(copy, next, key, value)
	{
		if (strcasecmp(key, "registry") == 0)
			json_object_del(copy, key);
	}
	return copy;
}

/* Where the three parts of one container go. */
struct parts {
	json_t *shown, *sealed, *registry;
	size_t env_bytes;
};

static void part(
    const json_t *object, const struct container_wish *w, struct parts *ret)
{
	ret->shown = json_object();
	json_object_set_new(ret->shown, "image", json_string(w->image));
	if (w->alias != NULL)
		json_object_set_new(
		    ret->shown, "contextName", json_string(w->alias));
	if (w->has_registry)
		json_object_set_new(ret->shown, "registry", json_true());
	ret->sealed = without_registry(object);
	ret->registry = json_incref(
	    w->has_registry ? wish_field(object, "registry") : json_null());
	ret->env_bytes = env_bytes(w);
}

static int take_one(struct request_parser *p, const json_t *object,
    const char *field, struct parts *ret)
{
	CLEANUP(container_wish_fini) struct container_wish w = {.image = NULL};

	TRY(check_object(p, object, field, &w));
	part(object, &w, ret);
	return 0;
}

/* -- the fields -------------------------------------------------------- */

/* What is collected of a session before it goes where it is kept. */
struct session_parts {
	json_t *sealed, *registries;
	size_t env_bytes;
};

static int take_container(struct request_parser *p, const json_t *body,
    json_t *spec, struct session_parts *s)
{
	json_t *object = json_object_get(body, "container");
	struct parts parts;

	if (object == NULL)
		return 0;
	if (json_is_null(object))
		return json_object_set(spec, "container", object);
	TRY(take_one(p, object, "container", &parts));
	json_object_set_new(spec, "container", parts.shown);
	json_object_set_new(s->sealed, "container", parts.sealed);
	json_object_set_new(s->registries, "container", parts.registry);
	s->env_bytes = parts.env_bytes;
	return 0;
}

static int take_services(struct request_parser *p, const json_t *body,
    json_t *spec, struct session_parts *s)
{
	json_t *list = json_object_get(body, "services"), *object;
	json_t *shown, *sealed, *registries;
	char field[32];
	size_t i;

	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > SERVICES_MAX)
		return request_bad(
		    p, "services", "an array of at most 50 containers");
	shown = json_array();
	sealed = json_array();
	registries = json_array();
	json_object_set_new(spec, "services", shown);
	json_object_set_new(s->sealed, "services", sealed);
	json_object_set_new(s->registries, "services", registries);
	json_array_foreach(list, i, object)
	{
		struct parts parts;

		snprintf(field, sizeof(field), "services[%zu]", i);
		TRY(take_one(p, object, field, &parts));
		json_array_append_new(shown, parts.shown);
		json_array_append_new(sealed, parts.sealed);
		json_array_append_new(registries, parts.registry);
	}
	return 0;
}

/* Of plain segments: it becomes a mount's target. */
static bool is_plain_path(const char *path)
{
	size_t n;

	if (strlen(path) > PATH_BYTES_MAX || strchr(path, ':') != NULL)
		return false;
	do {
		if (*path++ != '/')
			return false;
		n = strcspn(path, "/");
		if (n == 0 || strncmp(path, "..", n > 2 ? n : 2) == 0 ||
		    (n == 1 && path[0] == '.'))
			return false;
		path += n;
	} while (*path != '\0');
	return true;
}

static int take_nested(
    struct request_parser *p, const json_t *body, json_t *spec)
{
	const json_t *nested = json_object_get(body, "nested");
	const char *work = json_string_value(json_object_get(nested, "work"));

	if (nested == NULL || json_is_null(nested))
		return 0;
	if (work == NULL || !is_plain_path(work))
		return request_bad(p, "nested.work",
		    "an absolute path such as /home/runner/_work");
	return json_object_set_new(
	    spec, "nested", json_pack("{ss}", "work", work));
}

static bool wants_containers(const json_t *spec)
{
	return json_object_get(spec, "container") != NULL ||
	       json_object_get(spec, "services") != NULL;
}

static int take_profile(
    struct request_parser *p, const json_t *body, json_t *spec)
{
	bool more =
	    wants_containers(spec) || json_object_get(spec, "nested") != NULL;
	const char *name;

	TRY(request_string(
	    p, body, "profile", "profile", NAME_MAX_BYTES, &name));
	if (name != NULL && strcmp(name, "strict") != 0 &&
	    strcmp(name, "runner") != 0)
		return request_bad(p, "profile", "\"strict\" or \"runner\"");
	if (name == NULL)
		name = more ? "runner" : "strict";
	if (strcmp(name, "strict") == 0) /* as when it is absent */
		return 0;
	return json_object_set_new(spec, "profile", json_string(name));
}

/* The image that the agent needs: a service's does where none is named. */
static void put_image(json_t *spec)
{
	json_t *image =
	    json_object_get(json_object_get(spec, "container"), "image");

	if (image == NULL && json_object_get(spec, "image") == NULL)
		image = json_object_get(
		    json_array_get(json_object_get(spec, "services"), 0),
		    "image");
	if (image != NULL)
		json_object_set(spec, "image", image);
}

static int take_fields(struct request_parser *p, const json_t *body,
    json_t *spec, struct session_parts *s)
{
	bool keep_log = true;

	TRY(take_container(p, body, spec, s));
	TRY(take_services(p, body, spec, s));
	TRY(take_nested(p, body, spec));
	TRY(take_profile(p, body, spec));
	TRY(request_bool(p, body, "keepLog", "keepLog", &keep_log));
	if (!keep_log)
		json_object_set_new(spec, "keepLog", json_false());
	if (wants_containers(spec) && json_object_get(spec, "network") != NULL)
		return request_bad(p, "network",
		    "no such field: a session with containers has a network "
		    "of its own");
	put_image(spec);
	return 0;
}

/* -- the whole --------------------------------------------------------- */

static struct secret *seal_text(const json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	struct secret *s = secret_new(text, strlen(text));

	secret_wipe(text, strlen(text));
	mem_free(text);
	return s;
}

static bool has_credentials(const json_t *registries)
{
	const json_t *one;
	size_t i;

	if (json_is_object(json_object_get(registries, "container")))
		return true;
	json_array_foreach(json_object_get(registries, "services"), i, one)
	{
		if (json_is_object(one))
			return true;
	}
	return false;
}

/* Beside the secrets of the request, in the one object that is sealed. */
static void keep(
    const json_t *body, const struct session_parts *s, struct request *r)
{
	json_t *all = json_copy(json_object_get(body, "secrets"));

	if (has_credentials(s->registries))
		r->registries = seal_text(s->registries);
	if (json_object_size(s->sealed) > 0) {
		if (all == NULL || json_is_null(all))
			all = json_object();
		json_object_set(all, SESSION_WISH, s->sealed);
		secret_free(r->secrets);
		r->secrets = seal_text(all);
	}
	json_decref(all);
}

static int only_sessions(struct request_parser *p, const json_t *body)
{
	for (const char *const *f = fields; *f != NULL; f++)
		if (json_object_get(body, *f) != NULL)
			return request_bad(p, *f,
			    "no such field beside \"steps\": it is for a "
			    "session");
	return 0;
}

int request_take_session(struct request_parser *p, const json_t *body,
    json_t *spec, struct request *r, size_t *ret_env_bytes)
{
	struct session_parts s;
	int got;

	*ret_env_bytes = 0;
	if (!r->is_session)
		return only_sessions(p, body);
	s = (struct session_parts){
	    .sealed = json_object(), .registries = json_object()};
	got = take_fields(p, body, spec, &s);
	if (got == 0)
		keep(body, &s, r);
	*ret_env_bytes = s.env_bytes;
	json_decref(s.sealed);
	json_decref(s.registries);
	return got;
}
