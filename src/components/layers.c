/*
 * What a build has made so far: see layers.h.
 *
 * The classic builder says, in pieces of their own,
 *
 *   "Step 2/6 : RUN make"
 *   " ---> Using cache\n"            or  " ---> Running in 0dfeaa43ffe7\n"
 *   " ---> c38fb6cc3723\n"           the image that the step has made
 *
 * and a RUN line can print the same. So what follows "Running in" is believed
 * only if the engine knows it as an image without a name, built on the one
 * before, since this build began.
 */
#include "components/layers.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "components/flow.h"
#include "components/images.h"

#define ARROW   " ---> "
#define RUNNING ARROW "Running in "
#define SKEW_NS (INT64_C(300) * CLOCK_NS_PER_S)
enum { SHORT_ID = 12, LET_GO_MS = 15000, LOOK_MS = 50 };

/* -- while it is being built --------------------------------------------- */

static bool is_id(const char *text, char end)
{
	return strspn(text, "0123456789abcdef") == SHORT_ID &&
	       text[SHORT_ID] == end;
}

static void put_id(char out[LAYERS_SHORT], const char *text)
{
	snprintf(out, LAYERS_SHORT, "%.*s", SHORT_ID, text);
}

/* Made since this build began, by the engine's clock, which on another machine
 * may be another. */
static bool is_new(const struct layers *l, const struct engine_image *image)
{
	bool here = engine_is_local(l->f->owner->config.engine);

	return image->created_at >= l->began - (here ? 0 : SKEW_NS);
}

static bool is_next(const struct layers *l, const struct engine_image *image)
{
	static const char prefix[] = "sha256:";
	size_t n = strlen(prefix);

	return image->ntags == 0 && is_new(l, image) && l->last[0] != '\0' &&
	       strncmp(image->parent, prefix, n) == 0 &&
	       strncmp(image->parent + n, l->last, SHORT_ID) == 0;
}

/* "building-<instance>.2" */
static void name_tag(const struct layers *l, int stage, char out[IMAGES_TAG])
{
	snprintf(out, IMAGES_TAG, "building-%s.%d", l->f->id_text, stage);
}

/* What it has beyond the one that it is built on. */
static void weigh(struct layers *l, const struct engine_image *image)
{
	CLEANUP(engine_image_fini) struct engine_image below = {{0}};
	struct err err = ERR_INIT;

	if (engine_image_inspect(l->f->owner->config.engine, &l->f->life,
		l->last, &below, &err) == 0 &&
	    image->size_bytes > below.size_bytes)
		l->made_bytes += image->size_bytes - below.size_bytes;
}

static void hold(struct layers *l, const char *text)
{
	CLEANUP(engine_image_fini) struct engine_image image = {{0}};
	struct engine *e = l->f->owner->config.engine;
	char repo[IMAGES_REPO], tag[IMAGES_TAG], id[LAYERS_SHORT];
	struct err err = ERR_INIT;

	put_id(id, text);
	name_tag(l, l->stage, tag);
	/* A cancelled build must still be known by name. */
	if (engine_image_inspect(e, &l->f->life, id, &image, &err) < 0 ||
	    !is_next(l, &image))
		return;
	weigh(l, &image);
	if (engine_image_tag(e, &l->f->life, image.id,
		images_repo(l->f->owner, repo), tag, &err) < 0)
		log_warn(&l->f->root,
		    "cannot hold a layer, it stays should the build fail",
		    LOG_ERR(&err));
	put_id(l->last, id);
	l->container[0] = '\0';
}

void layers_hear(struct layers *l, const char *text)
{
	if (strncmp(text, "Step ", 5) == 0) {
		l->from = strstr(text, " : FROM ") != NULL;
		l->cached = false;
		l->container[0] = '\0';
	} else if (strncmp(text, RUNNING, strlen(RUNNING)) == 0) {
		text += strlen(RUNNING);
		if (l->container[0] == '\0' && is_id(text, '\n'))
			put_id(l->container, text);
	} else if (strcmp(text, ARROW "Using cache\n") == 0) {
		l->cached = l->container[0] == '\0';
	} else if (strncmp(text, ARROW, strlen(ARROW)) == 0 &&
		   is_id(text + strlen(ARROW), '\n')) {
		text += strlen(ARROW);
		if (l->from || l->cached)
			put_id(l->last, text);
		else
			hold(l, text);
	}
}

void layers_stage(struct layers *l, const char *id)
{
	if (l->nends < LAYERS_STAGES)
		snprintf(
		    l->ends[l->nends++], LAYERS_ID, "%.79s", l->from ? "" : id);
	l->stage++;
}

/* -- when it is done ------------------------------------------------------ */

void layers_keep(struct layers *l)
{
	struct components *c = l->f->owner;
	const char *whole = images_tag_of(l->f->image);
	char repo[IMAGES_REPO], tag[IMAGES_TAG];
	struct err err = ERR_INIT;

	for (int i = 0; i + 1 < l->nends; i++) {
		if (l->ends[i][0] == '\0')
			continue;
		snprintf(tag, sizeof(tag), "%.110s.s%d", whole, i + 1);
		if (engine_image_tag(c->config.engine, &l->f->start, l->ends[i],
			images_repo(c, repo), tag, &err) < 0)
			log_debug(&l->f->root, "the end of a stage is not kept",
			    LOG_ERR(&err));
		err_clear(&err); /* the next build makes it again */
	}
}

/* The engine ends it when we hang up. That it is ours is the builder's word
 * alone, so it is not removed from here. */
static void await_container(struct layers *l, const struct ctx *ctx)
{
	struct engine *e = l->f->owner->config.engine;
	struct ctx patient = ctx_with_timeout(ctx, LET_GO_MS / 2);
	struct err err = ERR_INIT;

	while (l->container[0] != '\0') {
		CLEANUP(engine_container_fini)
		struct engine_container c = {{0}};

		if (engine_container_inspect(
			e, &patient, l->container, &c, &err) < 0 ||
		    ctx_sleep(&patient, LOOK_MS, &err) < 0)
			break; /* gone, or nobody can tell */
	}
	if (err.kind == ERR_TIMEOUT)
		log_warn(&l->f->root,
		    "the engine does not end a build that was given up",
		    LOG_STR("container", l->container));
}

static bool is_of(const struct layers *l, const char *tag)
{
	char mine[IMAGES_TAG];
	int n = snprintf(mine, sizeof(mine), "building-%s.", l->f->id_text);

	return tag != NULL && strncmp(tag, mine, (size_t)n) == 0;
}

static int drop_all(struct layers *l, const struct ctx *ctx, struct err *err)
{
	CLEANUP(pile_fini) struct pile p = {.parent = NULL};
	struct components *c = l->f->owner;

	TRY(pile_read(&p, c, ctx, err));
	for (size_t i = 0; i < p.all.n; i++)
		for (char **t = p.all.items[i].tags; *t != NULL; t++)
			if (is_of(l, pile_own(&p, *t)))
				TRY(pile_drop(
				    &p, c->config.engine, ctx, i, *t, err));
	return 0;
}

void layers_drop(struct layers *l)
{
	struct ctx ctx = ctx_with_timeout(&l->f->life, LET_GO_MS);
	struct err err = ERR_INIT, slept = ERR_INIT;

	await_container(l, &ctx);
	/* Still in use: by what is just ending. */
	while (drop_all(l, &ctx, &err) < 0) {
		if (err.kind != ERR_CONFLICT ||
		    ctx_sleep(&ctx, LOOK_MS, &slept) < 0)
			break;
		err_clear(&err);
	}
	if (err.kind != ERR_NONE && err.kind != ERR_CANCELED)
		log_warn(&l->f->root,
		    "layers of a build stay, the next start removes them",
		    LOG_ERR(&err));
}
