/*
 * Unpacks an archive of a repository (tar.gz of GitHub) into a directory of
 * ours, as it streams in: nothing can leave the directory, whatever names,
 * links or types the archive holds (openat2 RESOLVE_BENEATH; links out, hard
 * links, devices and fifos are left out and counted, setuid bits cleared,
 * owners ours; modes as git has them), within bounds of bytes, entries, depth
 * and ratio. Names are bytes. Reading tar is libarchive's, gzip zlib's, with
 * its checksum. Memory is flat. Blocks in `read`; the context is looked at
 * between its calls.
 */
#ifndef COMPONENTS_UNPACK_H
#define COMPONENTS_UNPACK_H

#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"

struct unpack_limits {
	int64_t bytes_max;   /* unpacked, 0: 2 GiB */
	int64_t entries_max; /* 0: 200000 */
	int64_t ratio_max;   /* unpacked to packed, beyond 64 MiB; 0: 200 */
};
struct unpack_report {
	int64_t bytes, entries, packed;
	int64_t skipped; /* entries that were left out */
	char first_skipped[256];
};
/*
 * dir_fd: an empty directory. strip: leading directories of each name that are
 * dropped (1 for GitHub's). read: the archive's bytes, 0 at its end, -1 err.
 * ERR_INVALID "archive_bad"; ERR_LIMIT "archive_too_large" names the bound.
 */
int unpack_tar(int dir_fd, int strip, const struct unpack_limits *limits,
    const struct ctx *ctx,
    int64_t (*read)(void *arg, void *into, size_t max, struct err *err),
    void *arg, struct unpack_report *ret, struct err *err) MUST_CHECK;
/* Copies a directory of this machine in the same spirit (file: sources):
 * follows no link out of it. A .git at its top is left out, as archives have
 * none; files that cannot be read are left out and counted. */
int unpack_directory(int dir_fd, const char *from,
    const struct unpack_limits *limits, const struct ctx *ctx,
    struct unpack_report *ret, struct err *err) MUST_CHECK;

#endif
