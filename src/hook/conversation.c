/*
 * The runner's side of everything: see conversation.h. Called once by main.c.
 */
#include "hook/conversation.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/secret.h"
#include "hook/output.h"

/* -- the request ------------------------------------------------------- */

static int read_all(
    int fd, const struct ctx *ctx, struct buf *text, struct err *err)
{
	for (;;) {
		char *room;
		ssize_t n;

		TRY(ctx_poll(ctx, fd, POLLIN, err));
		room = buf_reserve(text, 65536);
		if (room == NULL)
			return err_set(err, ERR_LIMIT, "request_too_large",
			    "the runner's request is longer than %zu bytes",
			    ENVELOPE_MAX);
		n = read(fd, room, 65536);
		if (n == 0)
			return 0;
		if (n > 0)
			buf_commit(text, (size_t)n);
		else if (errno != EINTR && errno != EAGAIN)
			return err_sys(err, errno, "read the request");
	}
}

int conversation_read(
    int fd, const struct ctx *ctx, struct hook_envelope *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = ENVELOPE_MAX + 65536};
	int r;

	TRY(read_all(fd, ctx, &text, err));
	r = envelope_parse(buf_str(&text), text.len, ret, err);
	secret_wipe(text.data, text.len); /* registry passwords */
	return r;
}

/* -- the answer -------------------------------------------------------- */

static void put_json(struct json *j, const char *key, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_kraw(j, key, text);
	free(text); /* allow: free, jansson allocated it */
}

/* Order and counts matter to the runner: it matches services by index. */
static void put_service(
    struct json *j, const struct hook_made *service, const char *network)
{
	json_obj(j);
	json_kstr(j, "id", service->id);
	json_kstr(j, "image", service->image);
	put_json(j, "ports", service->ports);
	json_kstr(j, "network", network);
	json_end(j);
}

static void put_context(
    struct json *j, const struct hook_prepared *p, bool has_container)
{
	json_kobj(j, "context");
	if (has_container) {
		json_kobj(j, "container");
		json_kstr(j, "id", p->container.id);
		json_kstr(j, "network", p->network);
		put_json(j, "ports", p->container.ports);
		json_end(j);
	}
	json_karr(j, "services");
	for (size_t i = 0; i < p->nservices; i++)
		put_service(j, &p->services[i], p->network);
	json_end(j);
	json_end(j);
}

void response_prepared(
    const struct hook_prepared *p, bool has_container, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	if (p->state != NULL)
		put_json(&j, "state", p->state);
	if (p->network != NULL)
		put_context(&j, p, has_container);
	if (has_container)
		json_kbool(&j, "isAlpine", p->is_alpine);
	json_end(&j);
}

/* The runner made the file and reads it when we are gone: one write, at its
 * end. */
static int append(const char *path, const struct buf *text, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, errno, "open the response file %s", path);
	if (fs_write_all(fd, text->data, text->len, err) != 0)
		return err_wrap(err, "write the response file %s", path);
	return 0;
}

void hook_prepared_fini(struct hook_prepared *p)
{
	json_decref(p->state);
	json_decref(p->container.ports);
	mem_free(p->container.image);
	mem_free(p->network);
	for (size_t i = 0; i < p->nservices; i++) {
		json_decref(p->services[i].ports);
		mem_free(p->services[i].image);
	}
	mem_free(p->services);
	*p = (struct hook_prepared){.state = NULL};
}

/* -- the commands ------------------------------------------------------ */

static int prepare(const struct backend *b, const struct ctx *ctx,
    const struct hook_envelope *request, struct err *err)
{
	CLEANUP(hook_prepared_fini) struct hook_prepared made = {.state = NULL};
	CLEANUP(buf_fini) struct buf answer = {.max = 4 * 1024 * 1024};
	struct err ignored = ERR_INIT;

	if (!request->has_container && request->nservices == 0) {
		output_say("This job has neither a container nor services.");
		return 0;
	}
	if (request->response_file == NULL)
		return err_set(err, ERR_INVALID, "bad_request",
		    "the runner names no response file for prepare_job");
	TRY(b->ops->prepare_job(b->self, ctx, request, &made, err));
	response_prepared(&made, request->has_container, &answer);
	if (answer.overflow)
		return err_set(err, ERR_LIMIT, "answer_too_large",
		    "the answer to prepare_job is larger than %zu bytes",
		    answer.max);
	if (append(request->response_file, &answer, err) == 0)
		return 0;
	/* A runner that knows nothing of it cannot have it removed. */
	IGNORE(b->ops->cleanup_job(b->self, ctx, made.state, &ignored));
	return -1;
}

int conversation_run(const struct backend *b, const struct ctx *ctx,
    const struct hook_envelope *request, int *ret_exit_code, struct err *err)
{
	*ret_exit_code = 0;
	switch (request->command) {
	case HOOK_PREPARE_JOB:
		return prepare(b, ctx, request, err);
	case HOOK_RUN_SCRIPT_STEP:
		return b->ops->run_script_step(b->self, ctx,
		    &request->container, request->state, ret_exit_code, err);
	case HOOK_RUN_CONTAINER_STEP:
		return b->ops->run_container_step(b->self, ctx,
		    &request->container, request->state, ret_exit_code, err);
	case HOOK_CLEANUP_JOB:
		return b->ops->cleanup_job(b->self, ctx, request->state, err);
	}
	WRONG("a hook_command out of range");
}
