/*
 * Finds out whether the runner is itself in a container of the engine that
 * makes the job's: then the engine knows the directories behind its mounts
 * under other names. Called before the first mount of a command.
 */
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "hook/direct_internal.h"

#define MOUNTINFO_MAX ((size_t)4 * 1024 * 1024)
#define DOCUMENT_MAX  ((size_t)4 * 1024 * 1024)

struct search {
	struct direct *d;
	const struct ctx *ctx;
	struct err *err;
};

/* 1 known and read, 0 the engine does not know it, -1 error. */
static int try_id(void *arg, const char id[65])
{
	struct search *s = arg;
	CLEANUP(buf_fini) struct buf doc = {.max = DOCUMENT_MAX};

	if (engine_container_document(s->d->engine, s->ctx, id, &doc, s->err) !=
	    0) {
		if (s->err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(s->err);
		return 0;
	}
	TRY(paths_from_document(&s->d->paths, buf_str(&doc), doc.len, s->err));
	return 1;
}

/* The engine's default host name of a container: its short id. */
static bool short_id(char out[65])
{
	size_t i;

	if (gethostname(out, 65) != 0)
		return false;
	out[64] = '\0';
	for (i = 0; i < 12 && out[i] != '\0'; i++)
		if (strchr("0123456789abcdef", out[i]) == NULL)
			return false;
	return i == 12 && out[12] == '\0';
}

int direct_find_paths(struct direct *d, const struct ctx *ctx, struct err *err)
{
	CLEANUP(buf_fini) struct buf info = {.max = MOUNTINFO_MAX};
	struct search s = {.d = d, .ctx = ctx, .err = err};
	struct err ignored = ERR_INIT;
	char name[65];
	int r = 0;

	if (d->paths_known)
		return 0;
	/* Without /proc nothing is known; the check of the files tells. */
	if (fs_read_file("/proc/self/mountinfo", &info, &ignored) == 0)
		r = paths_container_ids(buf_str(&info), try_id, &s);
	if (r == 0 && short_id(name))
		r = try_id(&s, name);
	d->paths_known = r >= 0;
	return r >= 0 ? 0 : -1;
}
