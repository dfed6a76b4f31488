/*
 * The work directories of a session's caller: see grounds.h. What a container
 * gets of them is in grounds_mount.c. Any thread; called while a session or a
 * container of it is being made.
 */
#include "containers/grounds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#define GROUNDS_MAX 256

void grounds_fini(struct grounds *g)
{
	for (size_t i = 0; i < g->n; i++) {
		mem_free(g->v[i].here);
		mem_free(g->v[i].host);
		mem_free(g->v[i].volume);
	}
	mem_free(g->v);
	*g = (struct grounds){.v = NULL};
}

/* -- adding ------------------------------------------------------------ */

/* The root directory would be the whole machine. */
static int check_directory(const char *path, struct err *err)
{
	if (strcmp(path, "/") != 0)
		return 0;
	return err_set(err, ERR_INVALID, "bad_ground",
	    "\"/\" cannot be a work directory: it is the whole machine");
}

static int fill(struct ground *g, const char *here, const char *host,
    const char *volume, struct err *err)
{
	TRY(path_normalise(here, &g->here, err));
	TRY(check_directory(g->here, err));
	if (volume == NULL) {
		TRY(path_normalise(host != NULL ? host : here, &g->host, err));
		return check_directory(g->host, err);
	}
	if (!mount_is_volume_name(volume))
		return err_set(err, ERR_INVALID, "bad_ground",
		    "work directory %.200s: \"%.100s\" is no name of a volume",
		    here, volume);
	g->volume = mem_strdup(volume);
	return 0;
}

int grounds_add(struct grounds *g, const char *here, const char *host,
    const char *volume, bool read_only, struct err *err)
{
	struct ground *new;

	if (g->n == GROUNDS_MAX)
		return err_set(err, ERR_LIMIT, "too_many_grounds",
		    "more than %d work directories", GROUNDS_MAX);
	g->v = mem_realloc(g->v, (g->n + 1) * sizeof(*g->v));
	new = &g->v[g->n];
	*new = (struct ground){.read_only = read_only};
	g->n++; /* whatever fill leaves, fini frees */
	if (fill(new, here, host, volume, err) == 0)
		return 0;
	g->n--;
	mem_free(new->here);
	mem_free(new->host);
	mem_free(new->volume);
	return -1;
}

static int read_one(struct grounds *g, const json_t *item, struct err *err)
{
	const char *here = json_string_value(json_object_get(item, "here"));
	const char *host = json_string_value(json_object_get(item, "host"));
	const char *volume = json_string_value(json_object_get(item, "volume"));

	if (here == NULL)
		return err_set(err, ERR_INVALID, "bad_ground",
		    "a work directory is an object with \"here\" and \"host\" "
		    "or \"volume\"");
	return grounds_add(g, here, host, volume,
	    json_is_true(json_object_get(item, "readOnly")), err);
}

int grounds_read(struct grounds *g, const json_t *list, struct err *err)
{
	if (list != NULL && !json_is_array(list) && !json_is_null(list))
		return err_set(err, ERR_INVALID, "bad_ground",
		    "the work directories are not a list");
	for (size_t i = 0; i < json_array_size(list); i++)
		TRY(read_one(g, json_array_get(list, i), err));
	return 0;
}

/* -- looking ----------------------------------------------------------- */

const struct ground *grounds_find(const struct grounds *g, const char *path)
{
	const struct ground *best = NULL;

	for (size_t i = 0; i < g->n; i++)
		if (path_is_below(path, g->v[i].here) &&
		    (best == NULL || strlen(g->v[i].here) > strlen(best->here)))
			best = &g->v[i];
	return best;
}

int grounds_outside(const char *path, struct err *err)
{
	return err_set(err, ERR_FORBIDDEN, "outside_grounds",
	    "%.300s is not within the work directories of this runner; the "
	    "hub's administrator can add one with RUNNERHUB_WORK_ROOTS",
	    path);
}

static int open_below(
    const char *base, const char *rest, const char *path, struct err *err)
{
	const struct open_how how = {
	    .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	CLEANUP(fd_close)
	int dir = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long fd;

	if (dir < 0)
		return err_sys(err, errno, "open the work directory %s", base);
	fd = syscall(
	    SYS_openat2, dir, *rest != '\0' ? rest : ".", &how, sizeof(how));
	if (fd >= 0)
		return (int)fd;
	if (errno == EXDEV)
		return err_set(err, ERR_FORBIDDEN, "outside_grounds",
		    "%.300s leads out of the work directory by a link", path);
	return err_sys(err, errno, "open %.300s", path);
}

int grounds_open(const struct grounds *g, const char *path,
    const char *mountpoint, int *ret_fd, struct err *err)
{
	CLEANUP(mem_free) char *clean = NULL;
	const struct ground *ground;
	const char *rest, *base;
	int fd;

	TRY(path_normalise(path, &clean, err));
	ground = grounds_find(g, clean);
	if (ground == NULL)
		return grounds_outside(clean, err);
	base = ground->host != NULL ? ground->host : mountpoint;
	if (base == NULL)
		return err_set(err, ERR_INVALID, "volume_out_of_reach",
		    "%.300s is on volume %s, whose files this hub cannot see",
		    clean, ground->volume);
	rest = clean + strlen(ground->here);
	fd = open_below(base, rest + strspn(rest, "/"), clean, err);
	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}
