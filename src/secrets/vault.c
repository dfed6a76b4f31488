/*
 * The Vault client's life: its turns, how Vault does, and the thread that
 * keeps the token good and finds out when Vault is back. See vault.h.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "secrets/vault_internal.h"

enum {
	SILENCE_MIN_MS = 1000,
	SILENCE_MAX_MS = 30000,
	TURN_LOOK_MS = 100, /* how soon a cancellation is seen by who waits */
};

/* -- turns ------------------------------------------------------------- */

static int await_turn(struct vault *v, const struct ctx *ctx, struct err *err)
{
	mtx_assert_held(&v->mtx);
	while (v->talking) {
		IGNORE(cond_wait_until(
		    &v->turned, &v->mtx, clock_deadline_ms(TURN_LOOK_MS)));
		TRY(ctx_check(ctx, err));
	}
	return 0;
}

int vault_begin(
    struct vault *v, const struct ctx *ctx, bool is_keeper, struct err *err)
{
	int rc;

	mtx_lock(&v->mtx);
	rc = await_turn(v, ctx, err);
	if (rc < 0 && err->kind == ERR_TIMEOUT)
		rc = err_set(err, ERR_UNAVAILABLE, "vault_unavailable",
		    "Vault at %.120s did not answer in time", v->now.addr);
	if (rc == 0 && !is_keeper && clock_mono_ns() < v->silent_until) {
		*err = v->failed;
		rc = -1;
	}
	if (rc == 0) {
		v->talking = true;
		v->hint = NULL;
	}
	mtx_unlock(&v->mtx);
	return rc;
}

/* True: it is another one than before. */
static bool set_state(struct vault *v, const char *state, const char *why)
{
	mtx_assert_held(&v->mtx);
	snprintf(v->now.error, sizeof(v->now.error), "%.255s", why);
	if (strcmp(v->now.state, state) == 0)
		return false;
	snprintf(v->now.state, sizeof(v->now.state), "%s", state);
	v->now.usable = strcmp(state, "active") == 0;
	v->now.since = clock_wall_ns();
	return true;
}

static void tell(const struct vault *v, const struct vault_state *now)
{
	if (now->usable)
		log_info(NULL, "Vault can be used", LOG_STR("vault", v->base));
	else
		log_warn(NULL, "Vault cannot be used",
		    LOG_STR("vault", v->base), LOG_STR("state", now->state),
		    LOG_STR("reason", now->error));
}

/* Not asked for a moment that doubles, so that whatever waits for it does not
 * wait for one timeout after the other. */
static bool be_silent(struct vault *v, const struct err *err)
{
	mtx_assert_held(&v->mtx);
	v->now.failures++;
	v->failed = *err;
	v->silent_until = clock_deadline_ms(v->silence_ms);
	v->silence_ms = v->silence_ms < SILENCE_MAX_MS / 2 ? v->silence_ms * 2
							   : SILENCE_MAX_MS;
	return set_state(v, v->hint != NULL ? v->hint : "down", err->msg);
}

void vault_end(struct vault *v, int rc, const struct err *err)
{
	struct vault_state now;
	bool changed = false;

	mtx_lock(&v->mtx);
	v->talking = false;
	if (rc < 0 && err->kind == ERR_UNAVAILABLE) {
		changed = be_silent(v, err);
	} else if (rc >= 0 || err->kind != ERR_CANCELED) {
		v->silent_until = 0;
		v->silence_ms = SILENCE_MIN_MS;
		changed = set_state(v, "active", "");
	}
	now = v->now;
	cond_broadcast(&v->turned);
	mtx_unlock(&v->mtx);
	if (changed)
		tell(v, &now);
}

void vault_state(struct vault *v, struct vault_state *ret)
{
	MAGIC_CHECK(v, VAULT_MAGIC);
	mtx_lock(&v->mtx);
	*ret = v->now;
	mtx_unlock(&v->mtx);
}

/* -- the keeper -------------------------------------------------------- */

static int look(struct vault *v, const struct ctx *ctx, struct err *err)
{
	CLEANUP(vault_reply_fini) struct vault_reply r = {0};

	TRY(vault_call(v, ctx, "GET",
	    "/v1/sys/health?standbyok=true&perfstandbyok=true", NULL, &r, err));
	if (r.status == 200)
		return 0;
	if (r.status == 501) {
		v->hint = "uninitialized";
		return err_set(err, ERR_UNAVAILABLE, "vault_unavailable",
		    "Vault at %.120s is not initialized (501)", v->now.addr);
	}
	if (vault_is_away(v, r.status, err))
		return -1;
	return err_set(err, ERR_UNAVAILABLE, "vault_unavailable",
	    "Vault at %.120s answers %d to a question about its health: is "
	    "that the address of a Vault?",
	    v->now.addr, r.status);
}

static int keep_once(struct vault *v, const struct ctx *ctx, struct err *err)
{
	TRY(look(v, ctx, err));
	TRY(vault_login(v, ctx, err));
	return clock_mono_ns() >= v->renew_at ? vault_renew(v, ctx, err) : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Until it is to be looked after: now and then, for the token's sake, or, when
 * somebody found it away, as soon as it may be asked again. False: the end. */
static bool rest(struct vault *v)
{
	int64_t due, probe = clock_deadline_ms(VAULT_PROBE_MS);
	bool on;

	mtx_lock(&v->mtx);
	for (;;) {
		/* A token that is due waits like all else while Vault is
		 * away. */
		due = earlier(
		    probe, v->silent_until > 0 ? v->silent_until : v->renew_at);
		if (v->stopping || clock_mono_ns() >= due)
			break;
		IGNORE(cond_wait_until(&v->turned, &v->mtx, due));
	}
	on = !v->stopping;
	mtx_unlock(&v->mtx);
	return on;
}

static void *keeper(void *arg)
{
	struct vault *v = arg;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_cancel(&root, &v->stop);

	do {
		struct err err = ERR_INIT;

		if (vault_begin(v, &ctx, true, &err) == 0)
			vault_end(v, keep_once(v, &ctx, &err), &err);
	} while (rest(v));
	return NULL;
}

/* -- open and close ---------------------------------------------------- */

static void set_address(struct vault *v, const char *addr)
{
	size_t n = strlen(addr);

	while (n > 0 && addr[n - 1] == '/')
		n--;
	snprintf(v->base, sizeof(v->base), "%.*s", (int)n, addr);
	snprintf(v->now.addr, sizeof(v->now.addr), "%.*s",
	    (int)sizeof(v->now.addr) - 1, v->base);
	v->peer = (struct web_peer){
	    .code = "vault", .name = "Vault", .url = v->now.addr};
}

static int start(struct vault *v, struct err *err)
{
	TRY(cancel_init(&v->stop, err));
	TRY(thread_start(&v->keeper, "vault", keeper, v, err));
	v->has_keeper = true;
	return 0;
}

int vault_open(
    struct vault **ret, const struct options *options, struct err *err)
{
	struct vault *v = mem_zalloc(sizeof(*v));

	v->magic = VAULT_MAGIC;
	v->options = options;
	v->stop.fd = -1;
	v->renew_at = CLOCK_NO_DEADLINE;
	v->silence_ms = SILENCE_MIN_MS;
	v->cache = mem_calloc(VAULT_CACHE_MAX, sizeof(v->cache[0]));
	set_address(v, options->vault_addr);
	snprintf(v->now.state, sizeof(v->now.state), "unknown");
	v->now.since = clock_wall_ns();
	mtx_init(&v->mtx, "vault");
	cond_init(&v->turned);
	if (start(v, err) < 0) {
		vault_close(v);
		return -1;
	}
	*ret = v;
	return 0;
}

void vault_close(struct vault *v)
{
	if (v == NULL)
		return;
	MAGIC_CHECK(v, VAULT_MAGIC);
	if (v->has_keeper) {
		mtx_lock(&v->mtx);
		v->stopping = true;
		cond_broadcast(&v->turned);
		mtx_unlock(&v->mtx);
		cancel_now(&v->stop);
		thread_join(v->keeper);
	}
	cancel_fini(&v->stop);
	vault_cache_free(v);
	secret_free(v->token);
	cond_fini(&v->turned);
	mtx_fini(&v->mtx);
	mem_free(v);
}
