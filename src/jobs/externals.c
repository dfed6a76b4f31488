/* The programs of runners' images: see externals.h. Any thread. */
#include "jobs/externals.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/run.h"

/* <8 of the hub's id>-<its place>-<32 of the image's id> */
#define PREFIX "runnerhub-x-"

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
