/*
 * ~ The engine object and the one way out: every other file of engine/ builds
 * a struct engine_request and gives it to engine_call, which negotiates the
 * API version, sends through net/http_client and turns every failure into an
 * error of engine.h's kinds. Any thread; the mutex guards the negotiated
 * version and the counters and is never held over I/O.
 */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/engine_internal.h"

int engine_open(struct engine **ret, const char *host, struct err *err)
{
	CLEANUP(http_client_free) struct http_client *http = NULL;
	static const char unix_scheme[] = "unix://", tls_scheme[] = "https://";
	const char *name;
	struct engine *e;

	if (strncmp(host, tls_scheme, strlen(tls_scheme)) == 0)
		return err_set(err, ERR_INVALID, "bad_address",
		    "engine address \"%s\": TLS to an engine is not spoken; "
		    "use "
		    "unix:///path, or tcp://host:port through a tunnel",
		    host);
	if (http_client_new(&http, host, err) != 0)
		return err_wrap(err, "engine address");
	e = mem_zalloc(sizeof(*e));
	e->http = STEAL(http);
	mtx_init(&e->mtx, "engine");
	name = http_client_name(e->http);
	if (strncmp(name, unix_scheme, strlen(unix_scheme)) == 0)
		e->socket_path = name + strlen(unix_scheme);
	*ret = e;
	return 0;
}

void engine_close(struct engine *e)
{
	if (e == NULL)
		return;
	http_client_free(e->http);
	mtx_fini(&e->mtx);
	mem_free(e);
}

const char *engine_host(const struct engine *e)
{
	return http_client_name(e->http);
}

bool engine_is_local(const struct engine *e)
{
	return e->socket_path != NULL;
}

/* The lock is bookkeeping: reading the counters changes nothing visible. */
static struct mtx *mtx_of(const struct engine *e)
{
	return &((struct engine *)(uintptr_t)e)->mtx;
}

void engine_stats(const struct engine *e, struct engine_stats *ret)
{
	mtx_lock(mtx_of(e));
	*ret = e->stats;
	mtx_unlock(mtx_of(e));
}

/* "No such container" is an answer; an error is what nobody asked for. */
static bool is_answer(const struct err *err)
{
	return err->kind == ERR_NOT_FOUND || err->kind == ERR_CONFLICT ||
	       err->kind == ERR_CANCELED;
}

static void count(struct engine *e, int result, const struct err *err)
{
	mtx_lock(&e->mtx);
	e->stats.calls++;
	if (result != 0 && !is_answer(err))
		e->stats.errors++;
	if (result != 0 && err->kind == ERR_UNAVAILABLE)
		e->stats.unavailable++;
	mtx_unlock(&e->mtx);
}

/* Each call, for LOG_LEVEL=debug. Never the query: a build's arguments are in
 * it, and who made them may have put a secret there. */
static void tell(const struct ctx *ctx, const struct http_call *call,
    const char *what, int status, int64_t began, int result,
    const struct err *err)
{
	char path[160];

	if (!log_is_debug())
		return;
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(call->target, "?"),
	    call->target);
	log_debug(ctx, "engine asked", LOG_STR("method", call->method),
	    LOG_STR("path", path), LOG_STR("for", what),
	    LOG_INT("status", status), LOG_MS("ms", clock_mono_ns() - began),
	    LOG_STR("error", result != 0 ? err->msg : NULL));
}

static struct http_call http_call_of(
    const struct engine_request *req, const char *target)
{
	return (struct http_call){.method = req->method,
	    .target = target,
	    .content_type = req->content_type,
	    .body = req->body,
	    .body_len = req->body_len,
	    .body_source = req->body_source,
	    .body_arg = req->source_arg,
	    .headers = req->headers,
	    .on_body = req->on_body,
	    .on_pause = req->on_pause,
	    .body_sink_arg = req->sink_arg};
}

/* Our own limit, never a later one than the caller's. */
static struct ctx limit(const struct ctx *ctx, const struct engine_request *req)
{
	return ctx_with_timeout(
	    ctx, req->timeout_ms > 0 ? req->timeout_ms : -1);
}

static int unreached(struct engine *e, const struct ctx *callers,
    const struct engine_request *req, struct err *err)
{
	struct err ignored = ERR_INIT;
	bool own_deadline = ctx_check(callers, &ignored) == 0;

	return engine_unreached(e, req, own_deadline, err);
}

int engine_send(struct engine *e, const struct ctx *ctx,
    const struct engine_request *req, const char *target,
    struct http_result *ret, struct err *err)
{
	struct http_call call = http_call_of(req, target);
	struct ctx limited = limit(ctx, req);
	int64_t began = clock_mono_ns();
	int r = 0;

	if (http_call(e->http, &limited, &call, ret, err) != 0)
		r = unreached(e, ctx, req, err);
	else if ((ret->status < 200 || ret->status > 299) && ret->status != 304)
		r = engine_refused(ret->status, buf_str(&ret->body),
		    ret->body.len, req->object, req->doing, err);
	count(e, r, err);
	tell(ctx, &call, req->doing, ret->status, began, r, err);
	return r;
}

/* "/v1.41" and the request's target, in out. */
static int versioned(struct engine *e, const struct ctx *ctx,
    const struct engine_request *req, struct buf *out, struct err *err)
{
	char version[ENGINE_API_LEN];
	struct ctx limited = limit(ctx, req);

	TRY(engine_negotiate(e, &limited, version, err));
	if (buf_printf(out, "/v%s%s", version, req->target) != 0)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: the request is longer than %zu bytes", req->doing,
		    out->max);
	return 0;
}

/* Another engine may answer on this address next time. */
static int maybe_forget(struct engine *e, int result, const struct err *err)
{
	if (result != 0 && err->kind == ERR_UNAVAILABLE)
		engine_forget_version(e);
	return result;
}

int engine_call(struct engine *e, const struct ctx *ctx,
    const struct engine_request *req, struct http_result *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};

	TRY(versioned(e, ctx, req, &target, err));
	return maybe_forget(
	    e, engine_send(e, ctx, req, buf_str(&target), ret, err), err);
}

int engine_hijack(struct engine *e, const struct ctx *ctx,
    const struct engine_request *req, int *ret_fd, struct buf *early,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	struct http_call call;
	struct ctx limited = limit(ctx, req);
	int64_t began = clock_mono_ns();
	int r;

	TRY(versioned(e, ctx, req, &target, err));
	call = http_call_of(req, buf_str(&target));
	r = http_hijack(e->http, &limited, &call, ret_fd, early, err);
	if (r != 0)
		r = engine_hijack_refused(err, req)
			? -1
			: unreached(e, ctx, req, err);
	count(e, r, err);
	tell(ctx, &call, req->doing, r == 0 ? 101 : 0, began, r, err);
	return maybe_forget(e, r, err);
}

int engine_ping(struct engine *e, const struct ctx *ctx, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	const struct engine_request req = {.method = "GET",
	    .target = "/_ping",
	    .doing = "ping the engine",
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	return engine_call(e, ctx, &req, &res, err);
}
