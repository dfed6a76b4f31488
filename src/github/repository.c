/*
 * The calls of repository.h but the archive: each a path and what to read of
 * its reply. The caller's thread.
 */
#include "github/repository.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "github/repository_internal.h"

enum { TEXT_MAX = 2048 };

/* -- paths ------------------------------------------------------------- */

int repository_path(const char *repo, const char *rest, const char *text,
    char **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf path = {.max = 4 * TEXT_MAX};

	if (!github_scope_is_valid(repo) || strchr(repo, '/') == NULL)
		return err_set(err, ERR_INVALID, "INVALID_SOURCE_LOCATION",
		    "\"%.100s\" is not owner/repository", repo);
	if (strlen(text) > TEXT_MAX)
		return err_set(err, ERR_INVALID, "INVALID_SOURCE_LOCATION",
		    "a name of %zu bytes in %.100s is too long", strlen(text),
		    repo);
	github_scope_path(repo, &path);
	IGNORE(buf_append_str(&path, rest));
	for (; *text != '\0'; text++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
			   "Z0123456789-._~/",
			*text) != NULL)
			IGNORE(buf_append_char(&path, *text));
		else
			IGNORE(
			    buf_printf(&path, "%%%02X", (unsigned char)*text));
	*ret = buf_steal(&path, NULL);
	return 0;
}

static int bad_reply(
    const struct github *g, const struct repository_call *call, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "GIT_OPERATION_FAILED",
	    "%s answered the request to %s of %.120s with something that "
	    "GitHub would not send: a proxy in between?",
	    g->api, call->what, call->repo);
}

/* -- the repository ---------------------------------------------------- */

int github_repository(struct github *g, const struct ctx *ctx, const char *repo,
    struct github_repository *ret, struct err *err)
{
	CLEANUP(github_reply_fini) struct github_reply r = {0};
	CLEANUP(github_json_free) json_t *body = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct repository_call call = {
	    .repo = repo, .what = "read the repository"};
	const char *name, *branch;

	TRY(repository_path(repo, "", "", &path, err));
	call.path = path;
	TRY(repository_call(g, ctx, &call, &r, err));
	if (r.status / 100 != 2)
		return repository_not_found(g, repo, err);
	body = github_parse(&r.body);
	name = json_string_value(json_object_get(body, "full_name"));
	branch = json_string_value(json_object_get(body, "default_branch"));
	if (name == NULL || strlen(name) >= sizeof(ret->name) ||
	    branch == NULL || *branch == '\0' ||
	    strlen(branch) >= sizeof(ret->default_branch))
		return bad_reply(g, &call, err);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(
	    ret->default_branch, sizeof(ret->default_branch), "%s", branch);
	ret->is_private = json_is_true(json_object_get(body, "private"));
	return 0;
}

/* -- commits ----------------------------------------------------------- */

static bool is_hex(const char *text, size_t n)
{
	return strspn(text, "0123456789abcdefABCDEF") >= n;
}

static int take_sha(const char *text, size_t n, char ret[GITHUB_SHA_MAX])
{
	if ((n != 40 && n != 64) || !is_hex(text, n))
		return -1;
	memcpy(ret, text, n);
	ret[n] = '\0';
	return 0;
}

static int no_ref(
    const struct github *g, const char *repo, const char *ref, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "REF_NOT_FOUND",
	    "%s/%.120s has no branch, tag or commit \"%.120s\"", g->site, repo,
	    ref);
}

/* A 404 is either: the repository itself tells. */
static int no_ref_or_repository(struct github *g, const struct ctx *ctx,
    const char *repo, const char *ref, struct err *err)
{
	struct github_repository there;

	TRY(github_repository(g, ctx, repo, &there, err));
	return no_ref(g, repo, ref, err);
}

/* 1; 0: no such ref; -1. */
static int find_commit(struct github *g, const struct ctx *ctx,
    const char *repo, const char *ref, char ret_sha[GITHUB_SHA_MAX],
    struct err *err)
{
	CLEANUP(github_reply_fini) struct github_reply r = {0};
	CLEANUP(mem_free) char *path = NULL;
	struct repository_call call = {.repo = repo,
	    .accept = "application/vnd.github.sha",
	    .what = "look up a commit"};

	TRY(repository_path(repo, "/commits/", ref, &path, err));
	call.path = path;
	TRY(repository_call(g, ctx, &call, &r, err));
	/* 409: the repository is empty. 422: nothing of that name. */
	if (r.status / 100 != 2)
		return 0;
	return take_sha(buf_str(&r.body), r.body.len, ret_sha) == 0
		   ? 1
		   : bad_reply(g, &call, err);
}

int github_commit(struct github *g, const struct ctx *ctx, const char *repo,
    const char *ref, char ret_sha[GITHUB_SHA_MAX], struct err *err)
{
	int found;

	/* Segments of dots would leave the path of the API. */
	if (*ref == '\0' || strstr(ref, "..") != NULL || *ref == '/' ||
	    strstr(ref, "/.") != NULL || *ref == '.')
		return no_ref(g, repo, ref, err);
	found = find_commit(g, ctx, repo, ref, ret_sha, err);
	TRY(found);
	return found > 0 ? 0 : no_ref_or_repository(g, ctx, repo, ref, err);
}

/* -- a ref that begins a path ------------------------------------------ */

/* Is name the beginning of text, up to a slash or its end? */
static bool begins(const char *text, const char *name)
{
	size_t n = strlen(name);

	return n > 0 && strncmp(text, name, n) == 0 &&
	       (text[n] == '\0' || text[n] == '/');
}

/* The longest of refs ("refs/heads/<name>") that begins the path: its length,
 * 0 for none, and what it points to. */
static size_t longest(const json_t *refs, size_t prefix, const char *text,
    const char **ret_object)
{
	const json_t *ref;
	size_t best = 0, i;

	json_array_foreach(refs, i, ref)
	{
		const char *name =
		    json_string_value(json_object_get(ref, "ref"));
		const char *sha = json_string_value(
		    json_object_get(json_object_get(ref, "object"), "sha"));

		if (name == NULL || sha == NULL || strlen(name) <= prefix ||
		    !begins(text, name + prefix) ||
		    strlen(name + prefix) <= best)
			continue;
		best = strlen(name + prefix);
		*ret_object = sha;
	}
	return best;
}

/* kind: "heads" or "tags". 1 found, 0 none, -1. */
static int find_among(struct github *g, const struct ctx *ctx, const char *repo,
    const char *kind, const char *ref_and_path, size_t *ret_len,
    char ret_sha[GITHUB_SHA_MAX], struct err *err)
{
	CLEANUP(github_reply_fini) struct github_reply r = {0};
	CLEANUP(github_json_free) json_t *refs = NULL;
	CLEANUP(mem_free)
	char *first = mem_strndup(ref_and_path, strcspn(ref_and_path, "/"));
	CLEANUP(mem_free)
	char *rest = mem_printf("/git/matching-refs/%s/", kind);
	CLEANUP(mem_free) char *path = NULL;
	struct repository_call call = {
	    .repo = repo, .what = "look up its branches"};
	const char *object = NULL;

	TRY(repository_path(repo, rest, first, &path, err));
	call.path = path;
	TRY(repository_call(g, ctx, &call, &r, err));
	if (r.status == 404)
		return repository_not_found(g, repo, err);
	if (r.status / 100 != 2) /* empty */
		return 0;
	refs = github_parse(&r.body);
	if (!json_is_array(refs))
		return bad_reply(g, &call, err);
	*ret_len = longest(
	    refs, strlen("refs/") + strlen(kind) + 1, ref_and_path, &object);
	if (*ret_len == 0)
		return 0;
	return take_sha(object, strlen(object), ret_sha) == 0
		   ? 1
		   : bad_reply(g, &call, err);
}

/* The commit that a tag means: its own object may be an annotation. */
static int peel(struct github *g, const struct ctx *ctx, const char *repo,
    const char *tag, size_t len, char ret_sha[GITHUB_SHA_MAX], struct err *err)
{
	CLEANUP(mem_free) char *ref = mem_printf("tags/%.*s", (int)len, tag);

	return github_commit(g, ctx, repo, ref, ret_sha, err);
}

int github_commit_in_path(struct github *g, const struct ctx *ctx,
    const char *repo, const char *ref_and_path, char ret_sha[GITHUB_SHA_MAX],
    size_t *ret_len, struct err *err)
{
	size_t n = strcspn(ref_and_path, "/");
	CLEANUP(mem_free) char *first = mem_strndup(ref_and_path, n);
	int found;

	if (n == 0 || strspn(first, ".") == n)
		return no_ref(g, repo, ref_and_path, err);
	found = find_among(
	    g, ctx, repo, "heads", ref_and_path, ret_len, ret_sha, err);
	if (found != 0)
		return found < 0 ? -1 : 0;
	found = find_among(
	    g, ctx, repo, "tags", ref_and_path, ret_len, ret_sha, err);
	TRY(found);
	if (found > 0)
		return peel(g, ctx, repo, ref_and_path, *ret_len, ret_sha, err);
	*ret_len = n;
	if (strcmp(first, "HEAD") != 0 && (n < 7 || !is_hex(first, n)))
		return no_ref(g, repo, ref_and_path, err);
	return github_commit(g, ctx, repo, first, ret_sha, err);
}

/* -- files ------------------------------------------------------------- */

int github_file(struct github *g, const struct ctx *ctx, const char *repo,
    const char *sha, const char *path, struct buf *out, struct err *err)
{
	CLEANUP(github_reply_fini) struct github_reply r = {0};
	CLEANUP(mem_free) char *encoded = NULL;
	CLEANUP(mem_free) char *with_ref = NULL;
	struct repository_call call = {.repo = repo,
	    .accept = "application/vnd.github.raw+json",
	    .what = "read a file"};

	TRY(repository_path(repo, "/contents/", path, &encoded, err));
	with_ref = mem_printf("%s?ref=%s", encoded, sha);
	call.path = with_ref;
	TRY(repository_call(g, ctx, &call, &r, err));
	/* A directory is listed as plain JSON. */
	if (r.status / 100 != 2 ||
	    strncmp(r.content_type, "application/json", 16) == 0)
		return 0;
	if (buf_append(out, r.body.data, r.body.len) < 0)
		return err_set(err, ERR_LIMIT, "GIT_OPERATION_FAILED",
		    "%.200s of %.120s has more than %zu bytes", path, repo,
		    out->max);
	return 1;
}
