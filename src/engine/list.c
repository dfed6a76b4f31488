/*
 * What bears certain labels: containers and networks are asked for in the
 * same way. Any thread.
 */
#include <jansson.h>
#include <stdio.h>

#include "engine/answer.h"
#include "engine/engine_internal.h"

int engine_get_list(struct engine *e, const struct ctx *ctx, const char *path,
    enum engine_object object, const char *const *labels,
    struct json_t **ret_array, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_LIST_MAX);
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	char doing[64];
	struct engine_request req = {.method = "GET",
	    .doing = doing,
	    .object = object,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	snprintf(doing, sizeof(doing), "list %s",
	    object == ENGINE_NETWORK ? "networks"
	    : object == ENGINE_IMAGE ? "images"
				     : "containers");
	IGNORE(buf_append_str(&target, path)); /* overflow is checked below */
	engine_put_label_filter(&target, labels);
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: the label filter is too long", doing);
	req.target = buf_str(&target);
	TRY(engine_call(e, ctx, &req, &res, err));
	*ret_array = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	return *ret_array != NULL ? 0 : -1;
}
