/*
 * GET of what an instance does: health, figures, faults; and the catalog.
 * The first three say in a shape of their own that there is none. Handler
 * threads.
 */
#include "api/components.h"

/* Writes the value; i: of which instance, where it is one that is there. */
typedef void write_fn(struct call *c, const struct instance *i, struct json *j);

/* {"<key>": ...} */
static struct answer reply_key(
    struct call *c, const char *key, write_fn *write, const struct instance *i)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_key(&j, key);
	write(c, i, &j);
	json_end(&j);
	return component_json(c, 200, &body);
}

/* Of the instance that the path names. */
static struct answer look(struct call *c, const char *key, write_fn *write)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;

	if (component_instance(c, &i, &err) < 0)
		return component_odd_error(c, &err);
	return reply_key(c, key, write, &i);
}

static void write_health(
    struct call *c, const struct instance *i, struct json *j)
{
	components_health(c->api->components, i->id, j);
}

struct answer component_health(struct call *c)
{
	return look(c, "health", write_health);
}

static void write_stats(
    struct call *c, const struct instance *i, struct json *j)
{
	components_stats(c->api->components, i->id, j);
}

struct answer component_stats(struct call *c)
{
	return look(c, "stats", write_stats);
}

static void write_metrics(
    struct call *c, const struct instance *i, struct json *j)
{
	components_metrics(
	    c->api->components, i->id, component_number(c, "limit"), j);
}

struct answer component_metrics(struct call *c)
{
	return look(c, "metrics", write_metrics);
}

/* Also of one that is not there: those are empty. */
static void write_faults_of(
    struct call *c, const struct instance *i, struct json *j)
{
	(void)i;
	components_faults(
	    c->api->components, c->id, component_number(c, "limit"), j);
}

struct answer component_errors(struct call *c)
{
	return reply_key(c, "errors", write_faults_of, NULL);
}

static void write_faults(
    struct call *c, const struct instance *i, struct json *j)
{
	(void)i;
	components_faults(
	    c->api->components, NULL, component_number(c, "limit"), j);
}

struct answer component_errors_all(struct call *c)
{
	return reply_key(c, "errors", write_faults, NULL);
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
