/*
 * Images: there, or pulled once for all jobs that wait for one. Called by
 * carriers; the hub's mutex guards the list of pulls and is not held over
 * the pull itself.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "engine/run.h"
#include "jobs/hub_internal.h"

struct image_pull {
	char *image;
	unsigned users; /* the puller and those who wait */
	bool over;
	struct err err; /* of the pull; ERR_NONE: it is there */
	struct image_pull *next;
};

static struct image_pull *find_locked(struct hub *h, const char *image)
{
	struct image_pull *p = h->pulls;

	mtx_assert_held(&h->mtx);
	while (p != NULL && (p->over || strcmp(p->image, image) != 0))
		p = p->next;
	return p;
}

static void drop_locked(struct hub *h, struct image_pull *p)
{
	if (--p->users > 0)
		return;
	for (struct image_pull **at = &h->pulls; *at != NULL; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	mem_free(p->image);
	mem_free(p);
}

/* Another carrier pulls it: its result is ours. */
static int await_pull(
    struct hub *h, const struct ctx *ctx, struct image_pull *p, struct err *err)
{
	int r = 0;

	p->users++;
	while (!p->over && r == 0) {
		r = ctx_check(ctx, err);
		IGNORE(cond_wait_until(
		    &h->changed, &h->mtx, clock_deadline_ms(200)));
	}
	if (r == 0 && p->err.kind != ERR_NONE) {
		*err = p->err;
		r = -1;
	}
	drop_locked(h, p);
	return r;
}

static int pull(struct hub *h, const struct ctx *ctx, const char *image,
    void (*say)(void *arg, const char *line), void *arg, struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, h->options->pull_timeout_ms);
	struct image_pull *p;
	int r;

	mtx_lock(&h->mtx);
	while ((p = find_locked(h, image)) != NULL) {
		r = await_pull(h, ctx, p, err);
		if (r == 0 || err->kind != ERR_CANCELED ||
		    cancel_is_set(ctx->cancel)) {
			mtx_unlock(&h->mtx);
			return r;
		}
		err_clear(err); /* the puller's job was cancelled, not ours */
	}
	p = mem_zalloc(sizeof(*p));
	p->image = mem_strdup(image);
	p->users = 1;
	p->next = h->pulls;
	h->pulls = p;
	mtx_unlock(&h->mtx);

	r = engine_image_pull(h->engine, &limited, image, NULL, say, arg, err);
	mtx_lock(&h->mtx);
	p->over = true;
	if (r < 0)
		p->err = *err;
	cond_broadcast(&h->changed);
	drop_locked(h, p);
	mtx_unlock(&h->mtx);
	return r;
}

/* Somebody's credentials: neither his failure nor his wait is ours. */
static int pull_as(struct hub *h, const struct ctx *ctx, const char *image,
    const char *auth, void (*say)(void *arg, const char *line), void *arg,
    struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, h->options->pull_timeout_ms);

	return engine_image_pull_again(
	    h->engine, &limited, image, auth, say, arg, err);
}

/* 1 it is there, 0 it must be pulled. */
static int is_there(
    struct hub *h, const struct ctx *ctx, const char *image, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image info = {0};
	const char *policy = h->options->pull_policy;

	if (strcmp(policy, "always") == 0)
		return 0;
	if (engine_image_inspect(h->engine, ctx, image, &info, err) == 0)
		return 1;
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	if (strcmp(policy, "never") == 0)
		return err_set(err, ERR_NOT_FOUND, "image_not_found",
		    "image %s is not on this host and RUNNER_PULL_POLICY is "
		    "\"never\": load it or change the policy",
		    image);
	err_clear(err);
	return 0;
}

int hub_image_ensure(struct hub *h, const struct ctx *ctx, const char *image,
    void (*say)(void *arg, const char *line), void *arg, struct err *err)
{
	int there = is_there(h, ctx, image, err);

	TRY(there);
	return there > 0 ? 0 : pull(h, ctx, image, say, arg, err);
}

int hub_image_ensure_as(struct hub *h, const struct ctx *ctx, const char *image,
    int (*auth)(void *arg, char **ret, struct err *err),
    void (*say)(void *arg, const char *line), void *arg, struct err *err)
{
	int there = is_there(h, ctx, image, err), r;
	char *text = NULL;

	TRY(there);
	if (there > 0)
		return 0;
	TRY(auth(arg, &text, err));
	r = pull_as(h, ctx, image, text, say, arg, err);
	if (text != NULL)
		secret_wipe(text, strlen(text));
	mem_free(text);
	return r;
}
