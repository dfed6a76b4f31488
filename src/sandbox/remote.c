/*
 * Sandboxes on an engine of another machine (tcp://): nothing of ours can be
 * mounted there. The agent goes into a volume through the engine's API, the
 * channel runs over the engine's attach. Called by sandbox.c on a starter's
 * or carrier's thread.
 */
#include <stdio.h>
#include <string.h>

#include "agent/agent_image.h"
#include "base/map.h"
#include "base/tar.h"
#include "sandbox/hook_image.h"
#include "sandbox/sandbox_internal.h"

/* -- the agent's volume ------------------------------------------------ */

enum { DIAL_TIMEOUT_MS = 10000 };

static void put_program(
    struct buf *tar, const char *name, const unsigned char *p, size_t size)
{
	tar_put_entry(tar,
	    &(struct tar_entry){
		.name = name, .type = TAR_FILE, .mode = 0755, .size = size});
	IGNORE(buf_append(tar, p, size)); /* asserted by the caller */
	tar_put_padding(tar, size);
}

/* All programs that containers may need, mode 0755, owned by root. */
static void agent_tar(struct buf *tar)
{
	put_program(tar, "agent", agent_image, agent_image_size());
	put_program(tar, HOOK_IMAGE_NAME, hook_image, hook_image_size());
	put_program(tar, HOOK_SHIM_NAME, hook_shim, hook_shim_size());
	tar_put_end(tar);
	ASSERT(!tar->overflow);
}

/* A container that never runs lends its mount. */
static int fill_volume(struct sandboxes *s, const struct ctx *ctx,
    const char *image, struct err *err)
{
	char name[80], bind[96], id[ENGINE_ID_LEN];
	const char *binds[] = {bind, NULL};
	const struct engine_pair labels[] = {{"runnerhub.managed", "true"},
	    {"runnerhub.hub", s->config.hub_id},
	    {"runnerhub.type", "agent-volume"}, {NULL, NULL}};
	struct engine_container_spec spec = {.name = name,
	    .image = image,
	    .binds = binds,
	    .labels = labels,
	    .network_mode = "none"};
	CLEANUP(buf_fini)
	struct buf tar = {.max = agent_image_size() + hook_image_size() +
				 hook_shim_size() + 10 * TAR_BLOCK};
	struct err ignored = ERR_INIT;
	int r;

	snprintf(name, sizeof(name), "%s-%.8s", s->agent_volume, s->generation);
	snprintf(bind, sizeof(bind), "%s:/.runnerhub", s->agent_volume);
	TRY(engine_volume_create(
	    s->config.engine, ctx, s->agent_volume, labels, err));
	TRY(engine_container_create(s->config.engine, ctx, &spec, id, err));
	agent_tar(&tar);
	r = engine_container_put_archive(
	    s->config.engine, ctx, id, "/.runnerhub", tar.data, tar.len, err);
	IGNORE(engine_container_remove(s->config.engine, ctx, id, &ignored));
	return r;
}

void remote_open(struct sandboxes *s)
{
	mtx_init(&s->remote_mtx, "agent volume");
	if (!s->remote)
		return;
	snprintf(s->agent_volume, sizeof(s->agent_volume),
	    "runnerhub-agent-%.8s-%016llx", s->config.hub_id,
	    (unsigned long long)(map_hash(agent_image, agent_image_size()) ^
				 map_hash(hook_image, hook_image_size()) ^
				 map_hash(hook_shim, hook_shim_size())));
}

int remote_ensure_agent(struct sandboxes *s, const struct ctx *ctx,
    const char *image, struct err *err)
{
	int r = 0;

	mtx_lock(&s->remote_mtx);
	if (!s->agent_volume_ready)
		r = fill_volume(s, ctx, image, err);
	s->agent_volume_ready = r == 0;
	mtx_unlock(&s->remote_mtx);
	return r < 0 ? err_wrap(
			   err, "put the agent into volume %s", s->agent_volume)
		     : 0;
}

/* Also one that an earlier hub filled. */
void remote_erase(struct sandboxes *s, const struct ctx *ctx)
{
	struct err ignored = ERR_INIT;

	if (!s->remote)
		return;
	mtx_lock(&s->remote_mtx);
	s->agent_volume_ready = false;
	IGNORE(engine_volume_remove(s->config.engine, ctx, s->agent_volume,
	    &ignored)); /* one that is still used stays */
	mtx_unlock(&s->remote_mtx);
}

/* -- the channel ------------------------------------------------------- */

static int attach(void *arg, int *ret_fd, struct buf *early, struct err *err)
{
	struct sandbox *sb = arg;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, DIAL_TIMEOUT_MS);

	return engine_container_attach(
	    sb->engine, &ctx, sb->container_id, ret_fd, early, err);
}

int remote_open_channel(
    struct sandboxes *s, struct sandbox *sb, bool running, struct err *err)
{
	sb->engine = s->config.engine;
	return channel_dial(&sb->channel, attach, sb, !running, err);
}
