/*
 * One request and its whole reply. See web.h; the caller's thread.
 */
#include "web/transfer.h"

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

int web_exchange(const struct web_peer *peer, const struct ctx *parent,
    const struct web_request *request, int64_t timeout_ms, int *ret_status,
    struct buf *body, struct err *err)
{
	CLEANUP(transfer_end) struct transfer t = {0};
	struct ctx ctx = ctx_with_timeout(parent, timeout_ms);
	struct exchange x = {request, body};

	TRY(transfer_begin(&t, peer, request, err));
	web_curl.easy_setopt(t.c, CURLOPT_WRITEFUNCTION, take_body);
	web_curl.easy_setopt(t.c, CURLOPT_WRITEDATA, &x);
	web_curl.easy_setopt(t.c, CURLOPT_HEADERFUNCTION, take_header);
	web_curl.easy_setopt(t.c, CURLOPT_HEADERDATA, &x);
	TRY(run(&t, &ctx, body, err));
	*ret_status = transfer_status(&t);
	return 0;
}
