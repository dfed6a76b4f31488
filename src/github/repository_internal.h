/* What the files about repositories share. */
#ifndef GITHUB_REPOSITORY_INTERNAL_H
#define GITHUB_REPOSITORY_INTERNAL_H

#include "github/github_internal.h"
#include "github/repository.h"

/* "/repos/owner/repo" and what follows; text is percent-encoded but for its
 * slashes. */
int repository_path(const char *repo, const char *rest, const char *text,
    char **ret, struct err *err) MUST_CHECK;

/* -- repository_call.c ------------------------------------------------- */
struct repository_call {
	const char *repo, *path;
	const char *accept;          /* NULL: JSON */
	const char *what;            /* "read the repository", for messages */
	const char *method;          /* NULL: GET */
	const char *body;            /* JSON; NULL: none */
	const struct secret *bearer; /* NULL: that of the repository */
};
/* *r has status 2xx, 404, 409 or 422. Conditional, repeated, redirected. */
int repository_call(struct github *g, const struct ctx *ctx,
    const struct repository_call *call, struct github_reply *r,
    struct err *err) MUST_CHECK;
/* 0 for the statuses above, else the error. */
int repository_judge(struct github *g, const struct repository_call *call,
    struct github_reply *r, struct err *err) MUST_CHECK;
/* Is it worth asking now? Sets r->limited where not. */
int repository_may_ask(struct github *g, const struct repository_call *call,
    struct github_reply *r, struct err *err) MUST_CHECK;
/* Where a reply's Location leads from url: *ret whole, *ret_foreign when it is
 * not the host of the API. */
int repository_redirect(const struct github *g, const char *url,
    const char *location, char **ret, bool *ret_foreign,
    struct err *err) MUST_CHECK;
/* Errors of the transfer get the code of a source's. */
int repository_rename_error(struct err *err);
int repository_not_found(
    const struct github *g, const char *repo, struct err *err);

#endif
