/*
 * What a repository is asked about with: a token of an app that is installed
 * there, else the handle's own. See app.h. Called for each question by
 * repository_call.c and archive.c, in their threads.
 */
#include "github/app.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "github/repository_internal.h"
#include "web/jwt.h"

enum {
	KEPT_MAX = 64,
	MARGIN_S = 300,    /* before a token ends, a new one is made */
	NONE_S = 60,       /* that no app is installed is believed so long */
	JWT_BACK_S = 60,   /* our clock may be ahead of GitHub's */
	JWT_AHEAD_S = 540, /* GitHub takes ten minutes at most, all told */
	TOKEN_MAX_LEN = 1024,
};

struct app {
	char *id;
	struct secret *pem; /* read for each token: an hour lies between */
	int64_t installation;
	char **owners; /* ends with NULL; NULL: anybody */
};
/* What a repository is asked about with. */
struct kept {
	char *repo;
	struct secret *token; /* NULL: no app is installed there */
	int64_t until_s;      /* wall */
};
struct github_apps {
	struct app v[GITHUB_APPS_MAX]; /* not changed once open */
	size_t n;
	struct mtx mtx;
	struct kept kept[KEPT_MAX]; /* guarded by mtx */
	size_t kept_n;
};

static int64_t now_s(void)
{
	return clock_wall_ns() / CLOCK_NS_PER_S;
}

/* -- opening ------------------------------------------------------------- */

static char **copy_list(const char *const *list)
{
	size_t n = 0;
	char **made;

	if (list == NULL)
		return NULL;
	while (list[n] != NULL)
		n++;
	made = mem_calloc(n + 1, sizeof(*made));
	for (size_t i = 0; i < n; i++)
		made[i] = mem_strdup(list[i]);
	return made;
}

/* A number or a client id: it goes into a token and into messages. */
static bool is_id(const char *id)
{
	size_t n = strlen(id);

	return n > 0 && n <= 80 &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n;
}

static int take_app(
    struct app *a, const struct github_app *app, struct err *err)
{
	if (!is_id(app->id))
		return err_set(err, ERR_INVALID, "github_app_key",
		    "\"%.80s\" is no id of a GitHub App", app->id);
	a->id = mem_strdup(app->id);
	a->installation = app->installation;
	a->owners = copy_list(app->owners);
	a->pem = secret_new(app->key, strlen(app->key));
	if (jwt_key_look(a->pem, err) == 0)
		return 0;
	if (err->kind == ERR_INVALID)
		memcpy(err->code, "github_app_key", sizeof("github_app_key"));
	return err_wrap(err, "the private key of GitHub App %.80s", app->id);
}

int github_open_apps(struct github **ret, const char *url, const char *api,
    const struct github_app *apps, size_t n, const char *token, struct err *err)
{
	CLEANUP(github_close) struct github *g = NULL;

	if (n > GITHUB_APPS_MAX)
		return err_set(err, ERR_LIMIT, "github_app_key",
		    "%s has %zu GitHub Apps: at most %d", url, n,
		    GITHUB_APPS_MAX);
	TRY(github_open_at(&g, url, api, token, err));
	if (n > 0) {
		g->apps = mem_zalloc(sizeof(*g->apps));
		mtx_init(&g->apps->mtx, "github apps");
	}
	for (size_t i = 0; i < n; i++) {
		g->apps->n++; /* it is freed, whatever comes */
		TRY(take_app(&g->apps->v[i], &apps[i], err));
	}
	*ret = STEAL(g);
	return 0;
}

static void kept_fini(struct kept *k)
{
	mem_free(k->repo);
	secret_free(k->token);
}

void github_apps_free(struct github_apps *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->n; i++) {
		struct app *app = &a->v[i];

		mem_free(app->id);
		secret_free(app->pem);
		for (size_t k = 0;
		     app->owners != NULL && app->owners[k] != NULL; k++)
			mem_free(app->owners[k]);
		mem_free(app->owners);
	}
	for (size_t i = 0; i < a->kept_n; i++)
		kept_fini(&a->kept[i]);
	mtx_fini(&a->mtx);
	mem_free(a);
}

/* -- what is kept -------------------------------------------------------- */

static struct kept *find_locked(struct github_apps *a, const char *repo)
{
	mtx_assert_held(&a->mtx);
	for (size_t i = 0; i < a->kept_n; i++)
		if (strcasecmp(a->kept[i].repo, repo) == 0)
			return &a->kept[i];
	return NULL;
}

static bool get_kept(
    struct github_apps *a, const char *repo, struct secret **ret)
{
	struct kept *found;
	bool good;

	mtx_lock(&a->mtx);
	found = find_locked(a, repo);
	good = found != NULL && found->until_s > now_s();
	if (good)
		*ret = found->token != NULL ? secret_copy(found->token) : NULL;
	mtx_unlock(&a->mtx);
	return good;
}

static void remove_locked(struct github_apps *a, struct kept *k)
{
	mtx_assert_held(&a->mtx);
	kept_fini(k);
	*k = a->kept[--a->kept_n];
}

static void keep(struct github_apps *a, const char *repo,
    const struct secret *token, int64_t until_s)
{
	struct kept *old, *first;

	mtx_lock(&a->mtx);
	old = find_locked(a, repo);
	if (old != NULL)
		remove_locked(a, old);
	first = &a->kept[0];
	for (size_t i = 1; i < a->kept_n; i++)
		if (a->kept[i].until_s < first->until_s)
			first = &a->kept[i];
	if (a->kept_n == KEPT_MAX)
		remove_locked(a, first);
	a->kept[a->kept_n++] = (struct kept){.repo = mem_strdup(repo),
	    .token = token != NULL ? secret_copy(token) : NULL,
	    .until_s = until_s};
	mtx_unlock(&a->mtx);
}

bool github_bearer_refused(struct github *g, const char *repo)
{
	struct kept *found;
	bool was = false;

	if (g->apps == NULL)
		return false;
	mtx_lock(&g->apps->mtx);
	found = find_locked(g->apps, repo);
	if (found != NULL) {
		was = found->token != NULL;
		remove_locked(g->apps, found);
	}
	mtx_unlock(&g->apps->mtx);
	return was;
}

/* -- a token from GitHub --------------------------------------------------- */

struct making {
	struct github *g;
	const struct ctx *ctx;
	const struct app *app;
	const char *repo;
	struct secret *jwt; /* we are the app */
};

static int make_jwt(struct making *m, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = JWT_BYTES_MAX};
	CLEANUP(jwt_key_free) struct jwt_key *key = NULL;
	CLEANUP(github_json_free)
	json_t *claims = json_pack("{s:I,s:I,s:s}", "iat",
	    (json_int_t)(now_s() - JWT_BACK_S), "exp",
	    (json_int_t)(now_s() + JWT_AHEAD_S), "iss", m->app->id);

	if (jwt_key_open(&key, m->app->pem, err) < 0)
		return err_wrap(
		    err, "the private key of GitHub App %.80s", m->app->id);
	TRY(jwt_sign_rs256(key, claims, &text, err));
	m->jwt = secret_new(text.data, text.len);
	return 0;
}

static int bad_reply(const struct making *m, const char *what, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "GIT_OPERATION_FAILED",
	    "%s answered the request to %s with something that GitHub would "
	    "not send",
	    m->g->api, what);
}

/* Where the app is installed for the repository: 1; 0: it is not. */
static int find_installation(
    const struct making *m, int64_t *ret, struct err *err)
{
	CLEANUP(github_reply_fini) struct github_reply r = {0};
	CLEANUP(github_json_free) json_t *body = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct repository_call call = {.repo = m->repo,
	    .bearer = m->jwt,
	    .what = "look for the installation of the app"};

	*ret = m->app->installation;
	if (*ret > 0)
		return 1;
	TRY(repository_path(m->repo, "/installation", "", &path, err));
	call.path = path;
	TRY(repository_call(m->g, m->ctx, &call, &r, err));
	if (r.status != 200)
		return 0;
	body = github_parse(&r.body);
	*ret = json_integer_value(json_object_get(body, "id"));
	return *ret > 0 ? 1 : bad_reply(m, call.what, err);
}

static int take_token(const struct making *m, const struct github_reply *r,
    struct secret **ret, int64_t *ret_until_s, struct err *err)
{
	CLEANUP(github_json_free) json_t *body = github_parse(&r->body);
	const char *token = json_string_value(json_object_get(body, "token"));
	const char *expires =
	    json_string_value(json_object_get(body, "expires_at"));
	int64_t at_ns;
	size_t n = token != NULL ? strlen(token) : 0;

	if (n == 0 || n > TOKEN_MAX_LEN || strpbrk(token, " \t\r\n") != NULL ||
	    expires == NULL || clock_parse_iso(expires, &at_ns) < 0)
		return bad_reply(m, "make a token of the app", err);
	*ret = secret_new(token, n);
	*ret_until_s = at_ns / CLOCK_NS_PER_S - MARGIN_S;
	return 0;
}

/* wish: which repository, what for. 1; 0: GitHub refuses that wish (422),
 * whose words are in r. */
static int ask_token(const struct making *m, int64_t installation,
    const char *wish, struct github_reply *r, struct err *err)
{
	CLEANUP(mem_free)
	char *path = mem_printf(
	    "/app/installations/%lld/access_tokens", (long long)installation);
	const struct repository_call call = {.repo = m->repo,
	    .path = path,
	    .method = "POST",
	    .body = wish,
	    .bearer = m->jwt,
	    .what = "make a token of the app"};

	TRY(repository_call(m->g, m->ctx, &call, r, err));
	if (r->status == 404)
		return err_set(err, ERR_FORBIDDEN, "GIT_AUTHENTICATION_FAILED",
		    "%s knows no installation %lld of GitHub App %.80s: was it "
		    "removed from the account of %.120s?",
		    m->g->site, (long long)installation, m->app->id, m->repo);
	return r->status / 100 == 2;
}

static int make_token(const struct making *m, int64_t installation,
    struct secret **ret, int64_t *ret_until_s, struct err *err)
{
	static const char any[] = "{\"permissions\":{\"contents\":\"read\"}}";
	CLEANUP(github_reply_fini) struct github_reply r = {0};
	CLEANUP(mem_free)
	char *one = mem_printf("{\"repositories\":[\"%s\"],\"permissions\":"
			       "{\"contents\":\"read\"}}",
	    strchr(m->repo, '/') + 1);
	int made = ask_token(m, installation, one, &r, err);
	char words[160];
	json_t *body;

	/* A renamed one has another name by now. */
	if (made == 0)
		made = ask_token(m, installation, any, &r, err);
	TRY(made);
	if (made > 0)
		return take_token(m, &r, ret, ret_until_s, err);
	body = github_parse(&r.body);
	github_words(body, words, sizeof(words));
	json_decref(body);
	return err_set(err, ERR_FORBIDDEN, "GIT_AUTHENTICATION_FAILED",
	    "%s makes no token of GitHub App %.80s for %.120s (%.120s): the "
	    "app needs repository permission \"Contents\": read",
	    m->g->site, m->app->id, m->repo, words);
}

/* 1; 0: the app is not installed there. */
static int token_of(struct github *g, const struct ctx *ctx,
    const struct app *app, const char *repo, struct secret **ret,
    int64_t *ret_until_s, struct err *err)
{
	struct making m = {.g = g, .ctx = ctx, .app = app, .repo = repo};
	int64_t installation;
	int done;

	TRY(make_jwt(&m, err));
	done = find_installation(&m, &installation, err);
	if (done > 0 && make_token(&m, installation, ret, ret_until_s, err) < 0)
		done = -1;
	secret_free(m.jwt);
	return done;
}

/* -- what to ask with ------------------------------------------------------ */

static bool is_for(const struct app *app, const char *repo)
{
	size_t n = strcspn(repo, "/");

	if (app->owners == NULL)
		return true;
	for (size_t i = 0; app->owners[i] != NULL; i++)
		if (strlen(app->owners[i]) == n &&
		    strncasecmp(app->owners[i], repo, n) == 0)
			return true;
	return false;
}

int github_bearer(struct github *g, const struct ctx *ctx, const char *repo,
    struct secret **ret, struct err *err)
{
	struct github_apps *a = g->apps;
	int64_t until_s = now_s() + NONE_S;
	int made = 0;

	*ret = NULL;
	if (a != NULL && !get_kept(a, repo, ret)) {
		for (size_t i = 0; made == 0 && i < a->n; i++)
			if (is_for(&a->v[i], repo))
				made = token_of(
				    g, ctx, &a->v[i], repo, ret, &until_s, err);
		TRY(made);
		keep(a, repo, *ret, until_s);
	}
	if (*ret == NULL && g->token != NULL)
		*ret = secret_copy(g->token);
	return 0;
}
