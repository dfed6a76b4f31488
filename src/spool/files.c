/*
 * Names, opening, and whole reads and writes of the three files of a log.
 * Any thread; owns nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "spool/spool_internal.h"

const char *const file_suffix[FILE_COUNT] = {
    [FILE_TEXT] = ".log",
    [FILE_NOTE] = ".note",
    [FILE_INDEX] = ".idx",
};

static unsigned hex_digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

unsigned files_dir_of(const char *id)
{
	return hex_digit(id[UUID_TEXT_LEN - 3]) << 4 |
	       hex_digit(id[UUID_TEXT_LEN - 2]);
}

void files_dir_path(
    const struct spool *s, unsigned dir, char out[SPOOL_PATH_BYTES])
{
	snprintf(out, SPOOL_PATH_BYTES, "%s/%02x", s->dir, dir);
}

void files_path(const struct spool *s, const char *id, enum spool_file file,
    char out[SPOOL_PATH_BYTES])
{
	snprintf(out, SPOOL_PATH_BYTES, "%s/%02x/%s%s", s->dir,
	    files_dir_of(id), id, file_suffix[file]);
}

int files_open(const struct spool *s, const char *id, enum spool_file file,
    int flags, int *ret_fd, struct err *err)
{
	char path[SPOOL_PATH_BYTES], dir[SPOOL_PATH_BYTES];
	int fd;

	files_path(s, id, file, path);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT && (flags & O_CREAT)) {
		files_dir_path(s, files_dir_of(id), dir);
		TRY(fs_mkdir_p(dir, 0700, err));
		fd = open(path, flags | O_CLOEXEC, 0600);
	}
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(err, errno, "open %s", path);
	*ret_fd = fd;
	return 1;
}

int files_size(int fd, uint64_t *ret, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "look at a log file");
	*ret = (uint64_t)st.st_size;
	return 0;
}

int files_read(
    int fd, uint64_t off, void *out, size_t len, size_t *ret, struct err *err)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(fd, (char *)out + got, len - got, (off_t)(off + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read a log file");
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*ret = got;
	return 0;
}

/* EFBIG is the limit of a process or file system: as full as a full disk. */
static bool is_full(int eno)
{
	return eno == ENOSPC || eno == EDQUOT || eno == EFBIG;
}

int files_write(
    int fd, uint64_t off, const void *data, size_t len, struct err *err)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && is_full(errno))
			return err_set(err, ERR_UNAVAILABLE, "disk_full",
			    "the disk of the logs is full, nothing was kept; "
			    "make room and it goes on");
		if (n < 0)
			return err_sys(err, errno, "write to a log file");
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}
