/* What the files of the Vault client share. */
#ifndef SECRETS_VAULT_INTERNAL_H
#define SECRETS_VAULT_INTERNAL_H

#include <jansson.h>
#include <pthread.h>

#include "base/secret.h"
#include "base/thread.h"
#include "secrets/vault.h"
#include "web/web.h"

enum {
	VAULT_CACHE_MAX = 256,
	VAULT_REPLY_MAX = 1 << 20,
	VAULT_PATH_MAX = 512,
	VAULT_PROBE_MS = 30000, /* how often it is looked after when idle */
};

/* A secret as Vault gave it. */
struct vault_entry {
	char path[VAULT_PATH_MAX + 1]; /* "": free */
	struct secret *fields;         /* JSON object text */
	struct secret_rule rule;
	int64_t read_at, used_at; /* mono ns */
};

#define VAULT_MAGIC 0x5661756cu
struct vault {
	unsigned magic;
	const struct options *options;
	char base[280]; /* the address without a "/" at its end */
	struct web_peer peer;
	struct cancel stop;
	pthread_t keeper;
	bool has_keeper;

	struct mtx mtx;
	struct cond turned; /* whose turn it is, or there is something to do */
	/* guarded by mtx */
	bool
	    talking; /* somebody has the turn: only they use what is below it */
	bool stopping;
	struct vault_state now;
	int64_t silent_until; /* mono ns: failed just now, not asked before */
	int64_t silence_ms;   /* doubles with each failure */
	struct err failed;    /* what is said meanwhile */
	int64_t renew_at;     /* mono ns; CLOCK_NO_DEADLINE: never */
	struct vault_entry *cache; /* VAULT_CACHE_MAX of them */

	/* of whoever has the turn */
	struct secret *token; /* NULL: not logged in */
	int64_t token_until;  /* mono ns; CLOCK_NO_DEADLINE: no end */
	bool renewable;
	const char *hint; /* the state that an error means; NULL: "down" */
};

/* -- vault_call.c: one request ----------------------------------------- */
struct vault_reply {
	int status;
	json_t *body; /* NULL: none, or no JSON */
};
void vault_reply_fini(struct vault_reply *r); /* wipes its texts */
static inline void vault_reply_fini_guard(struct vault_reply *r)
{
	vault_reply_fini(r);
}
/* With the turn. path: "/v1/...". A reply of any status, or ERR_UNAVAILABLE
 * "vault_unavailable". */
int vault_call(struct vault *v, const struct ctx *ctx, const char *method,
    const char *path, const json_t *body, struct vault_reply *ret,
    struct err *err) MUST_CHECK;
/* Is it a status that says "not now"? Then ERR_UNAVAILABLE in words. */
bool vault_is_away(struct vault *v, int status, struct err *err);

/* -- vault_login.c: the token ------------------------------------------ */
/* With the turn: there is a token that is good, as far as we know. */
int vault_login(
    struct vault *v, const struct ctx *ctx, struct err *err) MUST_CHECK;
/* With the turn: Vault took offence at the token: is it void? 1: there is a
 * new one, try again; 0: it is good, the refusal is the policy's; -1. */
int vault_login_again(
    struct vault *v, const struct ctx *ctx, struct err *err) MUST_CHECK;
/* With the turn, when renew_at has come. */
int vault_renew(
    struct vault *v, const struct ctx *ctx, struct err *err) MUST_CHECK;

/* -- vault.c: turns and state ------------------------------------------ */
/* -1: not within the context's time, or Vault failed just now (but for the
 * keeper, who finds out whether it is back). */
int vault_begin(struct vault *v, const struct ctx *ctx, bool is_keeper,
    struct err *err) MUST_CHECK;
/* rc and err of what was done: says how Vault does. */
void vault_end(struct vault *v, int rc, const struct err *err);

/* -- vault_cache.c: what was read; with the mutex ----------------------- */
/* NULL: none, or older than max_ms. Borrowed until the mutex is let go. */
struct vault_entry *vault_cache_find_locked(
    struct vault *v, const char *path, int64_t max_ms);
/* Takes fields. */
void vault_cache_put_locked(struct vault *v, const char *path,
    struct secret *fields, const struct secret_rule *rule);
void vault_cache_drop_locked(struct vault *v, const char *path);
void vault_cache_free(struct vault *v);

#endif
