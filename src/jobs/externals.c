/* The programs of runners' images: see externals.h. Any thread. */
#include "jobs/externals.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/run.h"

/* <8 of the hub's id>-<its place>-<32 of the image's id> */
#define PREFIX "runnerhub-x-"
enum { PLACES_MAX = 4 }; /* of one image */

char *externals_place(const char *work)
{
	const char *slash = strrchr(work, '/');

	if (slash == NULL || slash == work)
		return NULL;
	return mem_printf("%.*s/externals", (int)(slash - work), work);
}

/* FNV-1a. An image's directories are not ours to choose: what is at one place
 * must not pass for what is at another. */
static uint64_t hash_of(const char *place)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *place != '\0'; place++)
		hash = (hash ^ (unsigned char)*place) * UINT64_C(0x100000001b3);
	return hash;
}

/* A place is the caller's word, and each is a volume: those of an image that
 * nothing uses make room. A volume that is in use stays, and whoever finds his
 * gone has it filled again. */
static int make_room(
    struct hub *h, const struct ctx *ctx, const char *name, struct err *err)
{
	CLEANUP(engine_image_refs_free) char **names = NULL;
	const char *image = strrchr(name, '-'), *other;
	char mine[128];
	const char *const labels[] = {mine, "runnerhub.type=externals", NULL};
	size_t n = 0;

	snprintf(mine, sizeof(mine), "runnerhub.hub=%s", h->id);
	TRY(engine_volume_list(h->engine, ctx, labels, &names, err));
	for (char **v = names; *v != NULL; v++) {
		other = strrchr(*v, '-');
		if (other == NULL || strcmp(other, image) != 0 ||
		    strcmp(*v, name) == 0 || ++n < PLACES_MAX)
			continue;
		if (engine_volume_remove(h->engine, ctx, *v, err) < 0 &&
		    err->kind != ERR_CONFLICT)
			return -1;
		err_clear(err);
	}
	return 0;
}

int externals_ensure(struct hub *h, const struct ctx *ctx, const char *image,
    const char *place, char **ret, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image info = {.env = NULL};
	const struct engine_pair labels[] = {{"runnerhub.hub", h->id},
	    {"runnerhub.type", "externals"}, {NULL, NULL}};
	const char *id;

	TRY(engine_image_inspect(h->engine, ctx, image, &info, err));
	id = strchr(info.id, ':');
	*ret = mem_printf(PREFIX "%.8s-%016llx-%.32s", h->id,
	    (unsigned long long)hash_of(place), id != NULL ? id + 1 : info.id);
	TRY(make_room(h, ctx, *ret, err));
	return engine_volume_create(h->engine, ctx, *ret, labels, err);
}

/* By the beginning of its id, which the volume's name has. */
static bool image_is_there(
    struct hub *h, const struct ctx *ctx, const char *volume)
{
	CLEANUP(engine_image_fini) struct engine_image info = {.env = NULL};
	struct err err = ERR_INIT;

	return engine_image_inspect(h->engine, ctx, strrchr(volume, '-') + 1,
		   &info, &err) == 0 ||
	       err.kind != ERR_NOT_FOUND;
}

int externals_sweep(
    struct hub *h, const struct ctx *ctx, bool all, struct err *err)
{
	CLEANUP(engine_image_refs_free) char **names = NULL;
	char mine[128];
	const char *const labels[] = {mine, "runnerhub.type=externals", NULL};

	snprintf(mine, sizeof(mine), "runnerhub.hub=%s", h->id);
	TRY(engine_volume_list(h->engine, ctx, labels, &names, err));
	for (char **name = names; *name != NULL; name++) {
		if (strncmp(*name, PREFIX, strlen(PREFIX)) != 0 ||
		    (!all && image_is_there(h, ctx, *name)))
			continue;
		if (engine_volume_remove(h->engine, ctx, *name, err) < 0 &&
		    err->kind != ERR_CONFLICT)
			return -1;
		err_clear(err); /* in use: another time */
	}
	return 0;
}
