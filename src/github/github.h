/*
 * GitHub's REST API as far as self-hosted runners need it: tokens for
 * config.sh, and the list of registered runners; reading repositories is in
 * repository.h, with the same handle. Blocking calls; a handle
 * may be used by several threads. The access token goes to the configured
 * host only, over TLS with verification (plain http: loopback only), and
 * into no message. Redirects are not followed. Source: GitHub REST API
 * reference, "Self-hosted runners" (docs.github.com), 2022-11-28.
 *
 * Errors say what to do. Codes: github_no_token, github_bad_token (AUTH),
 * github_no_access (FORBIDDEN), github_rate_limited (UNAVAILABLE, with when
 * to come back), github_busy (CONFLICT: a job runs on it), github_conflict,
 * github_refused (INVALID), github_down (UNAVAILABLE), github_bad_reply,
 * github_untrusted (FORBIDDEN: the certificate).
 */
#ifndef GITHUB_GITHUB_H
#define GITHUB_GITHUB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"

struct github;

/* url: of the web site, "https://github.com", "https://ghes.example",
 * "https://tenant.ghe.com". token: NULL: every call says github_no_token.
 * Both copied. Does not connect. */
int github_open(struct github **ret, const char *url, const char *token,
    struct err *err) MUST_CHECK;
/* With an API that is not where it usually is ("https://proxy.example/gh");
 * api NULL: as github_open. The host of a redirect gets the token only when
 * it is that of the API. */
int github_open_at(struct github **ret, const char *url, const char *api,
    const char *token, struct err *err) MUST_CHECK;
void github_close(struct github *g);
DEFINE_CLEANUP(struct github *, github_close);
bool github_has_token(const struct github *g);
/* "https://api.github.com", for messages. */
const char *github_api_url(const struct github *g);

/* How much GitHub lets us ask, as its last replies said. Times are wall
 * seconds. Any thread. */
struct github_budget {
	int64_t limit, remaining, reset_at; /* -1: not said yet */
	int64_t blocked_until;    /* it refused: no request before; 0: none */
	int64_t asked, unchanged; /* requests; those answered 304 (free) */
};
void github_budget(struct github *g, struct github_budget *ret);

/*
 * A scope is where runners are registered: "owner/repo", "organization" or
 * "enterprises/slug". What config.sh calls its --url is the site's URL, a
 * slash, and the scope.
 */
bool github_scope_is_valid(const char *scope);
/* The scope of a --url of this GitHub; mem_free. */
int github_scope_of_url(const struct github *g, const char *url,
    char **ret_scope, struct err *err) MUST_CHECK;
char *github_url_of_scope(const struct github *g, const char *scope);

/* -- tokens for config.sh, good for an hour ---------------------------- */
enum github_token_kind { GITHUB_REGISTRATION = 1, GITHUB_REMOVE };
struct github_token {
	char value[256];
	char expires_at[40]; /* as GitHub writes it */
};
/* ret: to wipe (secret_wipe). */
int github_token_new(struct github *g, const struct ctx *ctx, const char *scope,
    enum github_token_kind kind, struct github_token *ret,
    struct err *err) MUST_CHECK;

/* -- registered runners ------------------------------------------------ */
struct github_runner {
	int64_t id;
	char name[80];
	char os[32];
	bool online, busy, ephemeral;
};
/* cb for each, of all pages; name NULL: all. -1 from cb ends the list with
 * its error. At most 10000. */
int github_runner_each(struct github *g, const struct ctx *ctx,
    const char *scope, const char *name,
    int (*cb)(void *arg, const struct github_runner *r, struct err *err),
    void *arg, struct err *err) MUST_CHECK;
/* 1 found, 0 none, -1 error. */
int github_runner_get(struct github *g, const struct ctx *ctx,
    const char *scope, int64_t id, struct github_runner *ret,
    struct err *err) MUST_CHECK;
/* Of that very name (case does not count): 1, 0, -1. */
int github_runner_by_name(struct github *g, const struct ctx *ctx,
    const char *scope, const char *name, struct github_runner *ret,
    struct err *err) MUST_CHECK;
/* Gone already is fine. CONFLICT "github_busy" while it runs a job. */
int github_runner_delete(struct github *g, const struct ctx *ctx,
    const char *scope, int64_t id, struct err *err) MUST_CHECK;

#endif
