/*
 * Containers of users: looked at as a whole, heard, waited for. Any thread;
 * blocks on the caller's.
 */
#include <stdio.h>
#include <string.h>

#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/frames.h"
#include "engine/run.h"

int engine_container_document(struct engine *e, const struct ctx *ctx,
    const char *id, struct buf *out, struct err *err)
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

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	snprintf(target, sizeof(target), "/containers/%s/json", id);
	snprintf(doing, sizeof(doing), "inspect container %.64s", id);
	TRY(engine_call(e, ctx, &req, &res, err));
	if (buf_append(out, buf_str(&res.body), res.body.len) == 0)
		return 0;
	return err_set(err, ERR_LIMIT, "engine_answer",
	    "%s: the answer is larger than %zu bytes", doing, out->max);
}

int engine_container_has_path(struct engine *e, const struct ctx *ctx,
    const char *id, const char *path, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	char doing[128];
	struct engine_request req = {.method = "HEAD",
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	snprintf(
	    doing, sizeof(doing), "look for a path in container %.64s", id);
	buf_printf(&target, "/containers/%s/archive?path=", id);
	http_encode(&target, path);
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: it is too long", doing);
	req.target = buf_str(&target);
	if (engine_call(e, ctx, &req, &res, err) == 0)
		return 1;
	/* A HEAD has no words: the caller knows that the container is there. */
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(err);
	return 0;
}

int engine_container_wait(struct engine *e, const struct ctx *ctx,
    const char *id, int *ret_exit_code, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(json_decref) json_t *doc = NULL;
	char target[300], doing[128];
	const struct engine_request req = {.method = "POST",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	snprintf(target, sizeof(target), "/containers/%s/wait", id);
	snprintf(doing, sizeof(doing), "wait for container %.64s", id);
	TRY(engine_call(e, ctx, &req, &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	if (doc == NULL)
		return -1;
	*ret_exit_code = (int)answer_int(doc, "StatusCode");
	return 0;
}

/* -- logs -------------------------------------------------------------- */

struct logs {
	struct frames frames;
	engine_output_fn *output;
	void *arg;
};

static int logs_body(void *arg, const char *data, size_t len, struct err *err)
{
	struct logs *l = arg;
	struct frames_piece piece;
	int r;

	while ((r = frames_next(&l->frames, &data, &len, &piece, err)) > 0)
		TRY(l->output(l->arg, piece.stream == FRAMES_STDERR ? 2 : 1,
		    piece.data, piece.len, err));
	return r;
}

static int logs_pause(void *arg, struct err *err)
{
	struct logs *l = arg;

	return l->output(l->arg, 0, "", 0, err);
}

/* timeout_ms 0: until the stream ends. */
static int read_logs(struct engine *e, const struct ctx *ctx, const char *id,
    const char *query, int64_t timeout_ms, struct logs *logs, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	char target[300], doing[128];
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .on_body = logs_body,
	    .on_pause = timeout_ms == 0 ? logs_pause : NULL,
	    .sink_arg = logs,
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = timeout_ms,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	frames_init(&logs->frames, FRAMES_PAYLOAD_MAX);
	snprintf(target, sizeof(target),
	    "/containers/%s/logs?stdout=1&stderr=1%s", id, query);
	snprintf(doing, sizeof(doing), "read the logs of container %.64s", id);
	return engine_call(e, ctx, &req, &res, err);
}

int engine_container_logs(struct engine *e, const struct ctx *ctx,
    const char *id, int tail, engine_output_fn *output, void *arg,
    struct err *err)
{
	struct logs logs = {.output = output, .arg = arg};
	char query[32];

	snprintf(query, sizeof(query), "&tail=%d", tail);
	return read_logs(e, ctx, id, query, ENGINE_QUICK_MS, &logs, err);
}

/* -- a follower that misses nothing ------------------------------------ */

/* Of each stream, what was handed over, and where this reading is. */
struct follower {
	engine_output_fn *output;
	void *arg;
	uint64_t seen[2], at[2];
};

static int follower_take(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	struct follower *f = arg;
	int i = stream == 2 ? 1 : 0;
	uint64_t known;

	if (stream == 0)
		return f->output(f->arg, 0, data, len, err);
	known = f->seen[i] - f->at[i];
	f->at[i] += len;
	if (known >= len)
		return 0;
	f->seen[i] = f->at[i];
	return f->output(f->arg, stream, data + known, len - known, err);
}

/* Docker's follower may miss much of the end when a container ends while it
 * prints (20.10: one in twenty that do). Its log, then closed, has it all. */
int engine_container_follow(struct engine *e, const struct ctx *ctx,
    const char *id, engine_output_fn *output, void *arg, struct err *err)
{
	struct follower f = {.output = output, .arg = arg};
	struct logs logs = {.output = follower_take, .arg = &f};
	int code;

	TRY(read_logs(e, ctx, id, "&follow=1", 0, &logs, err));
	TRY(engine_container_wait(e, ctx, id, &code, err));
	f.at[0] = f.at[1] = 0;
	return read_logs(e, ctx, id, "", 0, &logs, err);
}
