/*
 * A small question about a repository: conditional where we know an earlier
 * answer, repeated where that helps, redirected on its own host, and judged
 * with the codes of a component's source. Called by repository.c, and in parts
 * by archive.c; the caller's thread.
 */
#include <string.h>

#include "base/mem.h"
#include "github/repository_internal.h"

enum { HOPS_MAX = 4 };

/* -- judging ----------------------------------------------------------- */

static const char *access_hint(const struct github *g)
{
	if (g->apps != NULL)
		return "an app of its integration must be installed there, "
		       "with repository permission \"Contents\": read";
	return g->token != NULL
		   ? "its token may lack access (fine-grained: \"Contents\": "
		     "read; classic: \"repo\")"
		   : "if it is private, the integration of its host needs a "
		     "token";
}

int repository_not_found(
    const struct github *g, const char *repo, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "REPOSITORY_NOT_FOUND",
	    "%s knows no repository %.160s: check the source location; %s",
	    g->site, repo, access_hint(g));
}

static int limited(struct github *g, const struct github_reply *r,
    const struct repository_call *call, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "GITHUB_RATE_LIMITED",
	    "the rate limit of %s is used up: it may be asked to %s of %.120s "
	    "in %lld s%s",
	    g->site, call->what, call->repo, (long long)github_rate_wait(r),
	    g->token == NULL && g->apps == NULL
		? "; with a token it would be far higher"
		: "");
}

static int refused(struct github *g, const struct repository_call *call,
    const char *words, struct err *err)
{
	if (call->bearer != NULL)
		return err_set(err, ERR_AUTH, "GIT_AUTHENTICATION_FAILED",
		    "%s refuses the app of its integration (%.80s): its id or "
		    "its private key is wrong, or this machine's clock",
		    g->site, words);
	if (call->bearer != NULL)
		return err_set(err, ERR_AUTH, "GIT_AUTHENTICATION_FAILED",
		    "%s refuses the app of its integration (%.80s): its id or "
		    "its private key is wrong, or this machine's clock",
		    g->site, words);
	if (g->token == NULL && g->apps == NULL)
		return err_set(err, ERR_AUTH, "GIT_AUTHENTICATION_FAILED",
		    "%s wants a token to %s of %.120s: give one to the "
		    "integration of its host (%.80s)",
		    g->site, call->what, call->repo, words);
	return err_set(err, ERR_AUTH, "GIT_AUTHENTICATION_FAILED",
	    "%s refuses the token of its integration (%.80s): it is wrong, "
	    "expired or revoked; make a new one",
	    g->site, words);
}

int repository_judge(struct github *g, const struct repository_call *call,
    struct github_reply *r, struct err *err)
{
	char words[160];
	json_t *body;

	if (r->status / 100 == 2 || r->status == 404 || r->status == 409 ||
	    r->status == 422)
		return 0;
	body = github_parse(&r->body);
	github_words(body, words, sizeof(words));
	json_decref(body);
	r->limited = github_is_limited(r, words);
	if (r->limited)
		return limited(g, r, call, err);
	if (r->status == 401)
		return refused(g, call, words, err);
	if (r->status == 403)
		return err_set(err, ERR_FORBIDDEN, "GIT_AUTHENTICATION_FAILED",
		    "%s does not let us %s of %.120s (403 %.120s): %s", g->site,
		    call->what, call->repo, words, access_hint(g));
	return err_set(err, r->status >= 500 ? ERR_UNAVAILABLE : ERR_INVALID,
	    "GIT_OPERATION_FAILED",
	    "%s answers %d when asked to %s of %.120s: "
	    "%.120s",
	    g->site, r->status, call->what, call->repo,
	    *words != '\0' ? words : "try again later");
}

int repository_rename_error(struct err *err)
{
	if (strncmp(err->code, "github_", 7) == 0)
		memcpy(err->code, "GIT_OPERATION_FAILED",
		    sizeof("GIT_OPERATION_FAILED"));
	return -1;
}

int repository_may_ask(struct github *g, const struct repository_call *call,
    struct github_reply *r, struct err *err)
{
	int64_t wait = github_budget_wait(g);

	github_reply_reset(r, 0);
	if (wait == 0)
		return 0;
	r->limited = true;
	r->retry_after_s = wait;
	return limited(g, r, call, err);
}

/* -- asking ------------------------------------------------------------ */

struct asking {
	struct github *g;
	const struct ctx *ctx;
	const struct repository_call *call;
	const char *key;
	const struct secret *bearer;
};

int repository_redirect(const struct github *g, const char *url,
    const char *location, char **ret, bool *ret_foreign, struct err *err)
{
	if (web_redirect(g->api, url, location, ret, ret_foreign) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "GIT_OPERATION_FAILED",
	    "%s redirects to \"%.160s\", which is no address for a source",
	    g->api, location);
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 307 || status == 308;
}

/* One request, and those that it is redirected to. */
static int ask(
    struct asking *a, const char *etag, struct github_reply *r, struct err *err)
{
	CLEANUP(mem_free)
	char *url = mem_printf("%s%s", a->g->api, a->call->path);
	bool foreign;

	for (int hop = 0; hop < HOPS_MAX; hop++) {
		const struct github_request request = {
		    .method = a->call->method != NULL ? a->call->method : "GET",
		    .url = url,
		    .accept = a->call->accept,
		    .etag = etag,
		    .body = a->call->body,
		    .bearer = a->bearer};
		char *next;

		if (github_exchange(a->g, a->ctx, &request, r, err) < 0)
			return repository_rename_error(err);
		if (!is_redirect(r->status))
			return 0;
		TRY(repository_redirect(
		    a->g, url, r->location, &next, &foreign, err));
		mem_free(url);
		url = next;
		if (foreign)
			break;
	}
	return err_set(err, ERR_INVALID, "GIT_OPERATION_FAILED",
	    "%s sends us from place to place when asked to %s of %.120s",
	    a->g->site, a->call->what, a->call->repo);
}

static int once(void *arg, struct github_reply *r, struct err *err)
{
	struct asking *a = arg;
	char etag[sizeof(r->etag)];
	bool known = etags_get(a->g->etags, a->key, etag, sizeof(etag));

	TRY(repository_may_ask(a->g, a->call, r, err));
	TRY(ask(a, known ? etag : NULL, r, err));
	if (r->status == 304 && known) {
		buf_clear(&r->body);
		if (etags_body(a->g->etags, a->key, etag, &r->body)) {
			r->status = 200;
			return 0;
		}
		/* Pushed out meanwhile. */
		TRY(ask(a, NULL, r, err));
	}
	if (r->status == 200 && *r->etag != '\0')
		etags_put(a->g->etags, a->key, r->etag, &r->body);
	return repository_judge(a->g, a->call, r, err);
}

/* With what the repository is asked about. */
static int sign_in(struct asking *a, struct secret **own, struct err *err)
{
	secret_free(STEAL(*own));
	TRY(github_bearer(a->g, a->ctx, a->call->repo, own, err));
	a->bearer = *own;
	return 0;
}

int repository_call(struct github *g, const struct ctx *ctx,
    const struct repository_call *call, struct github_reply *r, struct err *err)
{
	CLEANUP(secret_free) struct secret *own = NULL;
	CLEANUP(mem_free)
	char *key = mem_printf(
	    "%s\n%s", call->accept != NULL ? call->accept : "", call->path);
	struct asking asking = {.g = g,
	    .ctx = ctx,
	    .call = call,
	    .key = key,
	    .bearer = call->bearer};

	if (call->bearer == NULL)
		TRY(sign_in(&asking, &own, err));
	if (github_repeat(ctx, once, &asking, r, err) == 0)
		return 0;
	/* A token of an app that has ended before its time? */
	if (r->status != 401 || call->bearer != NULL ||
	    !github_bearer_refused(g, call->repo))
		return -1;
	err_clear(err);
	TRY(sign_in(&asking, &own, err));
	return github_repeat(ctx, once, &asking, r, err);
}
