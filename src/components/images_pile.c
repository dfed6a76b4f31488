/*
 * All images of the engine as a forest: which are ours, what they weigh, what
 * hangs on them. See images.h. Pure but for pile_read and pile_drop.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "components/flow.h"
#include "components/images.h"

/* What Podman puts in front of names that came from no registry. */
static const char *const local[] = {"localhost/", "docker.io/library/"};

static const char *behind(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : text;
}

/* Podman writes ids of parents without their kind. */
static int index_of(const struct engine_images *all, const char *id)
{
	static const char kind[] = "sha256:";

	id = behind(id, kind);
	for (size_t i = 0; id[0] != '\0' && i < all->n; i++)
		if (strcmp(behind(all->items[i].id, kind), id) == 0)
			return (int)i;
	return -1;
}

void pile_grow(struct pile *p)
{
	p->parent = mem_calloc(p->all.n + 1, sizeof(*p->parent));
	for (size_t i = 0; i < p->all.n; i++)
		p->parent[i] = index_of(&p->all, p->all.items[i].parent);
}

int pile_read(struct pile *p, struct components *c, const struct ctx *ctx,
    struct err *err)
{
	*p = (struct pile){.parent = NULL};
	images_repo(c, p->repo);
	TRY(engine_image_list_all(c->config.engine, ctx, &p->all, err));
	pile_grow(p);
	return 0;
}

void pile_fini(struct pile *p)
{
	engine_images_free(&p->all);
	mem_free(p->parent);
	p->parent = NULL;
}

const char *pile_own(const struct pile *p, const char *ref)
{
	size_t n = strlen(p->repo);

	for (size_t i = 0; i < ARRAY_LEN(local); i++)
		ref = behind(ref, local[i]);
	return strncmp(ref, p->repo, n) == 0 && ref[n] == ':' ? ref + n + 1
							      : NULL;
}

/* -- what they weigh --------------------------------------------------- */

bool image_is_stage_of(const char *tag, const char *of)
{
	size_t n = strlen(of);

	return strncmp(tag, of, n) == 0 && strncmp(tag + n, ".s", 2) == 0 &&
	       isdigit((unsigned char)tag[n + 2]);
}

/* Somebody else's: what ours are built on, and nothing that we can free. */
static bool is_foreign(const struct pile *p, int at)
{
	for (char **t = p->all.items[at].tags; *t != NULL; t++)
		if (pile_own(p, *t) == NULL)
			return true;
	return false;
}

static int64_t weigh(const struct pile *p, int at, bool *counted)
{
	int64_t sum = 0;

	for (; at >= 0 && !counted[at] && !is_foreign(p, at);
	     at = p->parent[at]) {
		int64_t size = p->all.items[at].size_bytes;
		int below = p->parent[at];

		if (below >= 0)
			size -= p->all.items[below].size_bytes;
		sum += size > 0 ? size : 0;
		counted[at] = true;
	}
	return sum;
}

static bool is_among(const char *tag, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(tag, names[i]) == 0 ||
		    image_is_stage_of(tag, names[i]))
			return true;
	return false;
}

int64_t pile_bytes(const struct pile *p, const char *const *names, size_t n)
{
	CLEANUP(mem_free)
	bool *counted = mem_calloc(p->all.n + 1, sizeof(*counted));
	int64_t sum = 0;

	for (size_t i = 0; i < p->all.n; i++)
		for (char **t = p->all.items[i].tags; *t != NULL; t++) {
			const char *tag = pile_own(p, *t);

			if (tag != NULL && is_among(tag, names, n))
				sum += weigh(p, (int)i, counted);
		}
	return sum;
}

/* -- what hangs on one -------------------------------------------------- */

static bool has_child(const struct pile *p, size_t at)
{
	for (size_t i = 0; i < p->all.n; i++)
		if (p->parent[i] == (int)at)
			return true;
	return false;
}

/* By images without a name only. */
static bool hangs_on(const struct pile *p, size_t at, size_t on)
{
	int i = (int)at;

	while (i >= 0 && i != (int)on && p->all.items[i].tags[0] == NULL)
		i = p->parent[i];
	return i == (int)on && at != on;
}

int pile_drop(const struct pile *p, struct engine *e, const struct ctx *ctx,
    size_t at, const char *ref, struct err *err)
{
	/* With an end its unnamed parents go, up to what has a name. */
	for (size_t i = 0; i < p->all.n; i++)
		if (hangs_on(p, i, at) && !has_child(p, i))
			TRY(engine_image_remove(
			    e, ctx, p->all.items[i].id, err));
	return engine_image_remove(e, ctx, ref, err);
}
