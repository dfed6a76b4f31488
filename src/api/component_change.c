/*
 * POST .../start and .../stop. A start is answered at once, or when it is
 * over for those who say so; a stop when it is done, by the instance's own
 * thread. Handler threads.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/audit.h"
#include "api/components.h"
#include "base/mem.h"
#include "base/parse.h"

#define REQUEST_MAX ((size_t)100 * 1024)
enum { WAIT_MAX_S = 24 * 3600 };

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
	if (len > REQUEST_MAX && is_json(c)) {
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

/* -- start ------------------------------------------------------------- */

/* What another thread answers. */
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

/* As the plugin's own backend told of a start that failed. */
static struct answer reply_failed(struct call *c, const struct instance *i)
{
	struct err err = ERR_INIT;

	IGNORE(err_set(&err, ERR_INTERNAL,
	    i->error_code != NULL ? i->error_code : "start_ended", "%s",
	    i->error != NULL ? i->error : "it was stopped while it started"));
	return component_error_as(c, 500, "Error", &err);
}

/* It does not start any more: it runs, or failed; or the time is up. */
static void settled(void *arg, bool in_time)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct pending *p = arg;
	struct call *c = &p->later.call;
	struct err err = ERR_INIT;

	(void)in_time;
	if (component_instance(c, &i, &err) < 0)
		(void)component_error(c, &err);
	else if (component_is_strict(c) && i.status != INSTANCE_STARTING &&
		 i.status != INSTANCE_RUNNING)
		(void)reply_failed(c, &i);
	else
		(void)component_reply_instance(c, 201, &i);
	mem_free(p);
}

/* Seconds at the beginning of text; 0: none. */
static int64_t seconds(const char *text)
{
	size_t n = strspn(text, "0123456789");
	char digits[16];
	int64_t s = 0;

	if (n > 0 && n < sizeof(digits)) {
		snprintf(digits, sizeof(digits), "%.*s", (int)n, text);
		IGNORE(parse_int(digits, 0, INT64_MAX, &s) < 0);
	}
	return s < WAIT_MAX_S ? s : WAIT_MAX_S;
}

/* "wait=N" among the preferences (RFC 7240); NULL: none. */
static const char *preferred_wait(struct call *c)
{
	const char *at = http_header(c->x, "Prefer");

	while (at != NULL) {
		at += strspn(at, " \t,;");
		if (strncasecmp(at, "wait=", 5) == 0)
			return at + 5;
		at = strpbrk(at, ",;");
	}
	return NULL;
}

static bool wants_to_rebuild(const struct call *c)
{
	const char *rebuild = http_query(c->x, "rebuild");

	return rebuild != NULL && strcmp(rebuild, "true") == 0;
}

/* Does it wait? *ret_ms 0: however long it takes. */
static bool wants_to_wait(struct call *c, int64_t *ret_ms)
{
	const char *wait = http_query(c->x, "wait");
	const char *prefer = preferred_wait(c);
	char applied[32];

	*ret_ms = 0;
	if (wait != NULL && strcmp(wait, "false") == 0)
		return false;
	if (component_is_strict(c) ||
	    (wait != NULL && strcmp(wait, "true") == 0))
		return true;
	if (wait != NULL) {
		*ret_ms = seconds(wait) * 1000;
	} else if (prefer != NULL) {
		*ret_ms = seconds(prefer) * 1000;
		snprintf(applied, sizeof(applied), "wait=%lld",
		    (long long)*ret_ms / 1000);
		http_reply_header(c->x, "Preference-Applied", applied);
	}
	return *ret_ms > 0;
}

static struct answer await(struct call *c, instance_id id, int64_t ms)
{
	struct component_wait *wait =
	    component_wait_new(c->api->waits, ms, settled, pending_new(c, id));
	struct components *components = c->api->components;
	struct err err = ERR_INIT;

	/* When it fails, the answer finds the same reason. */
	if (components_await(components, id, component_wait_done, wait, &err) <
	    0)
		component_wait_done(wait);
	return reply_later();
}

struct answer component_start(struct call *c)
{
	CLEANUP(mem_free) char *ref = NULL;
	CLEANUP(instance_fini) struct instance i = {0};
	struct component_caller by = component_caller_of(c);
	struct err err = ERR_INIT;
	struct answer refused;
	int64_t wait_ms;

	if (!read_string(c, "entityRef", &ref, &refused))
		return refused;
	audit_object(c, ref);
	by.rebuild = wants_to_rebuild(c);
	if (component_may_start(c, &err) < 0 ||
	    components_start(c->api->components, ref, &by, &i, &err) < 0)
		return component_error(c, &err);
	if (wants_to_wait(c, &wait_ms))
		return await(c, i.id, wait_ms);
	return component_reply_instance(c, 201, &i);
}

/* -- stop -------------------------------------------------------------- */

static struct answer tell_stopped(struct call *c)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_kstr(&j, "message", "Component stopped successfully");
	json_end(&j);
	return component_json(c, 200, &body);
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

/* The instance that the body names, if they may stop it. */
static int admit_stop(
    struct call *c, const char *text, instance_id *ret, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};

	snprintf(c->id, sizeof(c->id), "%.100s", text);
	TRY(component_instance(c, &i, err));
	*ret = i.id;
	return component_may_stop(c, &i, err);
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
	audit_object(c, text);
	if (admit_stop(c, text, &id, &err) < 0)
		return component_error(c, &err);
	p = pending_new(c, id);
	if (components_end(c->api->components, id, ended, p, &err) == 0)
		return reply_later();
	mem_free(p);
	return component_error(c, &err);
}
