/*
 * An image that is there, or pulled by the runner's policy. Credentials live in
 * the request's header and in no file. Called for each container before it is
 * created.
 */
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "containers/registry.h"
#include "hook/direct_internal.h"

/* Some GB over a slow line. */
#define PULL_MS INT64_C(3600000)

static void say_progress(void *arg, const char *line)
{
	(void)arg;
	output_say("%s", line);
}

static int pull(struct direct *d, const struct ctx *ctx,
    const struct container_wish *c, struct err *err)
{
	char *auth = c->has_registry ? registry_auth(c) : NULL;
	struct ctx limited = ctx_with_timeout(ctx, PULL_MS);
	int r;

	output_group(c->image);
	r = engine_image_pull_again(
	    d->engine, &limited, c->image, auth, say_progress, NULL, err);
	output_group_end();
	if (auth != NULL)
		secret_wipe(auth, strlen(auth));
	mem_free(auth);
	return r;
}

int direct_image(struct direct *d, const struct ctx *ctx,
    const struct container_wish *c, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image info = {.env = NULL};

	if (c->image == NULL)
		return err_set(err, ERR_INVALID, "bad_request",
		    "the runner names no image for a container");
	if (d->settings->pull == PULL_ALWAYS)
		return pull(d, ctx, c, err);
	if (engine_image_inspect(d->engine, ctx, c->image, &info, err) == 0)
		return 0;
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	if (d->settings->pull == PULL_NEVER)
		return err_set(err, ERR_NOT_FOUND, "image_not_found",
		    "image %s is not on this machine and RUNNER_PULL_POLICY is "
		    "\"never\": load it or change the policy",
		    c->image);
	err_clear(err);
	return pull(d, ctx, c, err);
}
