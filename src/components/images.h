/*
 * The images that components were built into: named by what they were made
 * from, so that the same is not built twice, whatever hub comes next; and
 * removed, those first that were used least recently. Internal to components/.
 *
 *   runnerhub-<hub>:<component>-<key>         an image that is whole
 *   runnerhub-<hub>:<component>-<key>.s<n>    the end of its n-th stage
 *   runnerhub-<hub>:building-<instance>.<n>   how far the n-th stage of a
 *                                             build is (layers.c)
 *
 * Only by name is anything found or removed: labels can be written by a
 * Dockerfile, names cannot. The engine keeps when a name was given last, which
 * is how it is known what was used when.
 */
#ifndef COMPONENTS_IMAGES_H
#define COMPONENTS_IMAGES_H

#include <stdint.h>

#include "base/ctx.h"
#include "engine/run.h"

#define IMAGES_LABEL "runnerhub.build"  /* bears the whole key */
#define IMAGES_OWNER "runnerhub.images" /* bears the hub's id */
enum {
	IMAGES_KEY = 65,      /* hex and NUL */
	IMAGES_NAME_KEY = 32, /* of it, in a name */
	IMAGES_REPO = 24,
	IMAGES_TAG = 129, /* as long as one may be */
	IMAGES_NAME = 65, /* of a component in it */
};

struct components;
struct flow;

/* "runnerhub-1a2b3c4d" */
const char *images_repo(const struct components *c, char out[IMAGES_REPO]);
/* Of "repo:tag"; "" when there is none. */
const char *images_tag_of(const char *ref);
/* "component.default.demo": what the tags of its images begin with. */
void images_component_name(const char *ref, char out[IMAGES_NAME]);
/*
 * The name of f's image (f->image, f->key) from all that it is made from: f->d
 * and content, a commit or the sum of the context. From now on it is in use.
 */
void images_name(struct flow *f, const char *content);
/* 1: it is there already; 0: it must be built; -1. */
int images_find(struct flow *f, struct err *err) MUST_CHECK;
/* BLAKE2b of what stands in fd, from its beginning to its end, in hex. Leaves
 * it at the beginning. */
int images_sum(int fd, const struct ctx *ctx, char out[IMAGES_KEY],
    struct err *err) MUST_CHECK;

/* -- images_tidy.c ------------------------------------------------------- */
/*
 * Removes what no build goes on with, images that have lost their name, those
 * that nobody used for 30 days or whose component left the catalog
 * (images_left.h), and of the others the least recently used
 * until they fit components.images. None that is in use. Any thread; waits
 * while another does the same. Ends early with ctx.
 */
void images_tidy(struct components *c, const struct ctx *ctx);
/* Around a build: until its image has a name it must not be looked for by
 * those without. The first may wait. */
void images_build_begin(struct components *c);
void images_build_end(struct components *c);

/* -- images_pile.c: all images of the engine, and which are ours --------- */
struct pile {
	char repo[IMAGES_REPO];
	struct engine_images all;
	int *parent; /* of each; -1: none that is known */
};
int pile_read(struct pile *p, struct components *c, const struct ctx *ctx,
    struct err *err) MUST_CHECK;
void pile_fini(struct pile *p);
static inline void pile_fini_guard(struct pile *p)
{
	pile_fini(p);
}
/* all is filled in: sets parent. */
void pile_grow(struct pile *p);
/* Is it the end of a stage of the image that has the other name? */
bool image_is_stage_of(const char *tag, const char *of);
/* What stands behind "<our repo>:" in a reference; NULL: not ours. */
const char *pile_own(const struct pile *p, const char *ref);
/* Bytes that are there only for images with these names (without stages), each
 * layer counted once, base images not at all. */
int64_t pile_bytes(const struct pile *p, const char *const *names, size_t n);
/* Removes the name at images[i], and the unnamed that was built on it. */
int pile_drop(const struct pile *p, struct engine *e, const struct ctx *ctx,
    size_t i, const char *ref, struct err *err) MUST_CHECK;

#endif
