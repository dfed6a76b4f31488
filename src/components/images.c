/*
 * The images that components were built into, by what they were made from: see
 * images.h. The flow's thread.
 */
#include "components/images.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "components/flow.h"

/* Changes when images must not be taken for those of an earlier version. */
#define KEY_VERSION "1"
enum { BLOCK = 65536 };

const char *images_repo(const struct components *c, char out[IMAGES_REPO])
{
	snprintf(out, IMAGES_REPO, "runnerhub-%.8s", c->config.hub_id);
	return out;
}

/* -- what it is made from ----------------------------------------------- */

static void hex(const unsigned char *sum, char out[IMAGES_KEY])
{
	sodium_bin2hex(out, IMAGES_KEY, sum, crypto_generichash_BYTES);
}

/* With its length, so that no two lists of fields read the same. */
static void add(crypto_generichash_state *s, const char *text)
{
	uint64_t n = text != NULL ? strlen(text) : UINT64_MAX;

	crypto_generichash_update(s, (const unsigned char *)&n, sizeof(n));
	if (text != NULL)
		crypto_generichash_update(s, (const unsigned char *)text, n);
}

static int by_name(const void *a, const void *b)
{
	const struct descriptor_pair *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void add_args(crypto_generichash_state *s, const struct descriptor *d)
{
	CLEANUP(mem_free)
	struct descriptor_pair *args = mem_calloc(d->nargs + 1, sizeof(*args));

	for (size_t i = 0; i < d->nargs; i++)
		args[i] = d->args[i];
	qsort(args, d->nargs, sizeof(*args), by_name);
	for (size_t i = 0; i < d->nargs; i++) {
		add(s, args[i].name);
		add(s, args[i].value);
	}
}

static void make_key(
    const struct flow *f, const char *content, char out[IMAGES_KEY])
{
	unsigned char sum[crypto_generichash_BYTES];
	crypto_generichash_state s;

	crypto_generichash_init(&s, NULL, 0, sizeof(sum));
	add(&s, KEY_VERSION);
	add(&s, f->component_ref);
	add(&s, content);
	add(&s, f->source.directory);
	add(&s, f->d.dockerfile);
	add(&s, f->d.context);
	add(&s, f->d.target);
	add_args(&s, &f->d);
	crypto_generichash_final(&s, sum, sizeof(sum));
	hex(sum, out);
}

void images_component_name(const char *ref, char out[IMAGES_NAME])
{
	size_t n = 0;

	for (; *ref != '\0' && n < IMAGES_NAME - 1; ref++) {
		char c = (char)tolower((unsigned char)*ref);

		out[n++] =
		    isalnum((unsigned char)c) || c == '_' || c == '-' ? c : '.';
	}
	out[n] = '\0';
}

/* "runnerhub-1a2b3c4d:component.default.demo-<key>" */
void images_name(struct flow *f, const char *content)
{
	char repo[IMAGES_REPO], name[IMAGES_NAME];

	make_key(f, content, f->key);
	images_component_name(f->component_ref, name);
	images_repo(f->owner, repo);
	mtx_lock(&f->owner->mtx);
	snprintf(f->image, sizeof(f->image), "%s:%s-%.*s", repo, name,
	    IMAGES_NAME_KEY, f->key);
	mtx_unlock(&f->owner->mtx);
}

int images_sum(
    int fd, const struct ctx *ctx, char out[IMAGES_KEY], struct err *err)
{
	unsigned char sum[crypto_generichash_BYTES], block[BLOCK];
	crypto_generichash_state s;
	ssize_t n = 1;

	crypto_generichash_init(&s, NULL, 0, sizeof(sum));
	while (n > 0) {
		TRY(ctx_check(ctx, err));
		n = read(fd, block, sizeof(block));
		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "read the build context");
		if (n > 0)
			crypto_generichash_update(&s, block, (size_t)n);
		else if (n < 0)
			n = 1; /* again */
	}
	if (lseek(fd, 0, SEEK_SET) != 0)
		return err_sys(err, errno, "rewind the build context");
	crypto_generichash_final(&s, sum, sizeof(sum));
	hex(sum, out);
	return 0;
}

/* -- is it there? ------------------------------------------------------- */

const char *images_tag_of(const char *ref)
{
	const char *colon = strrchr(ref, ':');

	return colon != NULL ? colon + 1 : "";
}

/* It may just be on its way out. */
static void await_removal(struct flow *f)
{
	struct components *c = f->owner;

	mtx_lock(&c->mtx);
	while (strcmp(c->removing, images_tag_of(f->image)) == 0)
		cond_wait(&c->changed, &c->mtx);
	mtx_unlock(&c->mtx);
}

int images_find(struct flow *f, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image image = {{0}};
	struct engine *e = f->owner->config.engine;
	char repo[IMAGES_REPO];
	const char *key;

	await_removal(f);
	if (f->origin.rebuild)
		return 0;
	if (engine_image_inspect(e, &f->start, f->image, &image, err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	key = engine_image_label(&image, IMAGES_LABEL);
	if (key == NULL || strcmp(key, f->key) != 0)
		return 0; /* somebody else gave it our name */
	/* Used now: it shall not be the next to go. */
	TRY(engine_image_tag(e, &f->start, f->image,
	    images_repo(f->owner, repo), images_tag_of(f->image), err));
	return 1;
}
