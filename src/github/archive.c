/*
 * The archive of a commit as a stream: a question to the API, the redirect to
 * where archives lie, where the token does not go, and what comes from there.
 * See repository.h; one thread.
 */
#include "base/mem.h"
#include "github/repository_internal.h"

enum { WORDS_MAX = 64 * 1024, HOPS_MAX = 5 };

struct github_archive {
	struct github *g;
	struct github_reply head; /* its body: of replies that are no archive */
	struct web_stream *stream;
};

/* -- opening ----------------------------------------------------------- */

struct opening {
	struct github_archive *a;
	const struct ctx *ctx;
	struct repository_call call;
	const char *sha;
	struct secret *bearer; /* NULL: none */
};

/* bearer: NULL where it leads to another host. */
static int begin(struct opening *o, const char *url,
    const struct secret *bearer, struct err *err)
{
	struct github_archive *a = o->a;
	CLEANUP(github_send_end) struct github_send send = {0};
	const struct github_request request = {
	    .method = "GET", .url = url, .bearer = bearer};

	web_stream_close(STEAL(a->stream));
	github_reply_reset(&a->head, WORDS_MAX);
	github_send_begin(&send, &request, &a->head);
	if (web_stream_open(&a->g->peer, o->ctx, &send.web, &a->head.status,
		&a->head.body, &a->stream, err) < 0)
		return repository_rename_error(err);
	return 0;
}

/* The API's answer, or what it redirects to. */
static int follow(struct opening *o, struct err *err)
{
	struct github_archive *a = o->a;
	CLEANUP(mem_free)
	char *url = mem_printf("%s%s", a->g->api, o->call.path);
	bool foreign = false;

	for (int hop = 0; hop < HOPS_MAX; hop++) {
		char *next;

		TRY(begin(o, url, foreign ? NULL : o->bearer, err));
		if (!foreign)
			github_budget_note(a->g, &a->head);
		if (a->head.status / 100 != 3)
			return 0;
		TRY(repository_redirect(
		    a->g, url, a->head.location, &next, &foreign, err));
		mem_free(url);
		url = next;
	}
	return err_set(err, ERR_INVALID, "GIT_OPERATION_FAILED",
	    "%s sends us from place to place for the archive of %.120s",
	    a->g->site, o->call.repo);
}

static int open_once(void *arg, struct github_reply *r, struct err *err)
{
	struct opening *o = arg;
	struct github_archive *a = o->a;
	int judged;

	TRY(repository_may_ask(a->g, &o->call, r, err));
	TRY(follow(o, err));
	judged = repository_judge(a->g, &o->call, &a->head, err);
	r->limited = a->head.limited;
	r->retry_after_s = a->head.retry_after_s;
	r->remaining = a->head.remaining;
	r->reset_at = a->head.reset_at;
	TRY(judged);
	if (a->head.status == 200)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "REF_NOT_FOUND",
	    "%s has no archive of %.120s at %.64s (%d): was it removed a "
	    "moment ago?",
	    a->g->site, o->call.repo, o->sha, a->head.status);
}

static int sign_in(struct opening *o, struct err *err)
{
	secret_free(STEAL(o->bearer));
	return github_bearer(o->a->g, o->ctx, o->call.repo, &o->bearer, err);
}

static int open_signed(struct opening *o, struct err *err)
{
	CLEANUP(github_reply_fini) struct github_reply r = {0};

	TRY(sign_in(o, err));
	if (github_repeat(o->ctx, open_once, o, &r, err) == 0)
		return 0;
	/* A token of an app that has ended before its time? */
	if (o->a->head.status != 401 ||
	    !github_bearer_refused(o->a->g, o->call.repo))
		return -1;
	err_clear(err);
	TRY(sign_in(o, err));
	return github_repeat(o->ctx, open_once, o, &r, err);
}

int github_archive_open(struct github *g, const struct ctx *ctx,
    const char *repo, const char *sha, struct github_archive **ret,
    struct err *err)
{
	CLEANUP(github_archive_close)
	struct github_archive *a = mem_zalloc(sizeof(*a));
	CLEANUP(mem_free) char *path = NULL;
	struct opening o = {.a = a,
	    .ctx = ctx,
	    .sha = sha,
	    .call = {.repo = repo, .what = "download the source"}};
	int opened;

	a->g = g;
	TRY(repository_path(repo, "/tarball/", sha, &path, err));
	o.call.path = path;
	opened = open_signed(&o, err);
	secret_free(o.bearer);
	TRY(opened);
	*ret = STEAL(a);
	return 0;
}

void github_archive_close(struct github_archive *a)
{
	if (a == NULL)
		return;
	web_stream_close(a->stream);
	github_reply_fini(&a->head);
	mem_free(a);
}

/* -- reading ----------------------------------------------------------- */

int64_t github_archive_size(const struct github_archive *a)
{
	return web_stream_size(a->stream);
}

int64_t github_archive_read(
    struct github_archive *a, void *into, size_t max, struct err *err)
{
	int64_t n = web_stream_read(a->stream, into, max, err);

	return n >= 0 ? n : repository_rename_error(err);
}
