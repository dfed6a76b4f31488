/* Named volumes (the agent's files on a remote engine). Any thread. */
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "engine/engine_internal.h"

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
