/*
 * The embedded catalog: see catalog.h. Called by whoever asks, on their
 * thread; owns nothing between calls.
 */
#include "components/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

enum { FILES_MAX = 2000, CATALOG_MAX = 5000 };
#define FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define FILE_NAME      "catalog-info.yaml"

struct reading {
	struct catalog c;
	size_t files;
};

void catalog_fini(struct catalog *c)
{
	for (size_t i = 0; i < c->n; i++)
		entity_fini(&c->v[i]);
	mem_free(c->v);
	*c = (struct catalog){0};
}

const struct entity *catalog_find(
    const struct catalog *c, const struct entity_ref *ref)
{
	for (size_t i = 0; i < c->n; i++)
		if (entity_ref_equal(&c->v[i].ref, ref))
			return &c->v[i];
	return NULL;
}

/* Takes the entities. */
static int add(struct reading *r, struct entity *v, size_t n, struct err *err)
{
	if (r->c.n + n > CATALOG_MAX)
		return err_set(err, ERR_LIMIT, "catalog_too_large",
		    "the catalog has more than %d entities", CATALOG_MAX);
	r->c.v = mem_realloc(r->c.v, (r->c.n + n + 1) * sizeof(*v));
	memcpy(r->c.v + r->c.n, v, n * sizeof(*v));
	r->c.n += n;
	return 0;
}

static void tell_problems(const struct problems *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		log_warn(NULL, "a problem in a catalog file",
		    LOG_STR("file", path), LOG_INT("line", p->v[i].line),
		    LOG_STR("problem", p->v[i].text));
}

static int read_file(struct reading *r, const char *path, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = FILE_BYTES_MAX};
	CLEANUP(problems_fini) struct problems problems = {0};
	CLEANUP(mem_free) char *location = NULL;
	struct entity *v = NULL;
	size_t n = 0;
	int taken;

	if (++r->files > FILES_MAX)
		return err_set(err, ERR_LIMIT, "catalog_too_large",
		    "the catalog has more than %d files", FILES_MAX);
	TRY(fs_read_file(path, &text, err));
	location =
	    mem_printf("file:%.*s", (int)(strrchr(path, '/') - path), path);
	TRY(entities_from_yaml(
	    buf_str(&text), text.len, path, location, &v, &n, &problems, err));
	tell_problems(&problems, path);
	taken = add(r, v, n, err);
	for (size_t i = 0; taken < 0 && i < n; i++)
		entity_fini(&v[i]);
	mem_free(v);
	return taken;
}

/* A file of a directory must not hide the others. */
static int read_among(struct reading *r, const char *path, struct err *err)
{
	if (read_file(r, path, err) == 0 || err->kind == ERR_LIMIT)
		return err->kind == ERR_LIMIT ? -1 : 0;
	log_warn(NULL, "a catalog file is left out", LOG_STR("file", path),
	    LOG_ERR(err));
	err_clear(err);
	return 0;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int read_below(
    struct reading *r, const char *dir, const char *name, struct err *err)
{
	CLEANUP(mem_free)
	char *path = mem_printf("%s/%s/" FILE_NAME, dir, name);

	if (name[0] == '.' || !is_file(path))
		return 0;
	return read_among(r, path, err);
}

static int read_directory(struct reading *r, const char *path, struct err *err)
{
	CLEANUP(mem_free) char *own = mem_printf("%s/" FILE_NAME, path);
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), status = 0;

	if (n < 0)
		return err_sys(
		    err, errno, "read the catalog directory %s", path);
	if (is_file(own))
		status = read_among(r, own, err);
	for (int i = 0; i < n; i++) {
		if (status == 0)
			status = read_below(r, path, names[i]->d_name, err);
		free(names[i]); /* allow: free, scandir allocated it */
	}
	free(names); /* allow: free, scandir allocated it */
	return status;
}

static int read_place(struct reading *r, const char *place, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (realpath(place, path) == NULL || stat(path, &st) < 0)
		return err_sys(
		    err, errno, "the catalog %s (components.catalog)", place);
	if (S_ISDIR(st.st_mode))
		return read_directory(r, path, err);
	return read_file(r, path, err);
}

int catalog_read(const char *places, struct catalog *ret, struct err *err)
{
	CLEANUP(mem_free) char *copy = mem_strdup_or_null(places);
	struct reading r = {0};
	char *save, *place;

	place = copy != NULL ? strtok_r(copy, ",", &save) : NULL;
	for (; place != NULL; place = strtok_r(NULL, ",", &save)) {
		place += strspn(place, " ");
		if (read_place(&r, place, err) < 0) {
			catalog_fini(&r.c);
			return -1;
		}
	}
	*ret = r.c;
	return 0;
}
