/*
 * The keys that issuers publish (JWKS), by the path where they do. Kept for
 * ten minutes, fetched anew for a name that is unknown: at most once in five
 * seconds for each issuer, by one thread, while others who want the same wait
 * for it. Where the portal is away, keys of the last hour still serve. A caller
 * who had little time leaves no trace: the next one asks again. Any thread.
 */
#include <string.h>

#include "base/mem.h"
#include "portal/portal_internal.h"

enum {
	SETS_MAX = 32,
	KEYS_MAX = 64, /* of an issuer */
	JWKS_MAX = 256 * 1024,
	FRESH_S = 600,
	STALE_S = 3600,
	AGAIN_S = 5,        /* between two fetches of an issuer's */
	AGAIN_FAILED_S = 2, /* after one that failed */
	STRANGERS_MAX = 10, /* issuers that nobody has verified a token of */
	STRANGERS_S = 10,   /* asked for in so long */
	PATIENCE_S = 5, /* of a caller, for the failure to be the portal's */
	LOOK_MS = 200,  /* while another thread fetches */
};

struct key_set {
	char *path;
	struct jwk *v;
	size_t n;
	int64_t fetched_ns, tried_ns; /* monotonic; -1: never */
	int64_t used_ns;
	bool fetching;
	unsigned users;  /* threads in keys_find */
	struct err last; /* of the last try; kind ERR_NONE: it worked */
};
struct keys {
	struct mtx mtx;
	struct cond changed;
	struct key_set *sets[SETS_MAX]; /* guarded by mtx, as all below */
	size_t n;
	int64_t strangers_since_ns;
	int strangers;
};

struct keys *keys_new(void)
{
	struct keys *k = mem_zalloc(sizeof(*k));

	mtx_init(&k->mtx, "portal keys");
	cond_init(&k->changed);
	return k;
}

static void free_set(struct key_set *s)
{
	mem_free(s->path);
	mem_free(s->v);
	mem_free(s);
}

void keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++)
		free_set(k->sets[i]);
	cond_fini(&k->changed);
	mtx_fini(&k->mtx);
	mem_free(k);
}

static bool within(int64_t since_ns, int64_t seconds)
{
	return since_ns >= 0 &&
	       clock_mono_ns() - since_ns < seconds * CLOCK_NS_PER_S;
}

/* -- sets ------------------------------------------------------------------ */

/* Goes a before b, to make room? Those without keys first: strangers can name
 * as many as they like. */
static bool goes_first(const struct key_set *a, const struct key_set *b)
{
	if ((a->n == 0) != (b->n == 0))
		return a->n == 0;
	return a->used_ns < b->used_ns;
}

/* NULL: all are used at this moment. */
static struct key_set **victim_locked(struct keys *k)
{
	struct key_set **victim = NULL;

	for (size_t i = 0; i < k->n; i++)
		if (k->sets[i]->users == 0 &&
		    (victim == NULL || goes_first(k->sets[i], *victim)))
			victim = &k->sets[i];
	return victim;
}

/* NULL: there is no place for another. */
static struct key_set *set_locked(struct keys *k, const char *path)
{
	struct key_set *made, **place;

	mtx_assert_held(&k->mtx);
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->sets[i]->path, path) == 0)
			return k->sets[i];
	if (k->n < SETS_MAX) {
		place = &k->sets[k->n++];
	} else {
		place = victim_locked(k);
		if (place == NULL)
			return NULL;
		free_set(*place);
	}
	made = mem_zalloc(sizeof(*made));
	made->path = mem_strdup(path);
	made->fetched_ns = made->tried_ns = -1;
	*place = made;
	return made;
}

static const struct jwk *find_locked(
    const struct keys *k, const struct key_set *s, const char *kid)
{
	mtx_assert_held(&k->mtx);
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].kid, kid) == 0)
			return &s->v[i];
	return NULL;
}

/* -- fetching ----------------------------------------------------------------
 */

/* The keys that we can use; others of the set are not ours to judge. */
static int read_set(const struct portal *p, const json_t *reply,
    struct jwk **ret, size_t *ret_n, struct err *err)
{
	const json_t *list = json_object_get(reply, "keys"), *one;
	size_t i;

	if (!json_is_array(list))
		return portal_not_one(p, "read its keys", err);
	*ret = mem_calloc(KEYS_MAX, sizeof(**ret));
	*ret_n = 0;
	json_array_foreach(list, i, one)
	{
		if (*ret_n < KEYS_MAX)
			*ret_n += (size_t)jwk_read(one, &(*ret)[*ret_n]);
	}
	return 0;
}

static int fetch(struct portal *p, const struct ctx *ctx, const char *path,
    bool stranger, struct jwk **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(portal_json_free) json_t *reply = NULL;
	const struct portal_call call = {.path = path,
	    .what = "read its keys",
	    .max = JWKS_MAX,
	    .bare_404 = stranger};

	TRY(portal_get(p, ctx, &call, &reply, NULL, err));
	if (reply != NULL)
		return read_set(p, reply, ret, ret_n, err);
	/* A plugin that there is not: it has no keys. */
	*ret = NULL;
	*ret_n = 0;
	return 0;
}

/* Did it fail for want of the caller's time or patience? That says nothing
 * about the portal. */
static bool gave_up(const struct ctx *ctx, int64_t begun_ns)
{
	struct err err = ERR_INIT;

	return ctx_check(ctx, &err) < 0 &&
	       (err.kind == ERR_CANCELED || within(begun_ns, PATIENCE_S));
}

/* Unlocks while it asks; what came is in the set. -1: the caller gave up. */
static int renew_locked(struct portal *p, const struct ctx *ctx,
    struct key_set *s, bool stranger, struct err *err)
{
	struct keys *k = p->keys;
	struct err failed = ERR_INIT;
	int64_t begun_ns = clock_mono_ns();
	struct jwk *v = NULL;
	size_t n = 0;
	int done;

	s->fetching = true;
	mtx_unlock(&k->mtx);
	done = fetch(p, ctx, s->path, stranger, &v, &n, &failed);
	mtx_lock(&k->mtx);
	s->fetching = false;
	cond_broadcast(&k->changed);
	if (done < 0 && gave_up(ctx, begun_ns)) {
		*err = failed;
		return -1;
	}
	s->last = failed;
	s->tried_ns = clock_mono_ns();
	if (done == 0) {
		mem_free(s->v);
		s->v = v;
		s->n = n;
		s->fetched_ns = s->tried_ns;
	}
	return 0;
}

/* -- finding -----------------------------------------------------------------
 */

/* May an issuer that nobody knows be asked for now? */
static bool allow_stranger_locked(struct keys *k)
{
	if (!within(k->strangers_since_ns, STRANGERS_S)) {
		k->strangers_since_ns = clock_mono_ns();
		k->strangers = 0;
	}
	return k->strangers++ < STRANGERS_MAX;
}

static bool may_fetch_locked(
    struct keys *k, const struct key_set *s, bool stranger)
{
	int64_t pause = s->last.kind == ERR_NONE ? AGAIN_S : AGAIN_FAILED_S;

	return !within(s->tried_ns, pause) &&
	       (!stranger || s->n > 0 || allow_stranger_locked(k));
}

/* What is left to say when nothing can be fetched now. */
static int settle_locked(const struct key_set *s, const struct jwk *found,
    struct jwk *ret, struct err *err)
{
	if (found != NULL && within(s->fetched_ns, STALE_S)) {
		*ret = *found;
		return 1;
	}
	if (s->last.kind == ERR_NONE)
		return 0;
	*err = s->last;
	return -1;
}

/* While another thread fetches. */
static int wait_locked(
    const struct portal *p, const struct ctx *ctx, struct err *err)
{
	struct keys *k = p->keys;

	if (ctx_check(ctx, err) < 0)
		return err->kind == ERR_TIMEOUT
			   ? err_set(err, ERR_UNAVAILABLE, "portal_down",
				 "%s did not answer in time", p->url)
			   : -1;
	IGNORE(
	    cond_wait_until(&k->changed, &k->mtx, clock_deadline_ms(LOOK_MS)));
	return 0;
}

static int find_in_locked(struct portal *p, const struct ctx *ctx,
    struct key_set *s, bool stranger, const char *kid, struct jwk *ret,
    struct err *err)
{
	for (;;) {
		const struct jwk *found = find_locked(p->keys, s, kid);
		/* Whoever can do without the new ones does not wait. */
		int64_t good_s = s->fetching ? STALE_S : FRESH_S;

		if (found != NULL && within(s->fetched_ns, good_s)) {
			*ret = *found;
			return 1;
		}
		if (s->fetching)
			TRY(wait_locked(p, ctx, err));
		else if (may_fetch_locked(p->keys, s, stranger))
			TRY(renew_locked(p, ctx, s, stranger, err));
		else
			return settle_locked(s, found, ret, err);
	}
}

int keys_find(struct portal *p, const struct ctx *ctx, const char *path,
    bool stranger, const char *kid, struct jwk *ret, struct err *err)
{
	struct keys *k = p->keys;
	struct key_set *s;
	int found = 0;

	mtx_lock(&k->mtx);
	s = set_locked(k, path);
	if (s != NULL) {
		s->users++;
		s->used_ns = clock_mono_ns();
		found = find_in_locked(p, ctx, s, stranger, kid, ret, err);
		s->users--;
	}
	mtx_unlock(&k->mtx);
	return found;
}
