/*
 * A .dockerignore file: which paths of a build context stay out of it. A line
 * is a pattern ("*" and "?" within a name, "**" across them, "[a-z]", "\"
 * before a character that means itself), "!" takes back, "#" begins a comment;
 * the last line that matches a path, or a directory above it, decides. Pure.
 */
#ifndef CONTAINERS_DOCKERIGNORE_H
#define CONTAINERS_DOCKERIGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* What a file may have of each. */
#define DOCKERIGNORE_BYTES_MAX ((size_t)64 * 1024)
#define DOCKERIGNORE_LINES_MAX 1000

struct dockerignore_line {
	char *pattern; /* relative, without doubled or ending slashes */
	bool back;     /* "!" */
};
struct dockerignore {
	struct dockerignore_line *v;
	size_t n;
	bool takes_back; /* some line does: nothing can be left unlooked at */
};

/* ERR_INVALID "bad_dockerignore": a pattern cannot be read. */
int dockerignore_read(struct dockerignore *d, const char *text, size_t len,
    struct err *err) MUST_CHECK;
void dockerignore_fini(struct dockerignore *d);
static inline void dockerignore_fini_guard(struct dockerignore *d)
{
	dockerignore_fini(d);
}
/* path: relative, "a/b/c". The Dockerfile and .dockerignore themselves are
 * the caller's exceptions. */
bool dockerignore_leaves_out(const struct dockerignore *d, const char *path);

/* Does the whole path match? */
bool dockerignore_match(const char *pattern, const char *path);

#endif
