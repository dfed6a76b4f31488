/*
 * GET of what an instance does: health, figures, faults; and the catalog.
 * The first three say in a shape of their own that there is none. Handler
 * threads.
 */
#include "api/components.h"

/* Opens {"key": -- the caller writes the value, then close_key. */
static void open_key(struct json *j, struct buf *body, const char *key)
{
	buf_init(body, BODY_MAX);
	json_init(j, body);
	json_obj(j);
	json_key(j, key);
}

static struct answer close_key(struct call *c, struct json *j, struct buf *body)
{
	json_end(j);
	return component_json(c, 200, body);
}

struct answer component_health(struct call *c)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (component_instance(c, &i, &err) < 0)
		return component_odd_error(c, &err);
	open_key(&j, &body, "health");
	components_health(c->api->components, i.id, &j);
	return close_key(c, &j, &body);
}

struct answer component_stats(struct call *c)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (component_instance(c, &i, &err) < 0)
		return component_odd_error(c, &err);
	open_key(&j, &body, "stats");
	components_stats(c->api->components, i.id, &j);
	return close_key(c, &j, &body);
}

struct answer component_metrics(struct call *c)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (component_instance(c, &i, &err) < 0)
		return component_odd_error(c, &err);
	open_key(&j, &body, "metrics");
	components_metrics(
	    c->api->components, i.id, component_number(c, "limit"), &j);
	return close_key(c, &j, &body);
}

static struct answer reply_faults(struct call *c, const char *instance)
{
	struct buf body;
	struct json j;

	open_key(&j, &body, "errors");
	components_faults(
	    c->api->components, instance, component_number(c, "limit"), &j);
	return close_key(c, &j, &body);
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
	struct component_caller by = component_caller_of(c);
	const struct component_page page = {
	    .cursor = http_query(c->x, "cursor"),
	    .limit = component_number(c, "limit")};
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	components_catalog(c->api->components, &by, &page, &j);
	return reply_json(c, 200, &body);
}
