/*
 * The job's directories: see workplace.h. Called by the agent's loop.
 * Without CAP_FOWNER and CAP_DAC_OVERRIDE, root can do nothing more with
 * what it has given away: everything is prepared first and given last.
 */
#include "agent/workplace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/priv.h"
#include "base/fs.h"
#include "base/mem.h"

#define READ_CHUNK 4096

/* As root; where the image's directories are the user's own, as the user. */
static int make_dir(
    const struct account *who, const char *path, struct err *err)
{
	int r = fs_mkdir_p(path, 0755, err);

	if (r == 0 || err->kind != ERR_FORBIDDEN)
		return r;
	err_clear(err);
	TRY(priv_become(who, err));
	r = fs_mkdir_p(path, 0755, err);
	priv_restore();
	return r;
}

/* A directory that is the user's; what is inside is left as it is. */
static int give_dir(
    const struct account *who, const char *path, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	TRY(make_dir(who, path, err));
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open directory %s", path);
	if (st.st_uid == who->uid)
		return 0;
	if (fchownat(fd, "", who->uid, who->gid, AT_EMPTY_PATH) < 0)
		return err_sys(err, errno, "give directory %s to user %u:%u",
		    path, who->uid, who->gid);
	return 0;
}

/* The same, and kept open: its path may later lead elsewhere. */
static int open_own_dir(
    const struct account *who, const char *path, int *ret_fd, struct err *err)
{
	TRY(make_dir(who, path, err));
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*ret_fd < 0)
		return err_sys(err, errno, "open directory %s", path);
	return give_dir(who, path, err);
}

static bool in_groups(const struct account *who, gid_t gid)
{
	for (size_t i = 0; i < who->group_count; i++) {
		if (who->groups[i] == gid)
			return true;
	}
	return false;
}

/* By the mode bits alone: access(2) would ask for the real uid. */
static bool can_write_dir(const struct account *who, const char *path)
{
	struct statvfs fs;
	struct stat st;
	mode_t want = 03;

	if (path[0] != '/' || stat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    statvfs(path, &fs) < 0 || (fs.f_flag & ST_RDONLY) != 0)
		return false;
	if (st.st_uid == who->uid)
		want <<= 6;
	else if (in_groups(who, st.st_gid))
		want <<= 3;
	return (st.st_mode & want) == want;
}

int workplace_prepare(struct workplace *ret, const char *user,
    const char *workspace, struct err *err)
{
	*ret = (struct workplace){.temp = -1, .commands = -1};
	TRY(account_load(user, &ret->who, err));
	TRY(open_own_dir(&ret->who, WORKPLACE_TEMP, &ret->temp, err));
	TRY(open_own_dir(&ret->who, WORKPLACE_COMMANDS, &ret->commands, err));
	TRY(give_dir(&ret->who, WORKPLACE_HOME, err));
	TRY(give_dir(&ret->who, workspace, err));
	ret->workspace = mem_strdup(workspace);
	ret->home = can_write_dir(&ret->who, ret->who.home) ? ret->who.home
							    : WORKPLACE_HOME;
	return 0;
}

/* As the user already. */
static int write_file(
    int dir, const char *name, const void *data, size_t len, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove the old file %s", name);
	fd = openat(dir, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
	if (fd < 0)
		return err_sys(err, errno, "create the file %s", name);
	if (fs_write_all(fd, data, len, err) < 0)
		return err_wrap(err, "write the file %s", name);
	return 0;
}

int workplace_write(const struct workplace *w, int dir, const char *name,
    const void *data, size_t len, struct err *err)
{
	int r;

	TRY(priv_become(&w->who, err));
	r = write_file(dir, name, data, len, err);
	priv_restore();
	return r;
}

/* As the user already. The step may have put anything at the name. */
static int read_file(
    int dir, const char *name, struct buf *out, struct err *err)
{
	CLEANUP(fd_close) int fd = openat(dir, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n = 0;
	char *room;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno == ELOOP)
		return err_set(
		    err, ERR_INVALID, "symlink", "is a symbolic link");
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot be read");
	if (!S_ISREG(st.st_mode))
		return err_set(
		    err, ERR_INVALID, "not_a_file", "is not a regular file");
	do {
		room = buf_reserve(out, READ_CHUNK);
		if (room == NULL)
			return err_set(err, ERR_LIMIT, "too_long",
			    "is longer than %zu bytes", out->max - READ_CHUNK);
		n = read(fd, room, READ_CHUNK);
		if (n > 0)
			buf_commit(out, (size_t)n);
	} while (n > 0);
	return n < 0 ? err_sys(err, errno, "cannot be read") : 1;
}

int workplace_read(const struct workplace *w, int dir, const char *name,
    struct buf *out, struct err *err)
{
	int r;

	TRY(priv_become(&w->who, err));
	r = read_file(dir, name, out, err);
	priv_restore();
	return r;
}

void workplace_remove(const struct workplace *w, int dir, const char *name)
{
	struct err err = ERR_INIT;

	if (priv_become(&w->who, &err) < 0)
		return; /* the file stays: it is the user's anyway */
	unlinkat(dir, name, 0);
	priv_restore();
}
