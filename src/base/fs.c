/* Files: see fs.h. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fd_close(int fd)
{
	int keep = errno;

	if (fd >= 0)
		close(fd);
	errno = keep;
}

int fs_mkdir_p(const char *path, mode_t mode, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	struct stat st;

	if (len == 0 || len >= sizeof(part))
		return err_set(
		    err, ERR_INVALID, NULL, "directory name too long or empty");
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, i == len ? mode : 0755) < 0 && errno != EEXIST)
			return err_sys(err, errno, "create directory %s", part);
	}
	if (stat(path, &st) < 0)
		return err_sys(err, errno, "look at directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_CONFLICT, NULL,
		    "%s exists and is not a directory", path);
	return 0;
}

int fs_read_file(const char *path, struct buf *out, struct err *err)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[16384];
	ssize_t n;

	if (fd < 0)
		return err_sys(err, errno, "open %s", path);
	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read %s", path);
		if (n == 0)
			return 0;
		if (buf_append(out, chunk, (size_t)n) < 0)
			return err_set(err, ERR_LIMIT, NULL,
			    "%s is larger than %zu bytes", path, out->max);
	}
}

int fs_write_all(int fd, const void *data, size_t len, struct err *err)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "write %zu bytes", len);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_and_sync(const char *path, const void *data, size_t len,
    mode_t mode, struct err *err)
{
	CLEANUP(fd_close) int fd =
	    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0)
		return err_sys(err, errno, "create %s", path);
	if (fchmod(fd, mode) < 0)
		return err_sys(err, errno, "chmod %s", path);
	if (fs_write_all(fd, data, len, err) < 0)
		return err_wrap(err, "%s", path);
	if (fsync(fd) < 0)
		return err_sys(err, errno, "fsync %s", path);
	return 0;
}

int fs_replace_file(const char *path, const void *data, size_t len, mode_t mode,
    struct err *err)
{
	char tmp[PATH_MAX];

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= sizeof(tmp))
		return err_set(
		    err, ERR_INVALID, NULL, "%s: name too long", path);
	if (write_and_sync(tmp, data, len, mode, err) < 0) {
		unlink(tmp);
		return -1;
	}
	if (rename(tmp, path) < 0) {
		unlink(tmp);
		return err_sys(err, errno, "rename %s to %s", tmp, path);
	}
	return 0;
}
