/* Files: whole-file reads with a bound, atomic durable replacement. */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Creates path and its parents; an existing directory is fine. */
int fs_mkdir_p(const char *path, mode_t mode, struct err *err) MUST_CHECK;
/* Appends the file to out; ERR_LIMIT past out's maximum. */
int fs_read_file(const char *path, struct buf *out, struct err *err) MUST_CHECK;
/* Writes a temporary file beside path, fsyncs it and renames it. */
int fs_replace_file(const char *path, const void *data, size_t len, mode_t mode,
    struct err *err) MUST_CHECK;
/* All bytes or an error; retries EINTR. */
int fs_write_all(
    int fd, const void *data, size_t len, struct err *err) MUST_CHECK;

/* Closes when >= 0, keeps errno. CLEANUP(fd_close) int fd = -1; */
void fd_close(int fd);
DEFINE_CLEANUP(int, fd_close);
/* Takes a descriptor out of its guard. */
static inline int fd_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
