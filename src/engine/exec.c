/*
 * Exec with environment, directory and a live stream; and reading such a
 * stream (also an attached container's). The caller's thread reads; between
 * two reads it may do what it likes, the engine holds the rest.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/frames.h"
#include "engine/run.h"

/* A step's environment holds whole event documents now and then. */
#define EXEC_BODY_MAX ((size_t)16 * 1024 * 1024)
/* The output ends a moment before the engine notes the exit code. */
#define EXEC_SETTLE_MS    INT64_C(10000)
#define EXEC_POLL_MS      INT64_C(10)
#define STREAM_READ_BYTES 32768

static void put_list(struct json *j, const char *key, const char *const *list)
{
	if (list == NULL)
		return;
	json_karr(j, key);
	for (; *list != NULL; list++)
		json_str(j, *list);
	json_end(j);
}

static void exec_json(const struct engine_exec_spec *spec, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_kbool(&j, "AttachStdout", true);
	json_kbool(&j, "AttachStderr", true);
	put_list(&j, "Cmd", spec->argv);
	put_list(&j, "Env", spec->env);
	if (spec->working_dir != NULL)
		json_kstr(&j, "WorkingDir", spec->working_dir);
	if (spec->user != NULL)
		json_kstr(&j, "User", spec->user);
	json_end(&j);
}

int engine_exec_create(struct engine *e, const struct ctx *ctx,
    const char *container, const struct engine_exec_spec *spec,
    char ret_exec[ENGINE_ID_LEN], struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(buf_fini) struct buf body = {.max = EXEC_BODY_MAX};
	CLEANUP(json_decref) json_t *doc = NULL;
	char target[300], doing[128];
	struct engine_request req = {.method = "POST",
	    .target = target,
	    .content_type = "application/json",
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true}; /* one that is never started does nothing */

	TRY(engine_check_name(container, ENGINE_CONTAINER, err));
	snprintf(target, sizeof(target), "/containers/%s/exec", container);
	snprintf(doing, sizeof(doing), "exec in container %.64s", container);
	exec_json(spec, &body);
	if (body.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: arguments and environment are larger than %zu bytes",
		    doing, body.max);
	req.body = buf_str(&body);
	req.body_len = body.len;
	TRY(engine_call(e, ctx, &req, &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	if (doc == NULL)
		return -1;
	answer_str(doc, "Id", ret_exec, ENGINE_ID_LEN);
	return engine_check_name(ret_exec, ENGINE_EXEC, err);
}

int engine_exec_start(struct engine *e, const struct ctx *ctx, const char *exec,
    int *ret_fd, struct buf *early, struct err *err)
{
	static const char body[] = "{\"Detach\":false,\"Tty\":false}";
	char target[128];
	const struct engine_request req = {.method = "POST",
	    .target = target,
	    .content_type = "application/json",
	    .body = body,
	    .body_len = strlen(body),
	    .doing = "start the exec",
	    .object = ENGINE_EXEC,
	    .timeout_ms = ENGINE_SLOW_MS};

	TRY(engine_check_name(exec, ENGINE_EXEC, err));
	snprintf(target, sizeof(target), "/exec/%s/start", exec);
	return engine_hijack(e, ctx, &req, ret_fd, early, err);
}

/* 1 ended, 0 still running, -1 error. */
static int exec_look(struct engine *e, const struct ctx *ctx, const char *exec,
    int *ret_exit_code, struct err *err)
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

	snprintf(target, sizeof(target), "/exec/%s/json", exec);
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

int engine_exec_result(struct engine *e, const struct ctx *ctx,
    const char *exec, int *ret_exit_code, struct err *err)
{
	struct ctx settle = ctx_with_timeout(ctx, EXEC_SETTLE_MS);
	int r;

	TRY(engine_check_name(exec, ENGINE_EXEC, err));
	for (;;) {
		r = exec_look(e, &settle, exec, ret_exit_code, err);
		if (r != 0)
			return r > 0 ? 0 : -1;
		TRY(ctx_sleep(&settle, EXEC_POLL_MS, err));
	}
}

/* -- the stream -------------------------------------------------------- */

struct engine_stream {
	struct frames frames;
	struct buf early; /* not yet handed on */
	int fd;
};

struct engine_stream *engine_stream_new(int fd, struct buf *early)
{
	struct engine_stream *s = mem_zalloc(sizeof(*s));

	frames_init(&s->frames, FRAMES_PAYLOAD_MAX);
	s->fd = fd;
	s->early = *early;
	*early = (struct buf){.max = s->early.max};
	return s;
}

void engine_stream_free(struct engine_stream *s)
{
	if (s == NULL)
		return;
	fd_close(s->fd);
	buf_fini(&s->early);
	mem_free(s);
}

static int hand_on(struct engine_stream *s, const char *data, size_t len,
    engine_output_fn *output, void *arg, struct err *err)
{
	struct frames_piece piece;
	int r;

	while ((r = frames_next(&s->frames, &data, &len, &piece, err)) > 0)
		TRY(output(arg, piece.stream == FRAMES_STDERR ? 2 : 1,
		    piece.data, piece.len, err));
	return r;
}

int engine_stream_read(struct engine_stream *s, const struct ctx *ctx,
    engine_output_fn *output, void *arg, struct err *err)
{
	char in[STREAM_READ_BYTES];
	ssize_t n;

	if (s->early.len > 0) {
		TRY(hand_on(s, s->early.data, s->early.len, output, arg, err));
		buf_clear(&s->early);
	}
	for (;;) {
		n = read(s->fd, in, sizeof(in));
		if (n > 0)
			TRY(hand_on(s, in, (size_t)n, output, arg, err));
		else if (n == 0)
			return 0;
		else if (errno == EAGAIN)
			TRY(ctx_poll(ctx, s->fd, POLLIN, err));
		else if (errno != EINTR)
			return err_sys(err, errno, "read the engine's stream");
	}
}
