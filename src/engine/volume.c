/* Named volumes: the agent's files on a remote engine, work directories of
 * sessions. Any thread. */
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/run.h"

/* An engine answers the create of an existing volume with that volume, so
 * both calls may be repeated. */
static int volume_call(struct engine *e, const struct ctx *ctx,
    struct engine_request req, const char *verb, const char *name,
    struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	char doing[160];

	snprintf(doing, sizeof(doing), "%s volume %.100s", verb, name);
	req.doing = doing;
	req.object = ENGINE_VOLUME;
	req.timeout_ms = ENGINE_QUICK_MS;
	req.repeatable = true;
	return engine_call(e, ctx, &req, &res, err);
}

int engine_volume_create(struct engine *e, const struct ctx *ctx,
    const char *name, const struct engine_pair *labels, struct err *err)
{
	CLEANUP(buf_fini) struct buf body = {.max = ENGINE_BODY_MAX};
	struct json j;
	struct engine_request req = {.method = "POST",
	    .target = "/volumes/create",
	    .content_type = "application/json"};

	TRY(engine_check_name(name, ENGINE_VOLUME, err));
	json_init(&j, &body);
	json_obj(&j);
	json_kstr(&j, "Name", name);
	json_kobj(&j, "Labels");
	for (; labels != NULL && labels->key != NULL; labels++)
		json_kstr(&j, labels->key, labels->value);
	json_end(&j);
	json_end(&j);
	if (body.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "create volume %.100s: its labels are too long", name);
	req.body = buf_str(&body);
	req.body_len = body.len;
	return volume_call(e, ctx, req, "create", name, err);
}

int engine_volume_remove(
    struct engine *e, const struct ctx *ctx, const char *name, struct err *err)
{
	char target[300];
	const struct engine_request req = {
	    .method = "DELETE", .target = target};
	int r;

	TRY(engine_check_name(name, ENGINE_VOLUME, err));
	snprintf(target, sizeof(target), "/volumes/%s", name);
	r = volume_call(e, ctx, req, "remove", name, err);
	if (r == 0 || strcmp(err->code, "volume_not_found") != 0)
		return r;
	err_clear(err);
	return 0;
}

/* -- look -------------------------------------------------------------- */

/* GET target, as a document. */
static int ask(struct engine *e, const struct ctx *ctx, const char *target,
    const char *doing, json_t **ret, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_LIST_MAX);
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_VOLUME,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_call(e, ctx, &req, &res, err));
	*ret = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	return *ret != NULL ? 0 : -1;
}

int engine_volume_list(struct engine *e, const struct ctx *ctx,
    const char *const *labels, char ***ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	CLEANUP(json_decref) json_t *doc = NULL;
	const json_t *list;
	size_t n = 0;

	buf_append_str(&target, "/volumes?");
	engine_put_label_filter(&target, labels);
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "list volumes: the label filter is too long");
	TRY(ask(e, ctx, buf_str(&target), "list volumes", &doc, err));
	list = answer_at(doc, "Volumes"); /* null: none */
	*ret = mem_calloc(json_array_size(list) + 1, sizeof(**ret));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = answer_text(json_array_get(list, i), "Name");

		if (name != NULL)
			(*ret)[n++] = mem_strdup(name);
	}
	return 0;
}

int engine_volume_mountpoint(struct engine *e, const struct ctx *ctx,
    const char *name, struct buf *out, struct err *err)
{
	CLEANUP(json_decref) json_t *doc = NULL;
	char target[300], doing[160];
	const char *path;

	TRY(engine_check_name(name, ENGINE_VOLUME, err));
	snprintf(target, sizeof(target), "/volumes/%s", name);
	snprintf(doing, sizeof(doing), "inspect volume %.100s", name);
	TRY(ask(e, ctx, target, doing, &doc, err));
	path = answer_text(doc, "Mountpoint");
	if (path != NULL && path[0] == '/' && buf_append_str(out, path) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "engine_answer",
	    "%s: the engine does not say where it keeps it", doing);
}
