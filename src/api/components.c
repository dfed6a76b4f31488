/*
 * Instances in the shape that portals know; a value that is not there is left
 * out. Handler threads, and those of instances.
 */
#include "api/components.h"

#include <stdio.h>

static void optional(struct json *j, const char *key, const char *text)
{
	if (text != NULL)
		json_kstr(j, key, text);
}

/* An engine tells of a signal by the code alone: 128 and its number. */
static void write_code(int code, struct json *j)
{
	const char *abbreviation = instance_signal(code);
	char name[16];

	json_kint(j, "exitCode", code);
	if (abbreviation == NULL)
		return;
	snprintf(name, sizeof(name), "SIG%s", abbreviation);
	json_kstr(j, "signal", name);
}

static void write_end(const struct instance *i, struct json *j)
{
	if (i->stopped_at != 0)
		json_ktime(j, "stoppedAt", i->stopped_at);
	optional(j, "error", i->error);
	optional(j, "errorCode", i->error_code);
	if (i->has_exit_code)
		write_code(i->exit_code, j);
	if (i->oom_killed)
		json_kbool(j, "outOfMemory", true);
}

void component_write(
    const struct api *a, const struct instance *i, struct json *j)
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
	optional(j, "containerId", i->container_id);
	write_end(i, j);
	optional(j, "owner", i->owner);
	optional(j, "startedBy", i->started_by);
	optional(j, "commit", i->commit);
	optional(j, "publicHost", hub_options(a->hub)->public_host);
	json_end(j);
}

struct answer component_reply_instance(
    struct call *c, int status, const struct instance *i)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	component_write(c->api, i, &j);
	return component_json(c, status, &body);
}

struct answer component_show(struct call *c)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;

	if (component_instance(c, &i, &err) < 0)
		return component_error(c, &err);
	return component_reply_instance(c, 200, &i);
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
		component_write(c->api, &l.items[i], &j);
	json_end(&j);
	json_end(&j);
	return component_json(c, 200, &body);
}
