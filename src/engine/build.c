/*
 * Images of users: pulled with patience, built from a context. Any thread;
 * blocks on the caller's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/lines.h"
#include "engine/run.h"

#define BUILD_LINE_MAX ((size_t)1024 * 1024)
#define CPU_PERIOD_US  100000
#define NANO           INT64_C(1000000000)
#define SOURCE_BYTES   ((size_t)256 * 1024)
#define PULL_ATTEMPTS  3
#define PULL_PAUSE_MS  INT64_C(2000)

int engine_image_pull_again(struct engine *e, const struct ctx *ctx,
    const char *ref, const char *auth,
    void (*progress)(void *arg, const char *line), void *arg, struct err *err)
{
	char words[600];

	for (int attempt = 1;; attempt++) {
		err_clear(err);
		if (engine_image_pull(e, ctx, ref, auth, progress, arg, err) ==
		    0)
			return 0;
		if (err->kind != ERR_UNAVAILABLE || attempt == PULL_ATTEMPTS)
			return -1;
		snprintf(words, sizeof(words), "%s; trying again", err->msg);
		progress(arg, words);
		TRY(ctx_sleep(ctx, attempt * PULL_PAUSE_MS, err));
	}
}

struct builder {
	const struct engine_build *build;
	struct lines lines;
	bool failed;
	char why[320]; /* the engine's words when failed */
};

static int build_line(void *arg, const char *text, size_t len)
{
	struct builder *b = arg;
	CLEANUP(json_decref) json_t *doc = answer_parse_quiet(text, len);
	const char *why = answer_text(doc, "errorDetail.message");
	const char *said = answer_text(doc, "stream");
	const char *id = answer_text(doc, "aux.ID");

	if (why == NULL)
		why = answer_text(doc, "error");
	if (why != NULL) {
		b->failed = true;
		snprintf(b->why, sizeof(b->why), "%s", why);
	}
	if (id != NULL && b->build->stage != NULL)
		b->build->stage(b->build->progress_arg, id);
	if (said != NULL && b->build->progress != NULL)
		b->build->progress(b->build->progress_arg, said);
	return 0;
}

static int build_body(void *arg, const char *data, size_t len, struct err *err)
{
	struct builder *b = arg;

	(void)err; /* build_line never stops the stream */
	return lines_feed(&b->lines, data, len, build_line, b);
}

/* Appends name= and the pairs as a JSON object. */
static void put_pairs(
    struct buf *target, const char *name, const struct engine_pair *pairs)
{
	CLEANUP(buf_fini) struct buf text = {.max = target->max};
	const struct engine_pair *p;
	struct json j;

	json_init(&j, &text);
	json_obj(&j);
	for (p = pairs; p != NULL && p->key != NULL; p++)
		json_kstr(&j, p->key, p->value);
	json_end(&j);
	buf_append_str(target, name);
	http_encode(target, buf_str(&text));
	target->overflow |= text.overflow;
}

static int build_target(
    const struct engine_build *build, struct buf *target, struct err *err)
{
	buf_append_str(target, "/build?rm=1&forcerm=1&t=");
	http_encode(target, build->tag);
	buf_append_str(target, "&dockerfile=");
	http_encode(target, build->dockerfile);
	if (build->network != NULL) {
		buf_append_str(target, "&networkmode=");
		http_encode(target, build->network);
	}
	if (build->memory_bytes > 0)
		buf_printf(target, "&memory=%lld&memswap=%lld",
		    (long long)build->memory_bytes,
		    (long long)build->memory_bytes);
	if (build->nano_cpus > 0)
		buf_printf(target, "&cpuperiod=%d&cpuquota=%lld", CPU_PERIOD_US,
		    (long long)(build->nano_cpus / (NANO / CPU_PERIOD_US)));
	if (build->fresh)
		buf_append_str(target, "&nocache=1");
	if (build->target != NULL) {
		buf_append_str(target, "&target=");
		http_encode(target, build->target);
	}
	if (build->args != NULL)
		put_pairs(target, "&buildargs=", build->args);
	put_pairs(target, "&labels=", build->labels);
	if (!target->overflow)
		return 0;
	return err_set(err, ERR_LIMIT, "request_too_large",
	    "build image %.100s: its names are too long", build->tag);
}

int engine_context_from_fd(void *arg, struct buf *out, struct err *err)
{
	const int *fd = arg;
	char *room = buf_reserve(out, SOURCE_BYTES);
	ssize_t n;

	ASSERT(room != NULL); /* the client offers a megabyte */
	do
		n = read(*fd, room, SOURCE_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "read the build context");
	buf_commit(out, (size_t)n);
	return n > 0;
}

int engine_image_build(struct engine *e, const struct ctx *ctx,
    const struct engine_build *build, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	struct builder b = {.build = build};
	char doing[200];
	struct engine_request req = {.method = "POST",
	    .content_type = "application/x-tar",
	    .body_source = build->context,
	    .source_arg = build->context_arg,
	    .on_body = build_body,
	    .sink_arg = &b,
	    .doing = doing,
	    .object = ENGINE_IMAGE,
	    .repeatable = true};
	int r;

	TRY(engine_check_ref(build->tag, err));
	TRY(build_target(build, &target, err));
	snprintf(doing, sizeof(doing), "build image %.150s", build->tag);
	req.target = buf_str(&target);
	lines_init(&b.lines, BUILD_LINE_MAX);
	r = engine_call(e, ctx, &req, &res, err);
	if (r == 0)
		r = lines_end(&b.lines, build_line, &b);
	lines_fini(&b.lines);
	if (r == 0 && b.failed)
		return err_set(err, ERR_INVALID, "image_build_failed",
		    "%s: the engine says: %s", doing, b.why);
	return r;
}
