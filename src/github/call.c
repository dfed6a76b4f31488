/*
 * A call that is repeated where that helps (a reply that did not come, 5xx, a
 * rate limit that ends soon) and judged: refusals become words that say what
 * to do. Every call of this layer may be repeated without harm.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/uuid.h"
#include "github/github_internal.h"

enum {
	TRIES = 4,
	BACKOFF_MS = 500,     /* doubles, and up to half as much again */
	RATE_WAIT_MAX_S = 60, /* a longer wait is the caller's business */
	RATE_DEFAULT_S = 60,  /* when GitHub does not say how long */
	JSON_LEVELS_MAX = 16,
};

/* -- what a reply means ------------------------------------------------ */

void github_words(const json_t *body, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(body, "message"));
	size_t n = 0;

	for (; text != NULL && *text != '\0' && n + 1 < size; text++)
		if ((unsigned char)*text >= 0x20 && *text != 0x7f)
			out[n++] = *text;
	out[n] = '\0';
}

json_t *github_parse(const struct buf *body)
{
	if (body->len == 0 ||
	    parse_json_depth(body->data, body->len, JSON_LEVELS_MAX) < 0)
		return NULL;
	return json_loadb(body->data, body->len, JSON_REJECT_DUPLICATES, NULL);
}

bool github_is_limited(const struct github_reply *r, const char *words)
{
	return r->status == 429 ||
	       (r->status == 403 &&
		   (r->retry_after_s >= 0 || r->remaining == 0 ||
		       strstr(words, "rate limit") != NULL));
}

int64_t github_rate_wait(const struct github_reply *r)
{
	int64_t until;

	if (r->retry_after_s >= 0)
		return r->retry_after_s;
	until = r->reset_at - clock_wall_ns() / CLOCK_NS_PER_S;
	if (r->remaining == 0 && r->reset_at >= 0)
		return until > 0 ? until + 1 : 1;
	return RATE_DEFAULT_S;
}

static const char *permission(const char *scope)
{
	if (strncmp(scope, "enterprises/", 12) == 0)
		return "a classic token with manage_runners:enterprise";
	if (strchr(scope, '/') != NULL)
		return "a classic token with \"repo\", or a fine-grained one "
		       "with repository permission \"Administration\": write";
	return "a classic token with \"admin:org\", or a fine-grained one "
	       "with organization permission \"Self-hosted runners\": write";
}

int github_no_access(
    const struct github_call *call, int status, struct err *err)
{
	return err_set(err, ERR_FORBIDDEN, "github_no_access",
	    "GitHub does not let GITHUB_TOKEN %s of %.120s (%d): either that "
	    "does not exist, or the token lacks access; it must be %s",
	    call->what, call->scope, status, permission(call->scope));
}

static int judge(const struct github *g, const struct github_call *call,
    const struct github_reply *r, const char *words, struct err *err)
{
	if (r->limited)
		return err_set(err, ERR_UNAVAILABLE, "github_rate_limited",
		    "GitHub's rate limit is used up: it may be asked again "
		    "in %lld s",
		    (long long)github_rate_wait(r));
	switch (r->status) {
	case 401:
		return err_set(err, ERR_AUTH, "github_bad_token",
		    "GitHub refuses GITHUB_TOKEN (401 %.80s): it is wrong, "
		    "expired or revoked; make a new one",
		    words);
	case 403:
		return github_no_access(call, r->status, err);
	case 409:
		return err_set(err, ERR_CONFLICT, "github_conflict",
		    "GitHub could not %s of %.120s: %.160s", call->what,
		    call->scope, *words != '\0' ? words : "conflict");
	default:
		break;
	}
	if (r->status >= 500)
		return err_set(err, ERR_UNAVAILABLE, "github_down",
		    "%s answers %d: GitHub has a problem, try again later",
		    g->api, r->status);
	return err_set(err, ERR_INVALID, "github_refused",
	    "%s answers %d to the request to %s of %.100s: %.120s (is "
	    "RUNNERHUB_GITHUB_URL the address of a GitHub?)",
	    g->api, r->status, call->what, call->scope, words);
}

/* -- once, and again --------------------------------------------------- */

/* How long to wait before the next try; -1: that would not help. */
static int64_t pause_ms(
    const struct github_reply *r, const struct err *err, int tries)
{
	unsigned char noise;

	if (err->kind != ERR_UNAVAILABLE)
		return -1;
	if (r->limited)
		return github_rate_wait(r) <= RATE_WAIT_MAX_S
			   ? github_rate_wait(r) * 1000
			   : -1;
	random_bytes(&noise, sizeof(noise));
	return ((int64_t)BACKOFF_MS << tries) * (512 + noise) / 512;
}

static bool fits(const struct ctx *ctx, int64_t ms)
{
	return ctx->deadline_ns == CLOCK_NO_DEADLINE ||
	       clock_mono_ns() + ms * CLOCK_NS_PER_MS < ctx->deadline_ns;
}

int github_repeat(const struct ctx *ctx,
    int (*once)(void *arg, struct github_reply *r, struct err *err), void *arg,
    struct github_reply *r, struct err *err)
{
	struct err interrupted = ERR_INIT;
	int64_t ms;

	for (int tries = 0;; tries++) {
		err_clear(err);
		r->limited = false;
		if (once(arg, r, err) == 0)
			return 0;
		ms = pause_ms(r, err, tries);
		if (tries + 1 >= TRIES || ms < 0 || !fits(ctx, ms) ||
		    ctx_sleep(ctx, ms, &interrupted) < 0)
			return -1;
	}
}

struct attempt {
	struct github *g;
	const struct ctx *ctx;
	const struct github_call *call;
	json_t **ret_body;
};

static int once(void *arg, struct github_reply *r, struct err *err)
{
	struct attempt *a = arg;
	CLEANUP(mem_free)
	char *url = mem_printf("%s%s", a->g->api, a->call->path);
	char words[200];

	TRY(github_exchange(a->g, a->ctx,
	    &(struct github_request){
		.method = a->call->method, .url = url, .bearer = a->g->token},
	    r, err));
	*a->ret_body = github_parse(&r->body);
	if (r->status / 100 == 2 || r->status == 404 || r->status == 422)
		return 0;
	github_words(*a->ret_body, words, sizeof(words));
	json_decref(STEAL(*a->ret_body));
	r->limited = github_is_limited(r, words);
	return judge(a->g, a->call, r, words, err);
}

int github_call(struct github *g, const struct ctx *ctx,
    const struct github_call *call, int *ret_status, json_t **ret_body,
    struct err *err)
{
	CLEANUP(github_reply_fini) struct github_reply r = {0};
	struct attempt attempt = {g, ctx, call, ret_body};

	if (g->token == NULL)
		return err_set(err, ERR_INVALID, "github_no_token",
		    "the hub has no access to GitHub: set GITHUB_TOKEN (or "
		    "GITHUB_TOKEN_FILE)");
	TRY(github_repeat(ctx, once, &attempt, &r, err));
	*ret_status = r.status;
	return 0;
}
