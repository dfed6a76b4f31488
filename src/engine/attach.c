/*
 * The calls that carry a container's bytes: attach (the channel to an agent
 * in a remote engine, handed to the caller as a socket) and exec (for doctor
 * and debugging: run, collect, wait). Any thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/frames.h"

#define EXEC_DEFAULT_MS INT64_C(600000)
/* The output ends a moment before the engine notes the exit code. */
#define EXEC_SETTLE_MS INT64_C(10000)
#define EXEC_POLL_MS   INT64_C(20)

int engine_container_attach(struct engine *e, const struct ctx *ctx,
    const char *id, int *ret_fd, struct buf *early, struct err *err)
{
	char target[400], doing[128];
	const struct engine_request req = {.method = "POST",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	snprintf(target, sizeof(target),
	    "/containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1", id);
	snprintf(doing, sizeof(doing), "attach to container %.64s", id);
	return engine_hijack(e, ctx, &req, ret_fd, early, err);
}

/* -- exec
 * ---------------------------------------------------------------------- */

static int exec_create(struct engine *e, const struct ctx *ctx, const char *id,
    const char *const *argv, char ret_exec[ENGINE_ID_LEN], struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(buf_fini) struct buf body = {.max = ENGINE_BODY_MAX};
	CLEANUP(json_decref) json_t *doc = NULL;
	char target[300], doing[128];
	struct engine_request req = {.method = "POST",
	    .target = target,
	    .content_type = "application/json",
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true}; /* one that is never started does nothing */
	struct json j;

	json_init(&j, &body);
	json_obj(&j);
	json_kbool(&j, "AttachStdout", true);
	json_kbool(&j, "AttachStderr", true);
	json_karr(&j, "Cmd");
	for (; *argv != NULL; argv++)
		json_str(&j, *argv);
	json_end(&j);
	json_end(&j);
	snprintf(target, sizeof(target), "/containers/%s/exec", id);
	snprintf(doing, sizeof(doing), "exec in container %.64s", id);
	if (body.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: its arguments are too long", doing);
	req.body = buf_str(&body);
	req.body_len = body.len;
	TRY(engine_call(e, ctx, &req, &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	if (doc == NULL)
		return -1;
	answer_str(doc, "Id", ret_exec, ENGINE_ID_LEN);
	return engine_check_name(ret_exec, ENGINE_EXEC, err);
}

struct collect {
	struct frames frames;
	struct buf *out;
};

/* Keeps what fits; out->overflow tells that there was more. */
static void keep(struct buf *out, const char *data, size_t len)
{
	size_t room = out->max - out->len;

	if (len <= room) {
		IGNORE(buf_append(out, data, len)); /* it fits */
		return;
	}
	IGNORE(buf_append(out, data, room)); /* it fits */
	out->overflow = true;
}

static int collect_body(
    void *arg, const char *data, size_t len, struct err *err)
{
	struct collect *c = arg;
	struct frames_piece piece;
	int r;

	while ((r = frames_next(&c->frames, &data, &len, &piece, err)) > 0)
		keep(c->out, piece.data, piece.len);
	return r;
}

static int exec_run(struct engine *e, const struct ctx *ctx,
    const char *exec_id, struct buf *out, struct err *err)
{
	static const char body[] = "{\"Detach\":false,\"Tty\":false}";
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	struct collect c = {.out = out};
	char target[128];
	const struct engine_request req = {.method = "POST",
	    .target = target,
	    .content_type = "application/json",
	    .body = body,
	    .body_len = strlen(body),
	    .on_body = collect_body,
	    .sink_arg = &c,
	    .doing = "run the exec",
	    .object = ENGINE_EXEC,
	    .timeout_ms = EXEC_DEFAULT_MS};

	frames_init(&c.frames, FRAMES_PAYLOAD_MAX);
	snprintf(target, sizeof(target), "/exec/%s/start", exec_id);
	return engine_call(e, ctx, &req, &res, err);
}

/* 1 ended, 0 still running, -1 error. */
static int exec_look(struct engine *e, const struct ctx *ctx,
    const char *exec_id, int *ret_exit_code, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(json_decref) json_t *doc = NULL;
	char target[128];
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .doing = "ask for the exit code of the exec",
	    .object = ENGINE_EXEC,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	snprintf(target, sizeof(target), "/exec/%s/json", exec_id);
	TRY(engine_call(e, ctx, &req, &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, req.doing, err);
	if (doc == NULL)
		return -1;
	if (answer_bool(doc, "Running") ||
	    !json_is_integer(answer_at(doc, "ExitCode")))
		return 0;
	*ret_exit_code = (int)answer_int(doc, "ExitCode");
	return 1;
}

int engine_container_exec(struct engine *e, const struct ctx *ctx,
    const char *id, const char *const *argv, struct buf *out,
    int *ret_exit_code, struct err *err)
{
	char exec_id[ENGINE_ID_LEN];
	struct ctx settle;
	int r;

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	TRY(exec_create(e, ctx, id, argv, exec_id, err));
	TRY(exec_run(e, ctx, exec_id, out, err));
	settle = ctx_with_timeout(ctx, EXEC_SETTLE_MS);
	for (;;) {
		r = exec_look(e, &settle, exec_id, ret_exit_code, err);
		if (r != 0)
			return r > 0 ? 0 : -1;
		TRY(ctx_sleep(&settle, EXEC_POLL_MS, err));
	}
}
