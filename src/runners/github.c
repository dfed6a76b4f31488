/*
 * What GitHub is asked for on behalf of runners: which scopes, tokens for
 * config.sh, and the end of a registration. Handler threads, clock, keeper.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "runners/runners_internal.h"

/* Its words are the API's: 401 and 403 would speak of the caller's own
 * credentials, and it is the hub's token that GitHub does not take. */
static int upstream(struct err *err)
{
	if (err->kind == ERR_AUTH || err->kind == ERR_FORBIDDEN)
		err->kind = ERR_UNAVAILABLE;
	return -1;
}

/* -- scopes ------------------------------------------------------------ */

static bool names(const char *list, const char *scope)
{
	while (list != NULL) {
		size_t from = strspn(list, " \t,");
		size_t n = strcspn(list + from, ", \t");

		if (n == strlen(scope) && n > 0 &&
		    strncasecmp(list + from, scope, n) == 0)
			return true;
		if (list[from + n] == '\0')
			return false;
		list += from + n;
	}
	return false;
}

/* An organization that is named includes its repositories. */
static bool is_ours(const struct options *o, const char *scope)
{
	size_t n = o->github_org != NULL ? strlen(o->github_org) : 0;

	return names(o->github_repositories, scope) ||
	       (n > 0 && strncasecmp(scope, o->github_org, n) == 0 &&
		   (scope[n] == '\0' || scope[n] == '/'));
}

int runners_scope(struct runners *r, const char *url, const char *scope,
    bool trusted, char **ret, struct err *err)
{
	CLEANUP(mem_free) char *found = mem_strdup_or_null(scope);

	*ret = NULL;
	if (url != NULL) {
		mem_free(STEAL(found));
		TRY(github_scope_of_url(r->github, url, &found, err));
	}
	if (found == NULL)
		return 0;
	if (!github_scope_is_valid(found))
		return err_set(err, ERR_INVALID, "github_scope",
		    "\"%.100s\" is neither owner/repository nor an "
		    "organization",
		    found);
	if (!trusted && !is_ours(r->config.options, found))
		return err_set(err, ERR_FORBIDDEN, "scope_not_allowed",
		    "runners of %.120s may not enrol here: name it in "
		    "GITHUB_REPOSITORIES, or its organization in GITHUB_ORG, "
		    "of the hub",
		    found);
	*ret = STEAL(found);
	return 0;
}

char *runners_scope_url(struct runners *r, const char *scope)
{
	return github_url_of_scope(r->github, scope);
}

/* -- calls ------------------------------------------------------------- */

int runners_github_token(struct runners *r, const struct ctx *ctx, runner_id id,
    enum github_token_kind kind, struct github_token *ret, struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};

	TRY(runner_need(r, id, &row, err));
	if (row.repository == NULL)
		return err_set(err, ERR_CONFLICT, "no_scope",
		    "%s is of no repository or organization: register it "
		    "with one",
		    row.name);
	if (github_token_new(r->github, ctx, row.repository, kind, ret, err) <
	    0)
		return upstream(err);
	return 0;
}

static int take_back(struct runners *r, const struct ctx *ctx,
    const struct runner *row, struct err *err)
{
	struct github_runner there;
	int found = github_runner_by_name(
	    r->github, ctx, row->repository, row->name, &there, err);

	if (found <= 0)
		return found;
	return github_runner_delete(
	    r->github, ctx, row->repository, there.id, err);
}

/* Without a token for GitHub the hub has registered none there. A GitHub that
 * is away must not keep a runner in our list: it forgets it in time. */
int runners_deregister(struct runners *r, const struct ctx *ctx,
    const struct runner *row, char note[300], struct err *err)
{
	if (row->repository == NULL || !github_has_token(r->github))
		return 0;
	if (take_back(r, ctx, row, err) == 0)
		return 0;
	if (strcmp(err->code, "github_busy") == 0)
		return -1;
	snprintf(note, 300,
	    "its registration at GitHub was not removed: %.240s", err->msg);
	err_clear(err);
	return 0;
}
