/*
 * Filling a directory from a source that nobody trusts: see tree.h. Called by
 * unpack.c and unpack_directory.c on the thread of their caller.
 */
#include "components/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/utf8.h"

enum { NAME_BYTES_MAX = 255, MODE_PLAIN = 0644, MODE_EXECUTABLE = 0755 };

static const struct unpack_limits usual = {
    .bytes_max = INT64_C(2) << 30, .entries_max = 200000, .ratio_max = 200};

void tree_begin(struct tree *t, int root, const struct unpack_limits *limits,
    const struct ctx *ctx, struct unpack_report *report)
{
	*report = (struct unpack_report){0};
	t->root = root;
	t->ctx = ctx;
	t->report = report;
	t->parent_len = 0;
	t->parent_fd = -1;
	t->limits = usual;
	if (limits != NULL && limits->bytes_max > 0)
		t->limits.bytes_max = limits->bytes_max;
	if (limits != NULL && limits->entries_max > 0)
		t->limits.entries_max = limits->entries_max;
	if (limits != NULL && limits->ratio_max > 0)
		t->limits.ratio_max = limits->ratio_max;
}

void tree_end(struct tree *t)
{
	fd_close(fd_steal(&t->parent_fd));
}

/* -- counting ---------------------------------------------------------- */

int tree_leave_out(struct tree *t, const char *name, const char *why)
{
	struct unpack_report *r = t->report;
	char clean[160];

	if (r->skipped++ == 0)
		snprintf(r->first_skipped, sizeof(r->first_skipped), "%s: %s",
		    utf8_clean(name, clean, sizeof(clean)), why);
	return 0;
}

int tree_count_bytes(struct tree *t, int64_t n, struct err *err)
{
	/* As a subtraction: n is a number of the archive's. */
	if (n < 0 || n > t->limits.bytes_max - t->report->bytes)
		return err_set(err, ERR_LIMIT, "archive_too_large",
		    "the source has more than %lld bytes when unpacked, which "
		    "is the bound of this hub",
		    (long long)t->limits.bytes_max);
	t->report->bytes += n;
	return 0;
}

static int count_entry(struct tree *t, struct err *err)
{
	if (t->report->entries >= t->limits.entries_max)
		return err_set(err, ERR_LIMIT, "archive_too_large",
		    "the source has more than %lld files and directories, "
		    "which is the bound of this hub",
		    (long long)t->limits.entries_max);
	t->report->entries++;
	return 0;
}

/* -- names ------------------------------------------------------------- */

static bool is(const char *part, size_t n, const char *word)
{
	return n == strlen(word) && memcmp(part, word, n) == 0;
}

static int too_long(const char *name, const char *what, struct err *err)
{
	char clean[120];

	return err_set(err, ERR_LIMIT, "archive_too_large",
	    "the source has a %s: %s...", what,
	    utf8_clean(name, clean, sizeof(clean)));
}

int tree_name(struct tree *t, const char *name, int strip,
    char out[TREE_PATH_MAX], struct err *err)
{
	size_t len = 0, n;
	int depth = 0, dropped = 0;

	if (*name == '/')
		return tree_leave_out(t, name, "an absolute name");
	for (const char *part = name; *part != '\0'; part += n) {
		part += strspn(part, "/");
		n = strcspn(part, "/");
		if (n == 0 || is(part, n, "."))
			continue;
		if (is(part, n, ".."))
			return tree_leave_out(t, name, "a name with \"..\"");
		if (n > NAME_BYTES_MAX)
			return too_long(part, "name over 255 bytes", err);
		if (dropped < strip) {
			dropped++;
			continue;
		}
		if (len + n + 2 > TREE_PATH_MAX || ++depth > TREE_DEPTH_MAX)
			return too_long(name,
			    "path over 3071 bytes or 100 directories", err);
		if (len > 0)
			out[len++] = '/';
		memcpy(out + len, part, n);
		len += n;
	}
	out[len] = '\0';
	return 1;
}

/* -- parents ----------------------------------------------------------- */

static int open_beneath(int root, const char *path)
{
	const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	    .resolve =
		RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* A new directory that is ours; its mode not cut by our umask. 1, 0: there
 * already, -1 errno. */
static int make_one(int at, const char *name)
{
	if (mkdirat(at, name, MODE_EXECUTABLE) < 0)
		return errno == EEXIST ? 0 : -1;
	return fchmodat(at, name, MODE_EXECUTABLE, 0) < 0 ? -1 : 1;
}

/* Opens a directory and makes what is missing of it. *ret_fd -1, errno
 * ENOTDIR or ELOOP: a file or a link is in the way. */
static int make_beneath(
    struct tree *t, const char *path, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close) int at = -1;
	char name[NAME_BYTES_MAX + 1];
	size_t n;
	int made, next;

	*ret_fd = -1;
	for (const char *part = path; *part != '\0'; part += n) {
		part += *part == '/';
		n = strcspn(part, "/");
		memcpy(name, part, n);
		name[n] = '\0';
		made = make_one(at >= 0 ? at : t->root, name);
		if (made < 0)
			return err_sys(
			    err, errno, "create directory %.200s", path);
		if (made > 0)
			TRY(count_entry(t, err));
		next = open_beneath(at >= 0 ? at : t->root, name);
		if (next < 0)
			return 0;
		fd_close(at);
		at = next;
	}
	*ret_fd = fd_steal(&at);
	return 0;
}

/* The directory of path, and its last name. 1, 0: left out, -1. */
static int enter_parent(struct tree *t, const char *path, int *ret_at,
    const char **ret_name, struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;

	*ret_name = slash != NULL ? slash + 1 : path;
	*ret_at = t->root;
	if (slash == NULL)
		return 1;
	if (t->parent_fd < 0 || t->parent_len != len ||
	    memcmp(t->parent, path, len) != 0) {
		fd_close(fd_steal(&t->parent_fd));
		memcpy(t->parent, path, len);
		t->parent[len] = '\0';
		t->parent_len = len;
		t->parent_fd = open_beneath(t->root, t->parent);
		if (t->parent_fd < 0 && errno == ENOENT)
			TRY(make_beneath(t, t->parent, &t->parent_fd, err));
	}
	*ret_at = t->parent_fd;
	if (t->parent_fd >= 0)
		return 1;
	if (errno == ELOOP || errno == ENOTDIR || errno == EXDEV)
		return tree_leave_out(t, path, "its directory is none");
	return err_sys(err, errno, "open the directory of %.200s", path);
}

/* -- placing ----------------------------------------------------------- */

/* Removes what an earlier entry of the same name left. 1, 0: a directory
 * stands there, -1. */
static int make_room(
    struct tree *t, int at, const char *name, const char *path, struct err *err)
{
	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 1;
	if (errno == EISDIR || errno == EPERM)
		return tree_leave_out(t, path, "a directory has this name");
	return err_sys(err, errno, "replace %.200s", path);
}

int tree_put_directory(struct tree *t, const char *path, struct err *err)
{
	const char *name;
	struct stat st;
	int at, r;

	if (*path == '\0')
		return 1;
	r = enter_parent(t, path, &at, &name, err);
	if (r <= 0)
		return r;
	r = make_one(at, name);
	if (r < 0)
		return err_sys(err, errno, "create directory %.200s", path);
	if (r > 0)
		return count_entry(t, err) < 0 ? -1 : 1;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "look at %.200s", path);
	return S_ISDIR(st.st_mode)
		   ? 1
		   : tree_leave_out(t, path, "a file has this name");
}

int tree_put_file(struct tree *t, const char *path, bool executable,
    int *ret_fd, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	const mode_t mode = executable ? MODE_EXECUTABLE : MODE_PLAIN;
	CLEANUP(fd_close) int fd = -1;
	const char *name;
	int at, r;

	if (*path == '\0')
		return tree_leave_out(
		    t, "(the top)", "a file, not a directory");
	TRY(count_entry(t, err));
	r = enter_parent(t, path, &at, &name, err);
	if (r <= 0)
		return r;
	fd = openat(at, name, flags, mode);
	if (fd < 0 && errno == EEXIST) {
		r = make_room(t, at, name, path, err);
		if (r <= 0)
			return r;
		fd = openat(at, name, flags, mode);
	}
	if (fd < 0 || fchmod(fd, mode) < 0)
		return err_sys(err, errno, "create %.200s", path);
	*ret_fd = fd_steal(&fd);
	return 1;
}

/* Does a link at path stay in the tree? Its ".."s may only come first, where
 * they start from a directory that is no link (enter_parent saw to that);
 * what follows only goes down, through links for which the same holds. */
static bool stays_within(const char *path, const char *target)
{
	int above = 0;
	bool down = false;
	size_t n;

	if (*target == '/' || *target == '\0')
		return false;
	for (const char *c = path; *c != '\0'; c++)
		above += *c == '/';
	for (const char *part = target; *part != '\0'; part += n) {
		part += strspn(part, "/");
		n = strcspn(part, "/");
		if (n == 0 || is(part, n, "."))
			continue;
		if (!is(part, n, ".."))
			down = true;
		else if (down || --above < 0)
			return false;
	}
	return true;
}

int tree_put_link(
    struct tree *t, const char *path, const char *target, struct err *err)
{
	const char *name;
	int at, r;

	if (*path == '\0' || strlen(target) >= TREE_PATH_MAX ||
	    !stays_within(path, target))
		return tree_leave_out(t, path, "a link out of the source");
	TRY(count_entry(t, err));
	r = enter_parent(t, path, &at, &name, err);
	if (r <= 0)
		return r;
	if (symlinkat(target, at, name) == 0)
		return 1;
	if (errno != EEXIST)
		return err_sys(err, errno, "create link %.200s", path);
	r = make_room(t, at, name, path, err);
	if (r <= 0)
		return r;
	if (symlinkat(target, at, name) < 0)
		return err_sys(err, errno, "create link %.200s", path);
	return 1;
}
