/* Patterns of the catalog: see catalog_glob.h. Any thread. */
#include "components/catalog_glob.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

struct search {
	char *parts[CATALOG_GLOB_DEPTH];
	int nparts;
	size_t left; /* paths that may still be told */
	int looks;
	bool whole;
	void (*cb)(void *arg, const char *path);
	void *arg;
};

static void find(struct search *s, const char *dir, int part, int depth);

static bool is_many(const char *part)
{
	return strcmp(part, "**") == 0;
}

static bool is_directory(const char *path, bool follow)
{
	struct stat st;

	return (follow ? stat(path, &st) : lstat(path, &st)) == 0 &&
	       S_ISDIR(st.st_mode);
}

static void tell(struct search *s, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	if (s->left == 0) {
		s->whole = false;
		return;
	}
	s->left--;
	s->cb(s->arg, path);
}

/* One name that matches a part: the end, or the way on. */
static void enter(struct search *s, const char *path, int part, int depth)
{
	if (part + 1 == s->nparts)
		tell(s, path);
	else if (is_directory(path, true))
		find(s, path, part + 1, depth);
}

static void meet(
    struct search *s, const char *dir, const char *name, int part, int depth)
{
	CLEANUP(mem_free)
	char *path =
	    mem_printf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);

	if (!is_many(s->parts[part])) {
		if (fnmatch(s->parts[part], name, FNM_PERIOD) == 0)
			enter(s, path, part, depth);
	} else if (name[0] != '.' && is_directory(path, false)) {
		find(s, path, part, depth + 1);
	}
}

static void each_name(struct search *s, const char *dir, int part, int depth)
{
	struct dirent **names;
	int n = s->whole ? scandir(dir, &names, NULL, alphasort) : -1;

	if (n < 0)
		return; /* not for the hub, or gone meanwhile */
	for (int i = 0; i < n; i++) {
		if (strcmp(names[i]->d_name, ".") != 0 &&
		    strcmp(names[i]->d_name, "..") != 0)
			meet(s, dir, names[i]->d_name, part, depth);
		free(names[i]); /* allow: free, scandir allocated it */
	}
	free(names); /* allow: free, scandir allocated it */
}

/* A part that is just a name, "..", too. */
static void follow(struct search *s, const char *dir, int part, int depth)
{
	CLEANUP(mem_free)
	char *path = mem_printf(
	    "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, s->parts[part]);

	enter(s, path, part, depth);
}

/* What stands below dir of the parts from `part` on. */
static void find(struct search *s, const char *dir, int part, int depth)
{
	if (depth > CATALOG_GLOB_DEPTH || ++s->looks > CATALOG_GLOB_LOOKS)
		s->whole = false;
	if (!s->whole)
		return;
	if (is_many(s->parts[part]) && part + 1 < s->nparts)
		find(s, dir, part + 1, depth); /* it stands for nothing */
	if (strpbrk(s->parts[part], "*?[") == NULL)
		follow(s, dir, part, depth);
	else
		each_name(s, dir, part, depth);
}

bool catalog_glob(const char *pattern, size_t max,
    void (*cb)(void *arg, const char *path), void *arg)
{
	CLEANUP(mem_free) char *copy = mem_strdup(pattern);
	struct search s = {.left = max, .whole = true, .cb = cb, .arg = arg};
	char *save = NULL;

	for (char *p = strtok_r(copy, "/", &save); p != NULL;
	     p = strtok_r(NULL, "/", &save)) {
		bool again = s.nparts > 0 && is_many(p) &&
			     is_many(s.parts[s.nparts - 1]);

		if (s.nparts == CATALOG_GLOB_DEPTH)
			return false;
		if (!again) /* two in a row say the same as one */
			s.parts[s.nparts++] = p;
	}
	if (s.nparts > 0)
		find(&s, pattern[0] == '/' ? "/" : ".", 0, 0);
	return s.whole;
}
