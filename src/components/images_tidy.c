/*
 * Which images of components may go, and their going: see images.h. Any
 * thread, one at a time; whoever looks for an image that is just being removed
 * waits for that.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "components/flow.h"
#include "components/images.h"
#include "components/images_left.h"

#define UNUSED_NS (INT64_C(30) * 24 * 3600 * CLOCK_NS_PER_S)
enum { BUILDING_LEN = 9, DEPTH_MAX = 128 };

/* -- what may go --------------------------------------------------------- */

static bool is_building(struct components *c, const char *tag)
{
	char text[UUID_TEXT_LEN];
	const struct flow *f;
	instance_id id;
	bool building;

	snprintf(text, sizeof(text), "%.36s", tag + BUILDING_LEN);
	if (uuid_parse(text, &id.u) < 0)
		return false;
	mtx_lock(&c->mtx);
	f = flow_find_locked(c, id);
	building = f != NULL && f->found == INSTANCE_STARTING && !f->built;
	mtx_unlock(&c->mtx);
	return building;
}

/* "...-<32 hex>.s2": how long it is without the stage; 0: it is none. */
static size_t stage_of(const char *tag)
{
	const char *dot = strrchr(tag, '.');

	if (dot == NULL || dot[1] != 's' || dot[2] == '\0' ||
	    dot[2 + strspn(dot + 2, "0123456789")] != '\0' ||
	    dot - tag <= IMAGES_NAME_KEY || dot[-IMAGES_NAME_KEY - 1] != '-')
		return 0;
	return (size_t)(dot - tag);
}

static bool has_whole(const struct pile *p, const char *stage, size_t len)
{
	for (size_t i = 0; i < p->all.n; i++)
		for (char **t = p->all.items[i].tags; *t != NULL; t++) {
			const char *tag = pile_own(p, *t);

			if (tag != NULL && strlen(tag) == len &&
			    memcmp(tag, stage, len) == 0)
				return true;
		}
	return false;
}

/* Of a build that does not go on, or of an image that is gone. */
static bool is_left(struct components *c, const struct pile *p, const char *tag)
{
	size_t stage = stage_of(tag);

	if (strncmp(tag, "building-", BUILDING_LEN) == 0)
		return !is_building(c, tag);
	return stage > 0 && !has_whole(p, tag, stage);
}

static void drop_left(
    struct components *c, const struct ctx *ctx, struct err *err)
{
	CLEANUP(pile_fini) struct pile p = {.parent = NULL};

	if (pile_read(&p, c, ctx, err) < 0)
		return;
	for (size_t i = 0; i < p.all.n; i++)
		for (char **t = p.all.items[i].tags; *t != NULL; t++) {
			const char *tag = pile_own(&p, *t);

			if (tag == NULL || !is_left(c, &p, tag))
				continue;
			if (pile_drop(&p, c->config.engine, ctx, i, *t, err) <
			    0)
				log_debug(ctx, "the rest of a build stays",
				    LOG_ERR(err));
			err_clear(err); /* still in use: the next time */
		}
}

void images_build_begin(struct components *c)
{
	mtx_lock(&c->mtx);
	while (c->unnaming)
		cond_wait(&c->changed, &c->mtx);
	c->building++;
	mtx_unlock(&c->mtx);
}

void images_build_end(struct components *c)
{
	mtx_lock(&c->mtx);
	c->building--;
	mtx_unlock(&c->mtx);
}

/* The last image of a build is named when it is whole: one that was listed
 * without a name could have one by now, and lose it. */
static bool may_unname(struct components *c)
{
	bool may;

	mtx_lock(&c->mtx);
	may = c->building == 0;
	c->unnaming = may;
	mtx_unlock(&c->mtx);
	return may; /* else the next time */
}

/* Those without a name, of which the ends go; what is in use, or below
 * something that is, refuses. Returns who they were; for mem_free. */
static char *remove_ends(
    struct components *c, const struct ctx *ctx, struct err *err)
{
	CLEANUP(engine_image_refs_free) char **refs = NULL;
	CLEANUP(mem_free)
	char *ours = mem_printf(IMAGES_OWNER "=%s", c->config.hub_id);
	/* One alone: Podman 4.3 finds nothing that must bear two. */
	const char *const labels[] = {ours, NULL};
	char *all = mem_strdup(""), *more;

	if (engine_image_list(c->config.engine, ctx, labels, &refs, err) < 0)
		return all;
	for (char **r = refs; *r != NULL; r++) {
		if (strncmp(*r, "sha256:", 7) != 0)
			continue;
		IGNORE(engine_image_remove(c->config.engine, ctx, *r, err));
		err_clear(err);
		more = mem_printf("%s%s", all, *r);
		mem_free(all);
		all = more;
	}
	return all;
}

/* Built again, or its name was taken away by hand; with Podman each layer of a
 * build that failed, which come to light one below the other. The label could
 * be anybody's: one that nobody names and no container uses is no loss. */
static void list_and_remove_unnamed(
    struct components *c, const struct ctx *ctx, struct err *err)
{
	char *before = mem_strdup(""), *now = remove_ends(c, ctx, err);

	for (int i = 0; i < DEPTH_MAX && strcmp(before, now) != 0; i++) {
		mem_free(before);
		before = now;
		now = remove_ends(c, ctx, err);
	}
	mem_free(before);
	mem_free(now);
}

static void remove_unnamed(
    struct components *c, const struct ctx *ctx, struct err *err)
{
	if (!may_unname(c))
		return;
	list_and_remove_unnamed(c, ctx, err);
	mtx_lock(&c->mtx);
	c->unnaming = false;
	cond_broadcast(&c->changed);
	mtx_unlock(&c->mtx);
}

/* -- the budget ---------------------------------------------------------- */

struct built {
	const char *ref, *tag; /* borrowed from the pile */
	int64_t used_at;
	bool stays; /* somebody uses it */
};
struct budget {
	struct components *c;
	const struct ctx *ctx;
	struct pile pile;
	struct built *v;
	size_t n;
};

static int collect(struct budget *b, struct err *err)
{
	for (size_t i = 0; i < b->pile.all.n; i++)
		for (char **t = b->pile.all.items[i].tags; *t != NULL; t++) {
			CLEANUP(engine_image_fini)
			struct engine_image image = {{0}};
			const char *tag = pile_own(&b->pile, *t);

			if (tag == NULL || stage_of(tag) > 0 ||
			    strncmp(tag, "building-", BUILDING_LEN) == 0)
				continue;
			TRY(engine_image_inspect(
			    b->c->config.engine, b->ctx, *t, &image, err));
			b->v = mem_realloc(b->v, (b->n + 1) * sizeof(*b->v));
			b->v[b->n++] = (struct built){.ref = *t,
			    .tag = tag,
			    .used_at = image.tagged_at > image.created_at
					   ? image.tagged_at
					   : image.created_at};
		}
	return 0;
}

static struct built *least_recent(const struct budget *b)
{
	struct built *found = NULL;

	for (size_t i = 0; i < b->n; i++)
		if (!b->v[i].stays &&
		    (found == NULL || b->v[i].used_at < found->used_at))
			found = &b->v[i];
	return found;
}

static bool is_too_much(const struct budget *b)
{
	CLEANUP(mem_free)
	const char **names = mem_calloc(b->n + 1, sizeof(*names));

	for (size_t i = 0; i < b->n; i++)
		names[i] = b->v[i].tag;
	return pile_bytes(&b->pile, names, b->n) >
	       b->c->config.options->images_bytes;
}

/* From here on whoever looks for it waits; false: somebody has it. */
static bool claim(struct components *c, const char *tag)
{
	bool used = false;

	mtx_lock(&c->mtx);
	for (const struct flow *f = c->flows; f != NULL; f = f->next)
		used |= !f->over && strcmp(images_tag_of(f->image), tag) == 0;
	if (!used)
		snprintf(c->removing, sizeof(c->removing), "%s", tag);
	mtx_unlock(&c->mtx);
	return !used;
}

static void release(struct components *c)
{
	mtx_lock(&c->mtx);
	c->removing[0] = '\0';
	cond_broadcast(&c->changed);
	mtx_unlock(&c->mtx);
}

static void remove_stages(struct budget *b, const char *of)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < b->pile.all.n; i++)
		for (char **t = b->pile.all.items[i].tags; *t != NULL; t++) {
			const char *tag = pile_own(&b->pile, *t);

			if (tag == NULL || !image_is_stage_of(tag, of))
				continue;
			IGNORE(engine_image_remove(
			    b->c->config.engine, b->ctx, *t, &err));
			err_clear(&err); /* is_left takes it the next time */
		}
}

static void remove_built(struct budget *b, struct built *v)
{
	struct err err = ERR_INIT;
	int r;

	v->stays = true;
	if (!claim(b->c, v->tag))
		return;
	r = engine_image_remove(b->c->config.engine, b->ctx, v->ref, &err);
	release(b->c);
	if (r < 0)
		return; /* a container uses it, or the engine is away */
	log_info(b->ctx, "removed the image of a component",
	    LOG_STR("image", v->ref));
	remove_stages(b, v->tag);
	*v = b->v[--b->n];
}

/* Of components that are nowhere any more. */
static void remove_left(struct budget *b)
{
	struct images_left left;
	int64_t again_at;

	images_left_begin(&left, b->c, b->ctx);
	for (size_t i = b->n; i-- > 0;)
		if (images_left_is_over(&left, b->v[i].tag))
			remove_built(
			    b, &b->v[i]); /* the last takes its place */
	again_at = images_left_end(&left);
	mtx_lock(&b->c->mtx);
	b->c->tidy_at = again_at;
	mtx_unlock(&b->c->mtx);
}

static void keep_budget(
    struct components *c, const struct ctx *ctx, struct err *err)
{
	struct budget b = {.c = c, .ctx = ctx};
	struct built *v;

	if (pile_read(&b.pile, c, ctx, err) == 0 && collect(&b, err) == 0) {
		if (b.n > 0)
			remove_left(&b);
		while ((v = least_recent(&b)) != NULL &&
		       (is_too_much(&b) ||
			   v->used_at < clock_wall_ns() - UNUSED_NS))
			remove_built(&b, v);
	}
	mem_free(b.v);
	pile_fini(&b.pile);
}

void images_tidy(struct components *c, const struct ctx *ctx)
{
	struct err err = ERR_INIT;

	mtx_lock(&c->mtx);
	while (c->tidying)
		cond_wait(&c->changed, &c->mtx);
	c->tidying = true;
	c->tidy_at = CLOCK_NO_DEADLINE; /* nothing there: no reason */
	mtx_unlock(&c->mtx);
	drop_left(c, ctx, &err);
	if (err.kind == ERR_NONE)
		keep_budget(c, ctx, &err);
	if (err.kind == ERR_NONE)
		remove_unnamed(c, ctx, &err);
	if (err.kind != ERR_NONE && err.kind != ERR_CANCELED)
		log_warn(ctx,
		    "cannot look after the images of components, the "
		    "next start does",
		    LOG_ERR(&err));
	mtx_lock(&c->mtx);
	c->tidying = false;
	cond_broadcast(&c->changed);
	mtx_unlock(&c->mtx);
}
