/*
 * Of containers that somebody else has made, such as those of the engine's
 * builder: bounds set while they run, and what they have written. Any thread;
 * blocks on the caller's.
 */
#include <stdio.h>

#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/run.h"

int engine_container_limit_pids(struct engine *e, const struct ctx *ctx,
    const char *id, int64_t pids, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	char target[300], doing[128], body[64];
	struct engine_request req = {.method = "POST",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .content_type = "application/json",
	    .body = body,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	snprintf(target, sizeof(target), "/containers/%s/update", id);
	snprintf(doing, sizeof(doing), "bound container %.64s", id);
	req.body_len = (size_t)snprintf(
	    body, sizeof(body), "{\"PidsLimit\":%lld}", (long long)pids);
	return engine_call(e, ctx, &req, &res, err);
}

int engine_container_written(struct engine *e, const struct ctx *ctx,
    const char *id, int64_t *ret, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(json_decref) json_t *doc = NULL;
	char target[300], doing[128];
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_SLOW_MS,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	snprintf(target, sizeof(target), "/containers/%s/json?size=1", id);
	snprintf(doing, sizeof(doing), "weigh container %.64s", id);
	TRY(engine_call(e, ctx, &req, &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	if (doc == NULL)
		return -1;
	*ret = answer_int(doc, "SizeRw");
	return 0;
}
