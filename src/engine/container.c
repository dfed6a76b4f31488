/*
 * What is done to containers: create, start, kill, remove, change limits,
 * unpack an archive. Each is one request on the caller's thread; the reading
 * calls are in container_read.c, the streams in attach.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/run.h"

#define ENDING_MS      INT64_C(5000)
#define ENDING_POLL_MS INT64_C(20)

static bool code_is(const struct err *err, const char *code)
{
	return strcmp(err->code, code) == 0;
}

/* A refusal that says the wanted state is there already. */
static int fine_when(
    int result, const char *code, const char *or_code, struct err *err)
{
	if (result == 0 || !(code_is(err, code) || code_is(err, or_code)))
		return result;
	err_clear(err);
	return 0;
}

/* -- create ------------------------------------------------------------ */

struct create {
	const char *name, *platform; /* or NULL */
	const void *json;
	size_t len;
	const char *doing;
};

static int create(struct engine *e, const struct ctx *ctx,
    const struct create *c, char ret_id[ENGINE_ID_LEN], struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(buf_fini) struct buf target = {.max = 2048};
	struct engine_request req = {.method = "POST",
	    .content_type = "application/json",
	    .body = c->json,
	    .body_len = c->len,
	    .doing = c->doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_SLOW_MS};

	buf_append_str(&target, "/containers/create");
	if (c->name != NULL) {
		TRY(engine_check_name(c->name, ENGINE_CONTAINER, err));
		buf_printf(&target, "?name=%s", c->name);
	}
	if (c->platform != NULL) {
		buf_printf(&target, "%cplatform=", c->name != NULL ? '&' : '?');
		http_encode(&target, c->platform);
	}
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: its platform is too long", c->doing);
	req.target = buf_str(&target);
	TRY(engine_call(e, ctx, &req, &res, err));
	return answer_created_id(
	    buf_str(&res.body), res.body.len, c->doing, ret_id, err);
}

int engine_container_create_from(struct engine *e, const struct ctx *ctx,
    const char *name, const char *platform, const char *json, size_t len,
    char ret_id[ENGINE_ID_LEN], struct err *err)
{
	char doing[300];
	const struct create c = {name, platform, json, len, doing};

	snprintf(doing, sizeof(doing), "create container %.255s",
	    name != NULL ? name : "(unnamed)");
	return create(e, ctx, &c, ret_id, err);
}

int engine_container_create(struct engine *e, const struct ctx *ctx,
    const struct engine_container_spec *spec, char ret_id[ENGINE_ID_LEN],
    struct err *err)
{
	CLEANUP(buf_fini) struct buf body = {.max = ENGINE_BODY_MAX};
	struct create c = {.name = spec->name};
	char doing[400];

	TRY(engine_check_ref(spec->image, err));
	TRY(engine_spec_json(spec, &body, err));
	snprintf(doing, sizeof(doing),
	    "create container %.100s from image "
	    "%.200s",
	    spec->name != NULL ? spec->name : "(unnamed)", spec->image);
	c.json = buf_str(&body);
	c.len = body.len;
	c.doing = doing;
	return create(e, ctx, &c, ret_id, err);
}

/* -- one container, one verb ------------------------------------------- */

/*
 * Sends req about container id: target is "/containers/<id><rest>", the
 * messages begin with "<verb> container <id>".
 */
static int act(struct engine *e, const struct ctx *ctx, const char *id,
    const char *verb, const char *rest, struct engine_request req,
    struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	char doing[128];

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	buf_printf(&target, "/containers/%s%s", id, rest);
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s container %.64s: the request is too long", verb, id);
	snprintf(doing, sizeof(doing), "%s container %.64s", verb, id);
	req.target = buf_str(&target);
	req.doing = doing;
	req.object = ENGINE_CONTAINER;
	return engine_call(e, ctx, &req, &res, err);
}

int engine_container_start(
    struct engine *e, const struct ctx *ctx, const char *id, struct err *err)
{
	const struct engine_request req = {
	    .method = "POST", .timeout_ms = ENGINE_SLOW_MS};

	return act(e, ctx, id, "start", "/start", req, err);
}

int engine_container_kill(struct engine *e, const struct ctx *ctx,
    const char *id, const char *signal, struct err *err)
{
	CLEANUP(buf_fini) struct buf rest = {.max = 256};
	const struct engine_request req = {.method = "POST",
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	buf_append_str(&rest, "/kill?signal=");
	http_encode(&rest, signal);
	return fine_when(act(e, ctx, id, "kill", buf_str(&rest), req, err),
	    "container_not_running", "removal_in_progress", err);
}

int engine_container_stop(struct engine *e, const struct ctx *ctx,
    const char *id, int64_t grace_ms, struct err *err)
{
	const struct engine_request req = {.method = "POST",
	    .timeout_ms = grace_ms + ENGINE_SLOW_MS,
	    .repeatable = true};
	char rest[48];

	snprintf(rest, sizeof(rest), "/stop?t=%lld",
	    (long long)((grace_ms + 999) / 1000));
	return fine_when(act(e, ctx, id, "stop", rest, req, err),
	    "container_not_found", "removal_in_progress", err);
}

/* Podman kills before it removes, and gives up when the container ends by
 * itself at that moment: a moment later it is removed. */
int engine_container_remove(
    struct engine *e, const struct ctx *ctx, const char *id, struct err *err)
{
	const struct engine_request req = {.method = "DELETE",
	    .timeout_ms = ENGINE_SLOW_MS,
	    .repeatable = true};
	int64_t deadline = clock_deadline_ms(ENDING_MS);
	struct err late = ERR_INIT;
	int r;

	for (;;) {
		r = fine_when(
		    act(e, ctx, id, "remove", "?force=1&v=1", req, err),
		    "container_not_found", "removal_in_progress", err);
		if (r == 0 || !code_is(err, "container_ending") ||
		    clock_poll_ms(deadline) == 0 ||
		    ctx_sleep(ctx, ENDING_POLL_MS, &late) < 0)
			return r;
		err_clear(err);
	}
}

int engine_container_update(struct engine *e, const struct ctx *ctx,
    const char *id, int64_t memory_bytes, int64_t nano_cpus, int64_t pids,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf body = {.max = 1024};
	struct json j;
	struct engine_request req = {.method = "POST",
	    .content_type = "application/json",
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	json_init(&j, &body);
	json_obj(&j);
	if (memory_bytes > 0) {
		json_kint(&j, "Memory", memory_bytes);
		json_kint(&j, "MemorySwap", memory_bytes);
	}
	if (nano_cpus > 0)
		json_kint(&j, "NanoCpus", nano_cpus);
	if (pids > 0)
		json_kint(&j, "PidsLimit", pids);
	json_end(&j);
	req.body = buf_str(&body);
	req.body_len = body.len;
	return act(e, ctx, id, "change the limits of", "/update", req, err);
}

int engine_container_put_archive(struct engine *e, const struct ctx *ctx,
    const char *id, const char *path, const void *tar, size_t len,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf rest = {.max = ENGINE_TARGET_MAX};
	const struct engine_request req = {.method = "PUT",
	    .content_type = "application/x-tar",
	    .body = tar,
	    .body_len = len,
	    .timeout_ms = ENGINE_SLOW_MS,
	    .repeatable = true};

	buf_append_str(&rest, "/archive?path=");
	http_encode(&rest, path);
	if (rest.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "unpack into container %.64s: the path is too long", id);
	return act(
	    e, ctx, id, "unpack an archive into", buf_str(&rest), req, err);
}
