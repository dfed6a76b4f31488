/* What the files of github/ share among themselves. */
#ifndef GITHUB_GITHUB_INTERNAL_H
#define GITHUB_GITHUB_INTERNAL_H

#include <jansson.h>

#include "base/buf.h"
#include "base/secret.h"
#include "base/thread.h"
#include "github/etags.h"
#include "github/github.h"
#include "web/web.h"

struct github {
	char *site;           /* "https://ghes.example", no slash at the end */
	char *api;            /* "https://ghes.example/api/v3" */
	struct web_peer peer; /* of the API, for errors */
	struct secret *token; /* NULL: none */
	struct mtx mtx;
	struct github_budget budget; /* guarded by mtx */
	struct etags *etags;         /* its own lock */
	struct github_apps *apps;    /* its own lock; NULL: none */
};

/* -- url.c ------------------------------------------------------------- */
int github_split_site(const char *url, char **ret_site, char **ret_api,
    struct err *err) MUST_CHECK;
/* "/repos/o/r", "/orgs/o", "/enterprises/e" */
void github_scope_path(const char *scope, struct buf *out);

/* -- exchange.c: one request and its reply, of any status -------------- */
struct github_reply {
	int status;
	struct buf body;
	int64_t retry_after_s; /* -1: not said */
	int64_t remaining;     /* of the rate limit; -1: not said */
	int64_t reset_at;      /* wall seconds; -1: not said */
	int64_t limit;         /* of requests; -1: not said */
	bool limited;          /* the status is that of a rate limit */
	char etag[160], content_type[80]; /* "": not said */
	char location[2048];
};
void github_reply_fini(struct github_reply *r);
static inline void github_reply_fini_guard(struct github_reply *r)
{
	github_reply_fini(r);
}
void github_reply_reset(struct github_reply *r, size_t body_max);
struct github_request {
	const char *method;
	const char *url;             /* whole */
	const char *accept;          /* NULL: application/vnd.github+json */
	const char *etag;            /* If-None-Match; NULL: none */
	const char *body;            /* JSON; NULL: none */
	const struct secret *bearer; /* NULL: none; never to another host */
};
/* What a request is sent with; places in *r. Internal to exchange.c and
 * archive.c. */
struct github_send {
	struct web_request web;
	const char *headers[5];
	struct web_header wanted[7];
	char *accept, *etag;
};
void github_send_begin(struct github_send *s,
    const struct github_request *request, struct github_reply *r);
void github_send_end(struct github_send *s);
static inline void github_send_end_guard(struct github_send *s)
{
	github_send_end(s);
}
int github_exchange(struct github *g, const struct ctx *ctx,
    const struct github_request *request, struct github_reply *ret,
    struct err *err) MUST_CHECK;

/* -- call.c: repeated where that helps, judged ------------------------- */
/*
 * 0: *ret_status is 2xx, 404 or 422 and *ret_body the JSON (NULL when there
 * is none); all else is an error in words. what: "register a runner", for
 * messages.
 */
struct github_call {
	const char *method, *path, *scope, *what;
};
int github_call(struct github *g, const struct ctx *ctx,
    const struct github_call *call, int *ret_status, json_t **ret_body,
    struct err *err) MUST_CHECK;
/* The error of a 404 or 422 that the caller does not know better. */
int github_no_access(
    const struct github_call *call, int status, struct err *err);
/* Seconds to wait before a limited reply is worth another try. */
int64_t github_rate_wait(const struct github_reply *r);
bool github_is_limited(const struct github_reply *r, const char *words);
/* once(), again while it fails with ERR_UNAVAILABLE and waiting may help;
 * it leaves what came in *r. */
int github_repeat(const struct ctx *ctx,
    int (*once)(void *arg, struct github_reply *r, struct err *err), void *arg,
    struct github_reply *r, struct err *err) MUST_CHECK;
json_t *github_parse(const struct buf *body); /* NULL: no JSON */
/* GitHub's own words of a refusal, bounded and clean; "" when none. */
void github_words(const json_t *body, char *out, size_t size);

/* -- budget.c ---------------------------------------------------------- */
void github_budget_note(struct github *g, const struct github_reply *r);
/* Seconds until GitHub wants to be asked again; 0: now. */
int64_t github_budget_wait(struct github *g);

/* -- app.c ------------------------------------------------------------- */
/* What to ask about a repository with: *ret to free, NULL for nothing. May
 * have to ask GitHub for it. */
int github_bearer(struct github *g, const struct ctx *ctx, const char *repo,
    struct secret **ret, struct err *err) MUST_CHECK;
/* GitHub does not take it any more. True: it was one of an app's; the next is
 * a new one. */
bool github_bearer_refused(struct github *g, const char *repo);
void github_apps_free(struct github_apps *a);

static inline void github_json_free(json_t *j)
{
	json_decref(j);
}
DEFINE_CLEANUP(json_t *, github_json_free);

#endif
