/*
 * The calls of github.h, each a path and what to read of its reply. The
 * caller's thread.
 */
#include "github/github.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "github/github_internal.h"

enum { PAGE = 100, PAGES_MAX = 100, PATH_BYTES = 512 };

/* -- the handle -------------------------------------------------------- */

int github_open(
    struct github **ret, const char *url, const char *token, struct err *err)
{
	return github_open_at(ret, url, NULL, token, err);
}

/* What github_open_at was given for the API, held to the rules of a site. */
static int take_api(struct github *g, const char *api, struct err *err)
{
	CLEANUP(mem_free) char *site = NULL;
	CLEANUP(mem_free) char *usual = NULL;
	CLEANUP(mem_free) char *origin = NULL;
	const char *authority = strstr(api, "://");
	size_t n = strlen(api);

	while (n > 0 && api[n - 1] == '/')
		n--;
	if (authority != NULL)
		origin = mem_strndup(api, (size_t)(authority - api) + 3 +
					      strcspn(authority + 3, "/"));
	TRY(github_split_site(
	    origin != NULL ? origin : api, &site, &usual, err));
	if (strpbrk(api, "?# \t\r\n") != NULL)
		return err_set(err, ERR_INVALID, "github_url",
		    "\"%.100s\" is not the address of GitHub's API", api);
	mem_free(g->api);
	g->api = mem_strndup(api, n);
	return 0;
}

int github_open_at(struct github **ret, const char *url, const char *api,
    const char *token, struct err *err)
{
	CLEANUP(github_close) struct github *g = mem_zalloc(sizeof(*g));

	mtx_init(&g->mtx, "github");
	g->budget = (struct github_budget){
	    .limit = -1, .remaining = -1, .reset_at = -1};
	g->etags = etags_new();
	TRY(github_split_site(url, &g->site, &g->api, err));
	if (api != NULL)
		TRY(take_api(g, api, err));
	g->peer = (struct web_peer){"github", "GitHub", g->api};
	if (token != NULL && strpbrk(token, "\r\n") != NULL)
		return err_set(err, ERR_INVALID, "github_no_token",
		    "GITHUB_TOKEN holds a line break: write it on one line");
	if (token != NULL)
		g->token = secret_new(token, strlen(token));
	*ret = STEAL(g);
	return 0;
}

void github_close(struct github *g)
{
	if (g == NULL)
		return;
	mem_free(g->site);
	mem_free(g->api);
	secret_free(g->token);
	etags_free(g->etags);
	github_apps_free(g->apps);
	mtx_fini(&g->mtx);
	mem_free(g);
}

bool github_has_token(const struct github *g)
{
	return g->token != NULL;
}

const char *github_api_url(const struct github *g)
{
	return g->api;
}

static int bad_reply(const struct github *g, const char *what, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "github_bad_reply",
	    "%s answered the request to %s with something that GitHub would "
	    "not send: is RUNNERHUB_GITHUB_URL right, or a proxy in between?",
	    g->api, what);
}

/* A 404 or 422 of these means: no access, or no such scope. */
static int call_2xx(struct github *g, const struct ctx *ctx,
    const struct github_call *call, json_t **ret, struct err *err)
{
	int status;

	TRY(github_call(g, ctx, call, &status, ret, err));
	if (status / 100 != 2) {
		json_decref(STEAL(*ret));
		return github_no_access(call, status, err);
	}
	return *ret != NULL ? 0 : bad_reply(g, call->what, err);
}

static int check_scope(const char *scope, struct err *err)
{
	if (github_scope_is_valid(scope))
		return 0;
	return err_set(err, ERR_INVALID, "github_scope",
	    "\"%.100s\" is neither owner/repository nor an organization",
	    scope);
}

/* -- tokens ------------------------------------------------------------ */

int github_token_new(struct github *g, const struct ctx *ctx, const char *scope,
    enum github_token_kind kind, struct github_token *ret, struct err *err)
{
	CLEANUP(github_json_free) json_t *body = NULL;
	CLEANUP(buf_fini) struct buf path = {.max = PATH_BYTES};
	const char *token, *expires;
	struct github_call call = {.method = "POST",
	    .scope = scope,
	    .what = kind == GITHUB_REGISTRATION ? "register runners"
						: "remove runners"};

	TRY(check_scope(scope, err));
	github_scope_path(scope, &path);
	IGNORE(buf_printf(&path, "/actions/runners/%s-token",
	    kind == GITHUB_REGISTRATION ? "registration" : "remove"));
	call.path = buf_str(&path);
	TRY(call_2xx(g, ctx, &call, &body, err));
	token = json_string_value(json_object_get(body, "token"));
	expires = json_string_value(json_object_get(body, "expires_at"));
	if (token == NULL || *token == '\0' ||
	    strlen(token) >= sizeof(ret->value))
		return bad_reply(g, call.what, err);
	snprintf(ret->value, sizeof(ret->value), "%s", token);
	snprintf(ret->expires_at, sizeof(ret->expires_at), "%s",
	    expires != NULL ? expires : "");
	return 0;
}

/* -- runners ----------------------------------------------------------- */

static int read_runner(const json_t *o, struct github_runner *ret)
{
	const json_t *id = json_object_get(o, "id");
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *os = json_string_value(json_object_get(o, "os"));
	const char *status = json_string_value(json_object_get(o, "status"));

	if (!json_is_integer(id) || name == NULL || status == NULL)
		return -1;
	*ret = (struct github_runner){.id = json_integer_value(id),
	    .online = strcmp(status, "online") == 0,
	    .busy = json_is_true(json_object_get(o, "busy")),
	    .ephemeral = json_is_true(json_object_get(o, "ephemeral"))};
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->os, sizeof(ret->os), "%s", os != NULL ? os : "");
	return 0;
}

static void list_path(
    const char *scope, const char *name, int page, struct buf *out)
{
	buf_clear(out);
	github_scope_path(scope, out);
	IGNORE(buf_printf(
	    out, "/actions/runners?per_page=%d&page=%d", PAGE, page));
	if (name == NULL)
		return;
	IGNORE(buf_append_str(out, "&name="));
	for (; *name != '\0'; name++)
		IGNORE(buf_printf(out, "%%%02X", (unsigned char)*name));
}

int github_runner_each(struct github *g, const struct ctx *ctx,
    const char *scope, const char *name,
    int (*cb)(void *arg, const struct github_runner *r, struct err *err),
    void *arg, struct err *err)
{
	CLEANUP(buf_fini) struct buf path = {.max = 4096};
	struct github_call call = {
	    .method = "GET", .scope = scope, .what = "list runners"};
	struct github_runner r;

	TRY(check_scope(scope, err));
	for (int page = 1; page <= PAGES_MAX; page++) {
		CLEANUP(github_json_free) json_t *body = NULL;
		const json_t *list, *item;
		size_t i;

		list_path(scope, name, page, &path);
		call.path = buf_str(&path);
		TRY(call_2xx(g, ctx, &call, &body, err));
		list = json_object_get(body, "runners");
		if (!json_is_array(list))
			return bad_reply(g, call.what, err);
		json_array_foreach(list, i, item)
		{
			if (read_runner(item, &r) < 0)
				return bad_reply(g, call.what, err);
			TRY(cb(arg, &r, err));
		}
		if (json_array_size(list) < PAGE)
			return 0;
	}
	return 0;
}

static void runner_path(const char *scope, int64_t id, struct buf *out)
{
	github_scope_path(scope, out);
	IGNORE(buf_printf(out, "/actions/runners/%lld", (long long)id));
}

int github_runner_get(struct github *g, const struct ctx *ctx,
    const char *scope, int64_t id, struct github_runner *ret, struct err *err)
{
	CLEANUP(github_json_free) json_t *body = NULL;
	CLEANUP(buf_fini) struct buf path = {.max = PATH_BYTES};
	struct github_call call = {
	    .method = "GET", .scope = scope, .what = "look at a runner"};
	int status;

	TRY(check_scope(scope, err));
	runner_path(scope, id, &path);
	call.path = buf_str(&path);
	TRY(github_call(g, ctx, &call, &status, &body, err));
	if (status == 404)
		return 0;
	if (status / 100 != 2)
		return github_no_access(&call, status, err);
	return read_runner(body, ret) == 0 ? 1 : bad_reply(g, call.what, err);
}

struct search {
	const char *name;
	struct github_runner *ret;
	bool found;
};

static int match_name(void *arg, const struct github_runner *r, struct err *err)
{
	struct search *s = arg;

	(void)err;
	if (!s->found && strcasecmp(r->name, s->name) == 0) {
		*s->ret = *r;
		s->found = true;
	}
	return 0;
}

/* A GitHub that does not know the parameter `name` lists all. */
int github_runner_by_name(struct github *g, const struct ctx *ctx,
    const char *scope, const char *name, struct github_runner *ret,
    struct err *err)
{
	struct search s = {.name = name, .ret = ret};

	TRY(github_runner_each(g, ctx, scope, name, match_name, &s, err));
	return s.found;
}

int github_runner_delete(struct github *g, const struct ctx *ctx,
    const char *scope, int64_t id, struct err *err)
{
	CLEANUP(github_json_free) json_t *body = NULL;
	CLEANUP(buf_fini) struct buf path = {.max = PATH_BYTES};
	struct github_call call = {
	    .method = "DELETE", .scope = scope, .what = "remove runners"};
	char words[200];
	int status;

	TRY(check_scope(scope, err));
	runner_path(scope, id, &path);
	call.path = buf_str(&path);
	TRY(github_call(g, ctx, &call, &status, &body, err));
	if (status / 100 == 2 || status == 404)
		return 0;
	github_words(body, words, sizeof(words));
	return err_set(err, ERR_CONFLICT, "github_busy",
	    "GitHub keeps runner %lld of %.120s: it runs a job (%.120s)",
	    (long long)id, scope, words);
}
