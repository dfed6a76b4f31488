/*
 * A directory of ours that is being filled from a source that nobody trusts.
 * What tree_name lets through can be placed, and whatever is placed stays
 * beneath the root: parents are opened with openat2 and no link is followed
 * on the way; a symlink may go up only at its beginning, and not above the
 * root (".." behind another name could start from wherever that name leads).
 * Modes are those that git knows: 0755 for directories and what the owner may
 * execute, else 0644. One thread, and nobody else writes in the directory.
 *
 * What cannot be placed is left out and counted; what passes a bound is an
 * ERR_LIMIT "archive_too_large". Internal to components/.
 */
#ifndef COMPONENTS_TREE_H
#define COMPONENTS_TREE_H

#include <stdbool.h>

#include "components/unpack.h"

enum {
	TREE_PATH_MAX = 3072, /* bytes, with the NUL */
	TREE_DEPTH_MAX = 100,
};

struct tree {
	int root; /* borrowed */
	const struct ctx *ctx;
	struct unpack_limits limits; /* no zeros */
	struct unpack_report *report;
	/* The parent that was used last: entries come directory by directory.
	 * parent_fd -1: none. */
	char parent[TREE_PATH_MAX];
	size_t parent_len;
	int parent_fd;
};

/* Clears *report. */
void tree_begin(struct tree *t, int root, const struct unpack_limits *limits,
    const struct ctx *ctx, struct unpack_report *report);
void tree_end(struct tree *t);

/* name as the source wrote it to a path in the tree, without the first strip
 * directories: 1, with "" for the root itself; 0: left out; -1. */
int tree_name(struct tree *t, const char *name, int strip,
    char out[TREE_PATH_MAX], struct err *err) MUST_CHECK;
/* Counts and places; path is of tree_name. 1, 0: left out, -1. What is there
 * already, other than a directory, is replaced. */
int tree_put_directory(
    struct tree *t, const char *path, struct err *err) MUST_CHECK;
int tree_put_file(struct tree *t, const char *path, bool executable,
    int *ret_fd, struct err *err) MUST_CHECK;
int tree_put_link(struct tree *t, const char *path, const char *target,
    struct err *err) MUST_CHECK;

/* n bytes of content more. */
int tree_count_bytes(struct tree *t, int64_t n, struct err *err) MUST_CHECK;
/* Returns 0, so that `return tree_leave_out(...)` reads as one. */
int tree_leave_out(struct tree *t, const char *name, const char *why);

#endif
