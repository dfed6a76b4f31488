/*
 * What is asked about containers: one in full, or all that bear given labels
 * (how the hub finds its own after a restart). Any thread; the caller owns
 * what is returned.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"

void engine_container_fini(struct engine_container *c)
{
	answer_labels_free(c->labels, c->nlabels);
	c->labels = NULL;
	c->nlabels = 0;
}

const char *engine_container_label(
    const struct engine_container *c, const char *key)
{
	return answer_label(c->labels, c->nlabels, key);
}

/* The engine writes names as paths: "/web". */
static void put_name(struct engine_container *c, const char *name)
{
	if (name != NULL && name[0] == '/')
		name++;
	snprintf(c->name, sizeof(c->name), "%s", name != NULL ? name : "");
}

static void put_ip(struct engine_container *c, const json_t *doc)
{
	const json_t *networks = answer_at(doc, "NetworkSettings.Networks");
	const char *key;
	json_t *network;

	json_object_foreach((json_t *)(uintptr_t)networks, key, network)
	{
		answer_str(network, "IPAddress", c->ip, sizeof(c->ip));
		if (c->ip[0] != '\0')
			return;
	}
}

static void read_inspect(const json_t *doc, struct engine_container *c)
{
	answer_str(doc, "Id", c->id, sizeof(c->id));
	put_name(c, answer_text(doc, "Name"));
	answer_str(doc, "Config.Image", c->image, sizeof(c->image));
	answer_str(doc, "State.Status", c->state, sizeof(c->state));
	c->pid = (int)answer_int(doc, "State.Pid");
	c->exit_code = (int)answer_int(doc, "State.ExitCode");
	c->oom_killed = answer_bool(doc, "State.OOMKilled");
	answer_str(doc, "State.Error", c->error, sizeof(c->error));
	answer_str(
	    doc, "State.StartedAt", c->started_at, sizeof(c->started_at));
	put_ip(c, doc);
	answer_labels(answer_at(doc, "Config.Labels"), &c->labels, &c->nlabels);
}

/* NULL: err says why. */
static json_t *inspect(
    struct engine *e, const struct ctx *ctx, const char *id, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	char target[300], doing[128];
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	if (engine_check_name(id, ENGINE_CONTAINER, err) < 0)
		return NULL;
	snprintf(target, sizeof(target), "/containers/%s/json", id);
	snprintf(doing, sizeof(doing), "inspect container %.64s", id);
	if (engine_call(e, ctx, &req, &res, err) < 0)
		return NULL;
	return answer_parse(buf_str(&res.body), res.body.len, doing, err);
}

int engine_container_inspect(struct engine *e, const struct ctx *ctx,
    const char *id, struct engine_container *ret, struct err *err)
{
	CLEANUP(json_decref) json_t *doc = inspect(e, ctx, id, err);

	if (doc == NULL)
		return -1;
	*ret = (struct engine_container){.pid = 0};
	read_inspect(doc, ret);
	return 0;
}

int engine_container_env(struct engine *e, const struct ctx *ctx,
    const char *id, void (*take)(void *arg, const char *pair), void *arg,
    struct err *err)
{
	CLEANUP(json_decref) json_t *doc = inspect(e, ctx, id, err);
	const json_t *env;

	if (doc == NULL)
		return -1;
	env = answer_at(doc, "Config.Env");
	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *pair = json_string_value(json_array_get(env, i));

		if (pair != NULL)
			take(arg, pair);
	}
	return 0;
}

/* -- list -------------------------------------------------------------- */

void engine_container_list_free(struct engine_container_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		engine_container_fini(&l->items[i]);
	mem_free(l->items);
	*l = (struct engine_container_list){.n = 0};
}

static void read_list_item(const json_t *doc, struct engine_container *c)
{
	answer_str(doc, "Id", c->id, sizeof(c->id));
	put_name(
	    c, json_string_value(json_array_get(answer_at(doc, "Names"), 0)));
	answer_str(doc, "Image", c->image, sizeof(c->image));
	answer_str(doc, "State", c->state, sizeof(c->state));
	c->created_at = answer_int(doc, "Created") * CLOCK_NS_PER_S;
	put_ip(c, doc);
	answer_labels(answer_at(doc, "Labels"), &c->labels, &c->nlabels);
}

int engine_container_list(struct engine *e, const struct ctx *ctx,
    const char *const *labels, struct engine_container_list *ret,
    struct err *err)
{
	CLEANUP(json_decref) json_t *doc = NULL;
	size_t n;

	TRY(engine_get_list(e, ctx, "/containers/json?all=1&", ENGINE_CONTAINER,
	    labels, &doc, err));
	n = json_array_size(doc);
	*ret = (struct engine_container_list){.n = n};
	ret->items = mem_calloc(n > 0 ? n : 1, sizeof(*ret->items));
	for (size_t i = 0; i < n; i++)
		read_list_item(json_array_get(doc, i), &ret->items[i]);
	return 0;
}
