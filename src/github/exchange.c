/*
 * One request to GitHub and its reply: what every one of them bears, and what
 * of a reply's head is read. Bounded body, no redirects, 30 s. The caller's
 * thread.
 */
#include <string.h>

#include "base/mem.h"
#include "github/github_internal.h"

enum { BODY_MAX = 4 << 20, CALL_MS = 30000 };

void github_reply_fini(struct github_reply *r)
{
	buf_fini(&r->body);
}

void github_reply_reset(struct github_reply *r, size_t body_max)
{
	buf_fini(&r->body);
	*r = (struct github_reply){
	    .retry_after_s = -1, .remaining = -1, .reset_at = -1, .limit = -1};
	buf_init(&r->body, body_max);
}

void github_send_begin(struct github_send *s,
    const struct github_request *request, struct github_reply *r)
{
	const struct web_header wanted[] = {{"retry-after:", &r->retry_after_s},
	    {"x-ratelimit-limit:", &r->limit},
	    {"x-ratelimit-remaining:", &r->remaining},
	    {"x-ratelimit-reset:", &r->reset_at},
	    {"etag:", NULL, r->etag, sizeof(r->etag)},
	    {"content-type:", NULL, r->content_type, sizeof(r->content_type)},
	    {"location:", NULL, r->location, sizeof(r->location)}};
	size_t n = 0;

	s->accept = mem_printf("Accept: %s",
	    request->accept != NULL ? request->accept
				    : "application/vnd.github+json");
	s->headers[n++] = s->accept;
	s->headers[n++] = "X-GitHub-Api-Version: 2022-11-28";
	if (request->etag != NULL)
		s->headers[n++] = s->etag =
		    mem_printf("If-None-Match: %s", request->etag);
	if (request->body != NULL)
		s->headers[n++] = "Content-Type: application/json";
	_Static_assert(ARRAY_LEN(s->wanted) == ARRAY_LEN(wanted), "places");
	memcpy(s->wanted, wanted, sizeof(wanted));
	s->web = (struct web_request){.method = request->method,
	    .url = request->url,
	    .headers = s->headers,
	    .body = request->body,
	    .body_len = request->body != NULL ? strlen(request->body) : 0,
	    .bearer = request->bearer,
	    .wanted = s->wanted,
	    .wanted_n = ARRAY_LEN(s->wanted),
	    .keeps_connection = true};
}

void github_send_end(struct github_send *s)
{
	mem_free(s->accept);
	mem_free(s->etag);
}

int github_exchange(struct github *g, const struct ctx *ctx,
    const struct github_request *request, struct github_reply *ret,
    struct err *err)
{
	CLEANUP(github_send_end) struct github_send send = {0};

	github_reply_reset(ret, BODY_MAX);
	github_send_begin(&send, request, ret);
	TRY(web_exchange(
	    &g->peer, ctx, &send.web, CALL_MS, &ret->status, &ret->body, err));
	github_budget_note(g, ret);
	return 0;
}
