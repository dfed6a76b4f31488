/*
 * The build context of a container action: its directory as a tar, in an
 * unlinked file, so that a large one costs disk and no memory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/tar.h"
#include "containers/context.h"
#include "containers/dockerignore.h"

#define DEPTH_MAX   128
#define ENTRIES_MAX 1000000
#define CONTEXT_MAX (UINT64_C(8) * 1024 * 1024 * 1024)
#define COPY_BYTES  65536

#define IGNORE_FILE ".dockerignore"

struct packer {
	const struct ctx *ctx;
	int out;
	uint64_t written, max;
	struct buf head; /* headers and padding of one entry */
	struct dockerignore ignored;
	const char *dockerfile;
};

static int flush(struct packer *p, struct err *err)
{
	p->written += p->head.len;
	TRY(fs_write_all(p->out, p->head.data, p->head.len, err));
	buf_clear(&p->head);
	return 0;
}

/* Exactly size bytes: a file that shrinks meanwhile is filled with zeros,
 * one that grows is cut, as the header has promised. */
static int copy(struct packer *p, int fd, uint64_t size, struct err *err)
{
	char block[COPY_BYTES];

	for (uint64_t left = size; left > 0;) {
		size_t want =
		    left < sizeof(block) ? (size_t)left : sizeof(block);
		ssize_t n = read(fd, block, want);

		TRY(ctx_check(p->ctx, err));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read");
		if (n == 0) {
			memset(block, 0, want);
			n = (ssize_t)want;
		}
		TRY(fs_write_all(p->out, block, (size_t)n, err));
		left -= (uint64_t)n;
		p->written += (uint64_t)n;
	}
	tar_put_padding(&p->head, size);
	return flush(p, err);
}

static int pack_file(struct packer *p, int dir, const char *leaf,
    struct tar_entry *entry, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(err, errno, "open");
	if (!S_ISREG(st.st_mode)) /* since it was looked at */
		return err_set(err, ERR_CONFLICT, NULL,
		    "it was replaced while the context was packed");
	entry->type = TAR_FILE;
	entry->size = (uint64_t)st.st_size;
	if (p->written + entry->size > p->max)
		return err_set(err, ERR_LIMIT, "context_too_large",
		    "the build context is larger than %llu bytes",
		    (unsigned long long)p->max);
	tar_put_entry(&p->head, entry);
	TRY(flush(p, err));
	return copy(p, fd, entry->size, err);
}

static int pack_link(struct packer *p, int dir, const char *leaf,
    struct tar_entry *entry, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, leaf, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, errno, "read the link");
	target[n] = '\0';
	entry->type = TAR_SYMLINK;
	entry->link = target;
	tar_put_entry(&p->head, entry);
	entry->link = NULL; /* target ends here */
	return flush(p, err);
}

static int pack_directory(
    struct packer *p, int fd, const char *name, int depth, struct err *err);

static bool is_left_out(const struct packer *p, const char *name)
{
	return dockerignore_leaves_out(&p->ignored, name) &&
	       strcmp(name, IGNORE_FILE) != 0 &&
	       strcmp(name, p->dockerfile) != 0;
}

/* A directory that is left out can hold something that is not, even the
 * Dockerfile. */
static bool may_hold(const struct packer *p, const char *name)
{
	size_t len = strlen(name);

	return p->ignored.takes_back ||
	       (strncmp(p->dockerfile, name, len) == 0 &&
		   p->dockerfile[len] == '/');
}

static int pack_below(struct packer *p, int dir, const char *leaf,
    struct tar_entry *entry, int depth, struct err *err)
{
	int fd;

	entry->type = TAR_DIRECTORY;
	if (!is_left_out(p, entry->name))
		tar_put_entry(&p->head, entry);
	else if (!may_hold(p, entry->name))
		return 0;
	TRY(flush(p, err));
	fd = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open");
	return pack_directory(p, fd, entry->name, depth + 1, err);
}

/* Sockets, devices and the like have no place in an image. */
static int pack_entry(struct packer *p, int dir, const char *leaf,
    const char *name, int depth, struct err *err)
{
	struct tar_entry entry = {.name = name};
	struct stat st;
	int r = 0;

	TRY(ctx_check(p->ctx, err));
	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_sys(err, errno, "%s", name);
	if (!S_ISDIR(st.st_mode) && is_left_out(p, name))
		return 0;
	entry.mode = st.st_mode & 07777;
	if (S_ISREG(st.st_mode))
		r = pack_file(p, dir, leaf, &entry, err);
	else if (S_ISLNK(st.st_mode))
		r = pack_link(p, dir, leaf, &entry, err);
	else if (S_ISDIR(st.st_mode))
		r = pack_below(p, dir, leaf, &entry, depth, err);
	return r == 0 ? 0 : err_wrap(err, "%.200s", leaf);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

struct leaves {
	char **v;
	size_t n, room;
};

static void leaves_free(struct leaves *l)
{
	for (size_t i = 0; i < l->n; i++)
		mem_free(l->v[i]);
	mem_free(l->v);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In an order that is always the same: the same directory is the same tar. */
static int list(DIR *dir, struct leaves *l, struct err *err)
{
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		if (is_dot(entry->d_name))
			continue;
		if (l->n == ENTRIES_MAX)
			return err_set(err, ERR_LIMIT, "context_too_large",
			    "a directory has more than %d entries",
			    ENTRIES_MAX);
		if (l->n == l->room) {
			l->room = l->room == 0 ? 16 : 2 * l->room;
			l->v = mem_realloc(l->v, l->room * sizeof(*l->v));
		}
		l->v[l->n++] = mem_strdup(entry->d_name);
	}
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), by_bytes);
	return 0;
}

/* Takes fd. name: "" for the top. */
static int pack_directory(
    struct packer *p, int fd, const char *name, int depth, struct err *err)
{
	DIR *dir = fdopendir(fd);
	struct leaves leaves = {0};
	int r;

	if (dir == NULL) {
		r = err_sys(err, errno, "open");
		fd_close(fd);
		return r;
	}
	if (depth > DEPTH_MAX)
		r = err_set(err, ERR_LIMIT, "context_too_large",
		    "its directories are nested deeper than %d", DEPTH_MAX);
	else
		r = list(dir, &leaves, err);
	for (size_t i = 0; r == 0 && i < leaves.n; i++) {
		char *path = mem_printf(
		    "%s%s%s", name, name[0] != '\0' ? "/" : "", leaves.v[i]);

		r = pack_entry(p, dirfd(dir), leaves.v[i], path, depth, err);
		mem_free(path);
	}
	leaves_free(&leaves);
	closedir(dir);
	return r;
}

static int unlinked_file(const char *temp, struct err *err)
{
	const char *folder = temp != NULL ? temp : "/tmp";
	char *path = mem_printf("%s/.runnerhub-context-XXXXXX", folder);
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0)
		IGNORE(err_sys(err, errno, "make a file in %s", folder));
	else
		unlink(path);
	mem_free(path);
	return fd;
}

/* -- what stays out ---------------------------------------------------- */

/* No file: nothing. A link is none: it could lead anywhere. */
static int read_ignored(int top, struct dockerignore *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = DOCKERIGNORE_BYTES_MAX};
	CLEANUP(fd_close)
	int fd = openat(
	    top, IGNORE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ELOOP))
		return 0;
	if (fd < 0)
		return err_sys(err, errno, "open " IGNORE_FILE);
	for (;;) {
		char block[4096];
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read " IGNORE_FILE);
		if (n == 0)
			break;
		if (buf_append(&text, block, (size_t)n) < 0)
			return err_set(err, ERR_LIMIT, "dockerignore_too_large",
			    IGNORE_FILE " is larger than %zu bytes", text.max);
	}
	return dockerignore_read(ret, buf_str(&text), text.len, err);
}

static int pack(struct packer *p, int top, struct err *err)
{
	CLEANUP(fd_close)
	int copy = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (copy < 0)
		return err_sys(err, errno, "open it");
	TRY(read_ignored(copy, &p->ignored, err));
	TRY(pack_directory(p, fd_steal(&copy), "", 0, err));
	tar_put_end(&p->head);
	return flush(p, err);
}

/* -- the whole --------------------------------------------------------- */

int context_tar_at(const struct ctx *ctx, int directory, const char *dockerfile,
    const char *temp, uint64_t max, int *ret_fd, struct err *err)
{
	struct packer p = {.ctx = ctx,
	    .max = max,
	    .head = {.max = 64 * 1024},
	    .dockerfile = dockerfile};
	CLEANUP(fd_close) int out = unlinked_file(temp, err);
	int r;

	if (out < 0)
		return -1;
	p.out = out;
	r = pack(&p, directory, err);
	buf_fini(&p.head);
	dockerignore_fini(&p.ignored);
	TRY(r);
	if (lseek(out, 0, SEEK_SET) != 0)
		return err_sys(err, errno, "rewind the build context");
	*ret_fd = fd_steal(&out);
	return 0;
}

int context_tar(const struct ctx *ctx, const char *directory,
    const char *dockerfile, const char *temp, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close)
	int top = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return err_sys(err, errno, "open %s", directory);
	if (context_tar_at(
		ctx, top, dockerfile, temp, CONTEXT_MAX, ret_fd, err) == 0)
		return 0;
	return err_wrap(err, "pack %s", directory);
}
