/*
 * The component API: start, stop, look. Shapes as portals know them; a value
 * that is not there is left out. Handler threads; a stop is answered by the
 * instance's own thread.
 */
#include "api/components.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define REQUEST_MAX ((size_t)100 * 1024)

/* -- an instance ------------------------------------------------------- */

static void write_instance(const struct instance *i, struct json *j)
{
	char id[UUID_TEXT_LEN];

	json_obj(j);
	json_kstr(j, "id", uuid_text(i->id.u, id));
	json_kstr(j, "componentRef", i->component_ref);
	json_kstr(j, "status", instance_status_name(i->status));
	json_kraw(j, "ports", i->ports);
	json_ktime(j, "startedAt", i->started_at);
	if (i->progress != NULL)
		json_kraw(j, "deploymentProgress", i->progress);
	if (i->container_id != NULL)
		json_kstr(j, "containerId", i->container_id);
	if (i->stopped_at != 0)
		json_ktime(j, "stoppedAt", i->stopped_at);
	if (i->error != NULL)
		json_kstr(j, "error", i->error);
	if (i->error_code != NULL)
		json_kstr(j, "errorCode", i->error_code);
	if (i->has_exit_code)
		json_kint(j, "exitCode", i->exit_code);
	if (i->oom_killed)
		json_kbool(j, "outOfMemory", true);
	json_end(j);
}

static struct answer reply_instance(
    struct call *c, int status, const struct instance *i)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	write_instance(i, &j);
	return reply_json(c, status, &body);
}

struct answer component_show(struct call *c)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;

	if (component_instance(c, &i, &err) < 0)
		return component_error(c, &err);
	return reply_instance(c, 200, &i);
}

struct answer component_instances(struct call *c)
{
	CLEANUP(instance_list_free) struct instance_list l = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (components_list(c->api->components, &l, &err) < 0)
		return component_error(c, &err);
	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_karr(&j, "items");
	for (size_t i = 0; i < l.n; i++)
		write_instance(&l.items[i], &j);
	json_end(&j);
	json_end(&j);
	return reply_json(c, 200, &body);
}

/* -- requests ---------------------------------------------------------- */

static const char *type_name(const json_t *v)
{
	switch (v != NULL ? json_typeof(v) : JSON_NULL) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	case JSON_NULL:
		return "null";
	}
	return "null";
}

/* In the words of the validator that clients of this API know. */
static int not_a_string(const char *name, const json_t *v, struct err *err)
{
	const char *got = v == NULL ? "undefined" : type_name(v);

	return err_set(err, ERR_INVALID, "invalid_type",
	    "[\n  {\n    \"code\": \"invalid_type\",\n"
	    "    \"expected\": \"string\",\n    \"received\": \"%s\",\n"
	    "    \"path\": [\n      \"%s\"\n    ],\n"
	    "    \"message\": \"%s%s\"\n  }\n]",
	    got, name, v == NULL ? "Required" : "Expected string, received ",
	    v == NULL ? "" : got);
}

static bool is_json(struct call *c)
{
	const char *type = http_header(c->x, "Content-Type");

	return type != NULL && strncasecmp(type, "application/json", 16) == 0;
}

/* The body; one of another kind counts as an empty object. NULL: answered. */
static json_t *read_body(struct call *c, struct answer *ret_answer)
{
	struct err err = ERR_INIT;
	json_t *body;
	size_t len;

	http_body(c->x, &len);
	if (len > REQUEST_MAX) {
		IGNORE(err_set(&err, ERR_LIMIT, "entity.too.large",
		    "request entity too large"));
		*ret_answer =
		    component_error_as(c, 413, "PayloadTooLargeError", &err);
		return NULL;
	}
	body = is_json(c) && len > 0 ? param_body(c, &err) : json_object();
	if (body == NULL)
		*ret_answer = component_error_as(c, 400, "SyntaxError", &err);
	return body;
}

/* The string `name` of the body, for mem_free. False: it was answered. */
static bool read_string(
    struct call *c, const char *name, char **ret, struct answer *ret_answer)
{
	json_t *body = read_body(c, ret_answer);
	const json_t *v = json_object_get(body, name);
	struct err err = ERR_INIT;

	if (body == NULL)
		return false;
	if (json_is_string(v)) {
		*ret = mem_strdup(json_string_value(v));
	} else {
		IGNORE(not_a_string(name, v, &err));
		*ret_answer = component_error(c, &err);
	}
	json_decref(body);
	return err.kind == ERR_NONE;
}

/* -- start and stop ---------------------------------------------------- */

struct pending {
	struct later later;
	instance_id id;
};

static struct pending *pending_new(const struct call *c, instance_id id)
{
	struct pending *p = mem_zalloc(sizeof(*p));

	later_init(&p->later, c);
	p->id = id;
	uuid_text(id.u, p->later.call.id);
	return p;
}

/* It does not start any more: it runs, or failed. */
static void settled(void *arg)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct pending *p = arg;
	struct call *c = &p->later.call;
	struct err err = ERR_INIT;

	if (component_instance(c, &i, &err) < 0)
		(void)component_error(c, &err);
	else
		(void)reply_instance(c, 201, &i);
	mem_free(p);
}

static bool wants_to_wait(struct call *c)
{
	const char *wait = http_query(c->x, "wait");
	const char *prefer = http_header(c->x, "Prefer");

	return (wait != NULL && strcmp(wait, "true") == 0) ||
	       (prefer != NULL && strncasecmp(prefer, "wait", 4) == 0);
}

static struct answer await(struct call *c, instance_id id)
{
	struct pending *p = pending_new(c, id);
	struct err err = ERR_INIT;

	if (components_await(c->api->components, id, settled, p, &err) == 0)
		return reply_later();
	mem_free(p);
	return component_error(c, &err);
}

struct answer component_start(struct call *c)
{
	CLEANUP(mem_free) char *ref = NULL;
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	struct component_caller by = {0};
	struct answer refused;

	if (!read_string(c, "entityRef", &ref, &refused))
		return refused;
	if (components_start(c->api->components, ref, &by, &i, &err) < 0)
		return component_error(c, &err);
	if (wants_to_wait(c))
		return await(c, i.id);
	return reply_instance(c, 201, &i);
}

static struct answer tell_stopped(struct call *c)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_kstr(&j, "message", "Component stopped successfully");
	json_end(&j);
	return reply_json(c, 200, &body);
}

static void ended(void *arg)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct pending *p = arg;
	struct call *c = &p->later.call;
	struct err err = ERR_INIT;

	if (component_instance(c, &i, &err) == 0 &&
	    instance_is_active(i.status))
		IGNORE(err_set(&err, ERR_UNAVAILABLE, "shutting_down",
		    "the hub shuts down; its next start stops the component"));
	if (err.kind != ERR_NONE)
		(void)component_error(c, &err);
	else
		(void)tell_stopped(c);
	mem_free(p);
}

struct answer component_stop(struct call *c)
{
	CLEANUP(mem_free) char *text = NULL;
	struct pending *p;
	struct err err = ERR_INIT;
	struct answer refused;
	instance_id id;

	if (!read_string(c, "instanceId", &text, &refused))
		return refused;
	if (uuid_parse(text, &id.u) < 0) {
		IGNORE(err_set(&err, ERR_NOT_FOUND, "instance_not_found",
		    "Instance %.100s not found", text));
		return component_error(c, &err);
	}
	p = pending_new(c, id);
	if (components_end(c->api->components, id, ended, p, &err) == 0)
		return reply_later();
	mem_free(p);
	return component_error(c, &err);
}

/* -- health, faults, catalog ------------------------------------------- */

/* The shape of these routes, beside the envelope of all others. */
static struct answer plain_not_found(struct call *c, const struct err *err)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_kstr(&j, "error", err->msg);
	json_end(&j);
	return reply_json(c, 404, &body);
}

struct answer component_health(struct call *c)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (component_instance(c, &i, &err) < 0)
		return err.kind == ERR_NOT_FOUND ? plain_not_found(c, &err)
						 : component_error(c, &err);
	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_key(&j, "health");
	components_health(c->api->components, i.id, &j);
	json_end(&j);
	return reply_json(c, 200, &body);
}

static struct answer reply_faults(struct call *c, const char *instance)
{
	int64_t limit = component_number(c, "limit");
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_key(&j, "errors");
	components_faults(
	    c->api->components, instance, limit > 0 ? limit : 0, &j);
	json_end(&j);
	return reply_json(c, 200, &body);
}

struct answer component_errors(struct call *c)
{
	return reply_faults(c, c->id);
}

struct answer component_errors_all(struct call *c)
{
	return reply_faults(c, NULL);
}

struct answer component_catalog(struct call *c)
{
	struct component_caller by = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_key(&j, "items");
	if (components_catalog(c->api->components, &by, &j, &err) < 0) {
		buf_fini(&body);
		return component_error(c, &err);
	}
	json_end(&j);
	return reply_json(c, 200, &body);
}
