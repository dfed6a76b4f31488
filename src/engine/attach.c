/*
 * The calls that carry a container's bytes: attach (the channel to an agent
 * in a remote engine, handed to the caller as a socket) and exec (for doctor
 * and debugging: run, collect, wait). Any thread.
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/frames.h"
#include "engine/run.h"

#define EXEC_DEFAULT_MS INT64_C(600000)

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

/* -- exec -------------------------------------------------------------- */

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

int engine_container_exec(struct engine *e, const struct ctx *ctx,
    const char *id, const char *const *argv, struct buf *out,
    int *ret_exit_code, struct err *err)
{
	const struct engine_exec_spec spec = {.argv = argv};
	char exec_id[ENGINE_ID_LEN];

	TRY(engine_exec_create(e, ctx, id, &spec, exec_id, err));
	TRY(exec_run(e, ctx, exec_id, out, err));
	return engine_exec_result(e, ctx, exec_id, ret_exit_code, err);
}
