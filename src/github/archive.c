/*
 * The archive of a commit as a stream that is pulled: libcurl gives bytes
 * when we let it, and is paused while the buffer is full. See repository.h;
 * one thread.
 */
#include <string.h>

#include "base/mem.h"
#include "github/repository_internal.h"
#include "github/transfer.h"

enum {
	BUFFER = 1 << 20,
	PIECE = 256 * 1024, /* what curl gives at once, at most */
	WORDS_MAX = 64 * 1024,
	HOPS_MAX = 5,
	STALL_S = 30,
	STALL_BYTES = 100, /* a second */
};

struct github_archive {
	struct github *g;
	const struct ctx *ctx;
	struct transfer t;
	struct github_reply head; /* its body: of replies that are no archive */
	bool begun;               /* the head is complete */
	bool paused, over;
	CURLcode code;    /* once over */
	struct buf bytes; /* not yet read */
	size_t taken;     /* of them */
};

/* -- as curl calls us -------------------------------------------------- */

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct github_archive *a = arg;

	transfer_header(&a->head, data, size * n);
	if (size * n == 2 && data[0] == '\r') {
		a->head.status = transfer_status(&a->t);
		a->begun = a->head.status >= 200;
	}
	return size * n;
}

static size_t on_bytes(char *data, size_t size, size_t n, void *arg)
{
	struct github_archive *a = arg;

	if (a->head.status != 200)
		return buf_append(&a->head.body, data, size * n) == 0 ? size * n
								      : 0;
	if (buf_append(&a->bytes, data, size * n) == 0)
		return size * n;
	a->bytes.overflow = false;
	a->paused = true;
	return CURL_WRITEFUNC_PAUSE;
}

/* -- moving it --------------------------------------------------------- */

static int ended(struct github_archive *a, struct err *err)
{
	if (a->code == CURLE_OK || (a->head.status != 200 && a->begun))
		return 0;
	if (a->code == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, ERR_UNAVAILABLE, "GIT_OPERATION_FAILED",
		    "the download from %s stands still: try again", a->g->site);
	IGNORE(transfer_fail(a->g, a->code, a->t.words, err) < 0);
	return repository_rename_error(err);
}

/* A step; waits for one where nothing can be done at once. */
static int step(struct github_archive *a, struct err *err)
{
	int running = 0;

	TRY(ctx_check(a->ctx, err));
	if (a->paused) {
		a->paused = false;
		github_curl.easy_pause(a->t.c, CURLPAUSE_CONT);
	}
	if (github_curl.multi_perform(a->t.m, &running) == CURLM_OK &&
	    running > 0) {
		if (a->bytes.len == 0 && !a->paused)
			transfer_wait(&a->t, a->ctx);
		return 0;
	}
	a->over = true;
	a->code = transfer_result(&a->t);
	return ended(a, err);
}

static int begin(
    struct github_archive *a, const char *url, bool foreign, struct err *err)
{
	const struct github_request request = {
	    .method = "GET", .url = url, .foreign = foreign};

	transfer_end(&a->t);
	github_reply_reset(&a->head, WORDS_MAX);
	buf_clear(&a->bytes);
	a->begun = a->paused = a->over = false;
	TRY(transfer_begin(&a->t, a->g, &request, err));
	github_curl.easy_setopt(a->t.c, CURLOPT_BUFFERSIZE, (long)PIECE);
	github_curl.easy_setopt(
	    a->t.c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
	github_curl.easy_setopt(a->t.c, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
	github_curl.easy_setopt(a->t.c, CURLOPT_WRITEFUNCTION, on_bytes);
	github_curl.easy_setopt(a->t.c, CURLOPT_WRITEDATA, a);
	github_curl.easy_setopt(a->t.c, CURLOPT_HEADERFUNCTION, on_header);
	github_curl.easy_setopt(a->t.c, CURLOPT_HEADERDATA, a);
	while (!a->begun && !a->over)
		TRY(step(a, err));
	/* The words of a refusal. */
	while (a->head.status != 200 && !a->over)
		TRY(step(a, err));
	if (!foreign)
		github_budget_note(a->g, &a->head);
	return 0;
}

/* -- opening ----------------------------------------------------------- */

struct opening {
	struct github_archive *a;
	struct repository_call call;
	const char *sha;
};

static int follow(struct opening *o, struct err *err)
{
	struct github_archive *a = o->a;
	CLEANUP(mem_free)
	char *url = mem_printf("%s%s", a->g->api, o->call.path);
	bool foreign = false;

	for (int hop = 0; hop < HOPS_MAX; hop++) {
		char *next;

		TRY(begin(a, url, foreign, err));
		if (a->head.status / 100 != 3)
			return 0;
		TRY(github_redirect(
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

int github_archive_open(struct github *g, const struct ctx *ctx,
    const char *repo, const char *sha, struct github_archive **ret,
    struct err *err)
{
	CLEANUP(github_archive_close)
	struct github_archive *a = mem_zalloc(sizeof(*a));
	CLEANUP(github_reply_fini) struct github_reply r = {0};
	CLEANUP(mem_free) char *path = NULL;
	struct opening o = {.a = a,
	    .sha = sha,
	    .call = {.repo = repo, .what = "download the source"}};

	a->g = g;
	a->ctx = ctx;
	buf_init(&a->bytes, BUFFER);
	TRY(repository_path(repo, "/tarball/", sha, &path, err));
	o.call.path = path;
	TRY(github_repeat(ctx, open_once, &o, &r, err));
	*ret = STEAL(a);
	return 0;
}

void github_archive_close(struct github_archive *a)
{
	if (a == NULL)
		return;
	transfer_end(&a->t);
	github_reply_fini(&a->head);
	buf_fini(&a->bytes);
	mem_free(a);
}

int64_t github_archive_size(const struct github_archive *a)
{
	curl_off_t n = -1;

	github_curl.easy_getinfo(
	    a->t.c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &n);
	return n;
}

int64_t github_archive_read(
    struct github_archive *a, void *into, size_t max, struct err *err)
{
	size_t left;

	if (a->taken == a->bytes.len) {
		buf_clear(&a->bytes);
		a->taken = 0;
	}
	while (a->bytes.len == 0 && !a->over)
		TRY(step(a, err));
	left = a->bytes.len - a->taken;
	if (left < max)
		max = left;
	if (max > 0) /* nothing ever came: there is no buffer */
		memcpy(into, a->bytes.data + a->taken, max);
	a->taken += max;
	return (int64_t)max;
}
