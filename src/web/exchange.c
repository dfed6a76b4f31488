/*
 * One request and its whole reply. See web.h; the caller's thread.
 */
#include "web/transfer.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct exchange {
	const struct web_request *request;
	struct buf *body;
};

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	if (x->request->no_body)
		return n;
	/* Less than was given ends the transfer. */
	return buf_append(x->body, data, size * n) == 0 ? n : 0;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	transfer_header(x->request, data, size * n);
	return size * n;
}

/* Until the transfer is over, or the context. */
static int drive(struct transfer *t, const struct ctx *ctx, struct err *err)
{
	int running = 1;

	while (running > 0) {
		TRY(ctx_check(ctx, err));
		if (web_curl.multi_perform(t->m, &running) != CURLM_OK)
			break;
		if (running > 0)
			transfer_wait(t, ctx);
	}
	return 0;
}

static int too_much(
    const struct web_peer *peer, const struct buf *body, struct err *err)
{
	bool mib = body->max >= 1 << 20;

	return web_error(peer, err, ERR_LIMIT, "bad_reply",
	    "%s sent more than %zu %s: not a reply of %s", peer->url,
	    body->max >> (mib ? 20 : 10), mib ? "MiB" : "KiB", peer->name);
}

static int run(struct transfer *t, const struct ctx *ctx,
    const struct buf *body, struct err *err)
{
	CURLcode code;

	if (drive(t, ctx, err) < 0)
		return err->kind == ERR_TIMEOUT
			   ? web_error(t->peer, err, ERR_UNAVAILABLE, "down",
				 "%s did not answer in time", t->peer->url)
			   : -1;
	code = transfer_result(t);
	if (code == CURLE_WRITE_ERROR && body->overflow)
		return too_much(t->peer, body, err);
	return code == CURLE_OK ? 0 : transfer_fail(t, code, err);
}

/* Each request, for LOG_LEVEL=debug: without a query, which may hold a token;
 * of an address that somebody chose nothing. */
static void tell(const struct ctx *ctx, const struct web_peer *peer,
    const struct web_request *request, int status, int64_t began,
    const struct err *err)
{
	char url[200];

	if (!log_is_debug())
		return;
	snprintf(url, sizeof(url), "%.*s", (int)strcspn(request->url, "?"),
	    request->url);
	log_debug(ctx, "another site asked", LOG_STR("peer", peer->code),
	    LOG_STR("method", request->method),
	    LOG_STR("url", request->guard == NULL ? url : NULL),
	    LOG_INT("status", status), LOG_MS("ms", clock_mono_ns() - began),
	    LOG_STR("error", err->kind != ERR_NONE ? err->code : NULL));
}

static int exchange(struct transfer *t, const struct web_peer *peer,
    const struct ctx *ctx, const struct web_request *request, int *ret_status,
    struct buf *body, struct err *err)
{
	struct exchange x = {request, body};

	TRY(transfer_begin(t, peer, ctx, request, err));
	web_curl.easy_setopt(t->c, CURLOPT_WRITEFUNCTION, take_body);
	web_curl.easy_setopt(t->c, CURLOPT_WRITEDATA, &x);
	web_curl.easy_setopt(t->c, CURLOPT_HEADERFUNCTION, take_header);
	web_curl.easy_setopt(t->c, CURLOPT_HEADERDATA, &x);
	TRY(run(t, ctx, body, err));
	*ret_status = transfer_status(t);
	return 0;
}

int web_exchange(const struct web_peer *peer, const struct ctx *parent,
    const struct web_request *request, int64_t timeout_ms, int *ret_status,
    struct buf *body, struct err *err)
{
	CLEANUP(transfer_end) struct transfer t = {0};
	struct ctx ctx = ctx_with_timeout(parent, timeout_ms);
	int64_t began = clock_mono_ns();
	int status = 0;
	int r = exchange(&t, peer, &ctx, request, &status, body, err);

	tell(parent, peer, request, status, began, err);
	if (r == 0)
		*ret_status = status;
	return r;
}
