/*
 * Copies a directory of this machine as an archive of it would be unpacked:
 * see unpack.h and tree.h. Called for file: sources on the caller's thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "components/tree.h"

enum { CHUNK = 1 << 20 };

struct copying {
	struct tree tree;
	const char *from;   /* for messages */
	struct stat target; /* is not copied into itself */
	char path[TREE_PATH_MAX];
};

static void directory_close(DIR *d)
{
	if (d != NULL)
		closedir(d);
}
DEFINE_CLEANUP(DIR *, directory_close);

static int copy_directory(struct copying *c, int fd, struct err *err);

static int copy_bytes(struct copying *c, int in, int out, struct err *err)
{
	ssize_t n;

	for (;;) {
		TRY(ctx_check(c->tree.ctx, err));
		n = sendfile(out, in, NULL, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "copy %.200s of %.160s",
			    c->path, c->from);
		if (n == 0)
			return 0;
		TRY(tree_count_bytes(&c->tree, n, err));
		c->tree.report->packed += n;
	}
}

static int copy_file(
    struct copying *c, int dir, const char *name, struct err *err)
{
	/* Not blocked by a fifo that took the name meanwhile. */
	CLEANUP(fd_close)
	int in =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CLEANUP(fd_close) int out = -1;
	struct stat st;
	int r;

	if (in < 0 && errno == EACCES)
		return tree_leave_out(&c->tree, c->path, "not readable");
	if (in < 0 || fstat(in, &st) < 0)
		return err_sys(
		    err, errno, "open %.200s of %.160s", c->path, c->from);
	if (!S_ISREG(st.st_mode))
		return tree_leave_out(&c->tree, c->path, "no longer a file");
	r = tree_put_file(
	    &c->tree, c->path, (st.st_mode & 0100) != 0, &out, err);
	return r <= 0 ? r : copy_bytes(c, in, out, err);
}

static int copy_link(
    struct copying *c, int dir, const char *name, struct err *err)
{
	char target[TREE_PATH_MAX + 1];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(
		    err, errno, "read link %.200s of %.160s", c->path, c->from);
	target[n] = '\0';
	return tree_put_link(&c->tree, c->path, target, err);
}

static int enter(struct copying *c, int dir, const char *name, struct err *err)
{
	CLEANUP(fd_close)
	int fd =
	    openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 && errno == EACCES)
		return tree_leave_out(&c->tree, c->path, "not readable");
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(
		    err, errno, "open %.200s of %.160s", c->path, c->from);
	if (st.st_dev == c->target.st_dev && st.st_ino == c->target.st_ino)
		return tree_leave_out(&c->tree, c->path, "the copy itself");
	r = tree_put_directory(&c->tree, c->path, err);
	return r <= 0 ? r : copy_directory(c, fd_steal(&fd), err);
}

static int copy_entry(
    struct copying *c, int dir, const char *name, struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			   ? 0 /* removed meanwhile */
			   : err_sys(err, errno, "look at %.200s of %.160s",
				 c->path, c->from);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return enter(c, dir, name, err);
	case S_IFREG:
		return copy_file(c, dir, name, err);
	case S_IFLNK:
		return copy_link(c, dir, name, err);
	default:
		return tree_leave_out(
		    &c->tree, c->path, "a device or the like");
	}
}

/* c->path is that of fd; it is the same again when this returns 0. */
static int copy_named(
    struct copying *c, int fd, const char *name, struct err *err)
{
	size_t len = strlen(c->path);
	CLEANUP(mem_free)
	char *full = mem_printf("%s%s%s", c->path, len > 0 ? "/" : "", name);
	int r = tree_name(&c->tree, full, 0, c->path, err);

	if (r > 0)
		r = copy_entry(c, fd, name, err);
	c->path[len] = '\0';
	return r;
}

static bool is_left_out(const struct copying *c, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	return *c->path == '\0' && strcmp(name, ".git") == 0;
}

/* Owns fd. Recursion is as deep as tree_name lets paths be. */
static int copy_directory(struct copying *c, int fd, struct err *err)
{
	CLEANUP(directory_close) DIR *d = fdopendir(fd);
	const struct dirent *e;

	if (d == NULL) {
		fd_close(fd);
		return err_sys(err, errno, "list %.160s", c->from);
	}
	for (;;) {
		TRY(ctx_check(c->tree.ctx, err));
		errno = 0;
		e = readdir(d);
		if (e == NULL && errno != 0)
			return err_sys(err, errno, "list %.160s", c->from);
		if (e == NULL)
			return 0;
		if (!is_left_out(c, e->d_name))
			TRY(copy_named(c, dirfd(d), e->d_name, err));
	}
}

int unpack_directory(int dir_fd, const char *from,
    const struct unpack_limits *limits, const struct ctx *ctx,
    struct unpack_report *ret, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct copying c = {.from = from};
	int r;

	if (fd < 0)
		return err_sys(err, errno, "open the source %.200s", from);
	if (fstat(dir_fd, &c.target) < 0)
		return err_sys(err, errno, "look at the copy's directory");
	tree_begin(&c.tree, dir_fd, limits, ctx, ret);
	r = copy_directory(&c, fd_steal(&fd), err);
	tree_end(&c.tree);
	return r < 0 ? -1 : 0;
}
