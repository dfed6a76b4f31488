/* Bounds of a build: see build_guard.h. The flow's thread, and one of its own
 * for as long as the build takes. */
#include "components/build_guard.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "components/flow.h"
#include "engine/run.h"

enum {
	LOOK_MS = 200,
	/* It is weighed when the disk has lost so much of its bound, ... */
	PARTS = 16,
	/* ... or, where the disk is out of reach, so often: the engine walks
	 * all that was written. */
	WEIGH_MS = 5000,
};

/* -- its disk ---------------------------------------------------------- */

static void end_build(struct build_guard *g, const char *why)
{
	mtx_lock(&g->mtx);
	if (g->why[0] == '\0')
		snprintf(g->why, sizeof(g->why), "%s", why);
	mtx_unlock(&g->mtx);
	cancel_now(&g->cancel);
}

/* -1: out of reach. */
static int64_t free_bytes(const struct build_guard *g)
{
	struct statvfs fs;

	if (g->root[0] == '\0' || statvfs(g->root, &fs) < 0)
		return -1;
	return (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
}

static void size_words(int64_t bytes, char *out, size_t size)
{
	const int64_t mib = INT64_C(1) << 20, gib = mib << 10;

	if (bytes % gib == 0)
		snprintf(out, size, "%" PRId64 " GiB", bytes / gib);
	else if (bytes >= mib)
		snprintf(out, size, "%" PRId64 " MiB", bytes / mib);
	else
		snprintf(out, size, "%" PRId64 " bytes", bytes);
}

static bool weighs_too_much(struct build_guard *g)
{
	int64_t bound = g->f->owner->config.options->build_disk_bytes;
	char container[LAYERS_SHORT];
	struct err err = ERR_INIT;
	int64_t sum, written = 0;

	mtx_lock(&g->mtx);
	memcpy(container, g->container, sizeof(container));
	sum = g->made_bytes;
	mtx_unlock(&g->mtx);
	/* It may have ended meanwhile. */
	if (container[0] != '\0' &&
	    engine_container_written(g->f->owner->config.engine, &g->ctx,
		container, &written, &err) == 0)
		sum += written;
	return bound > 0 && sum > bound;
}

static bool is_time_to_weigh(struct build_guard *g, int64_t left)
{
	int64_t bound = g->f->owner->config.options->build_disk_bytes;
	int64_t now = clock_mono_ns();

	if (left >= 0 && left > g->measured)
		g->measured = left;
	if (left >= 0 ? g->measured - left < bound / PARTS : now < g->again_at)
		return false;
	g->measured = left;
	g->again_at = now + WEIGH_MS * CLOCK_NS_PER_MS;
	return true;
}

static void look(struct build_guard *g)
{
	const struct options *o = g->f->owner->config.options;
	int64_t left = free_bytes(g);
	char size[32], why[160];

	if (left >= 0 && left < o->disk_reserve_bytes) {
		size_words(o->disk_reserve_bytes, size, sizeof(size));
		snprintf(why, sizeof(why),
		    "the engine's disk has less than %s left (disk.reserve)",
		    size);
		end_build(g, why);
	} else if (is_time_to_weigh(g, left) && weighs_too_much(g)) {
		size_words(o->build_disk_bytes, size, sizeof(size));
		snprintf(why, sizeof(why),
		    "it has written more than %s (components.buildDisk)", size);
		end_build(g, why);
	}
}

static void *watch_build(void *arg)
{
	struct build_guard *g = arg;
	struct err err = ERR_INIT;

	for (;;) {
		struct ctx wait = ctx_with_timeout(g->outer, LOOK_MS);

		if (ctx_poll(&wait, g->over.fd, POLLIN, &err) == 0)
			return NULL;
		if (err.kind != ERR_TIMEOUT || ctx_check(g->outer, &err) < 0)
			break;
		err_clear(&err);
		look(g);
	}
	if (err.kind != ERR_TIMEOUT) /* that it sees by itself */
		cancel_now(&g->cancel);
	return NULL;
}

/* -- its processes ----------------------------------------------------- */

/* The builder has just made it, from the layer before: not that a RUN line
 * talks the hub into bounding somebody else's. */
static bool is_of_build(struct build_guard *g, const struct layers *l,
    const char *id, struct err *err)
{
	CLEANUP(engine_container_fini) struct engine_container c = {{0}};
	static const char kind[] = "sha256:";
	const char *image;

	if (engine_container_inspect(
		g->f->owner->config.engine, &g->ctx, id, &c, err) < 0)
		return false;
	image = strncmp(c.image, kind, strlen(kind)) == 0
		    ? c.image + strlen(kind)
		    : c.image;
	return l->last[0] != '\0' &&
	       strncmp(image, l->last, strlen(l->last)) == 0 &&
	       engine_container_label(&c, "runnerhub.type") == NULL;
}

static void bound_processes(struct build_guard *g, const struct layers *l)
{
	struct components *c = g->f->owner;
	struct err err = ERR_INIT;

	if (is_of_build(g, l, l->container, &err) &&
	    engine_container_limit_pids(c->config.engine, &g->ctx, l->container,
		c->config.options->pids_limit, &err) == 0)
		return;
	if (err.kind == ERR_NONE || err.kind == ERR_CANCELED ||
	    err.kind == ERR_NOT_FOUND || err.kind == ERR_CONFLICT)
		return; /* it was short, or is none of a build's */
	log_warn(&g->f->root,
	    "the processes of a build's RUN line are not bounded",
	    LOG_ERR(&err));
}

void guard_hear(struct build_guard *g, const struct layers *l)
{
	bool other;

	mtx_lock(&g->mtx);
	other = strcmp(g->container, l->container) != 0;
	memcpy(g->container, l->container, sizeof(g->container));
	g->made_bytes = l->made_bytes;
	mtx_unlock(&g->mtx);
	if (other && l->container[0] != '\0')
		bound_processes(g, l);
}

/* -- begin and end ----------------------------------------------------- */

int guard_begin(struct build_guard *g, struct flow *f, const struct ctx *ctx,
    struct err *err)
{
	struct engine *e = f->owner->config.engine;
	struct engine_info info;
	int r;

	*g = (struct build_guard){
	    .f = f, .outer = ctx, .cancel = {.fd = -1}, .over = {.fd = -1}};
	TRY(engine_info(e, ctx, &info, err));
	if (engine_is_local(e))
		memcpy(g->root, info.root_dir, sizeof(g->root));
	g->measured = free_bytes(g);
	g->again_at = clock_mono_ns() + WEIGH_MS * CLOCK_NS_PER_MS;
	g->ctx = ctx_with_cancel(ctx, &g->cancel);
	mtx_init(&g->mtx, "build_guard");
	r = cancel_init(&g->cancel, err);
	if (r == 0)
		r = cancel_init(&g->over, err);
	if (r == 0)
		r = thread_start(
		    &g->thread, "build-guard", watch_build, g, err);
	if (r == 0)
		return 0;
	cancel_fini(&g->over);
	cancel_fini(&g->cancel);
	mtx_fini(&g->mtx);
	return -1;
}

const char *guard_end(struct build_guard *g)
{
	cancel_now(&g->over);
	thread_join(g->thread);
	cancel_fini(&g->over);
	cancel_fini(&g->cancel);
	mtx_fini(&g->mtx);
	return g->why[0] != '\0' ? g->why : NULL;
}
