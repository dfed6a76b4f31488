/* What the files of github/ share among themselves. */
#ifndef GITHUB_GITHUB_INTERNAL_H
#define GITHUB_GITHUB_INTERNAL_H

#include <jansson.h>

#include "base/buf.h"
#include "base/secret.h"
#include "github/github.h"

struct github {
	char *site;           /* "https://ghes.example", no slash at the end */
	char *api;            /* "https://ghes.example/api/v3" */
	struct secret *token; /* NULL: none */
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
};
void github_reply_fini(struct github_reply *r);
static inline void github_reply_fini_guard(struct github_reply *r)
{
	github_reply_fini(r);
}
int github_exchange(struct github *g, const struct ctx *ctx, const char *method,
    const char *path, struct github_reply *ret, struct err *err) MUST_CHECK;

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
/* GitHub's own words of a refusal, bounded and clean; "" when none. */
void github_words(const json_t *body, char *out, size_t size);

static inline void github_json_free(json_t *j)
{
	json_decref(j);
}
DEFINE_CLEANUP(json_t *, github_json_free);

#endif
