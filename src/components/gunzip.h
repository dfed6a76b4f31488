/*
 * Reads gzip as it comes: checksums and lengths are verified, an archive that
 * ends in the middle is an error. zlib's inflate; constant memory. One thread.
 * Internal to components/.
 */
#ifndef COMPONENTS_GUNZIP_H
#define COMPONENTS_GUNZIP_H

#include <stdbool.h>
#include <stdint.h>
#include <zlib.h>

#include "base/err.h"

struct gunzip {
	z_stream z;
	char *in;
	int64_t (*read)(void *arg, void *into, size_t max, struct err *err);
	void *arg;
	int64_t packed, unpacked; /* so far */
	bool between;             /* members: the input may end here */
};
void gunzip_begin(struct gunzip *g,
    int64_t (*read)(void *arg, void *into, size_t max, struct err *err),
    void *arg);
void gunzip_end(struct gunzip *g);
/* What one piece of input gives, at most max bytes: more than 0, or 0 with
 * *ret_end false when it gave nothing. -1: `read` failed, or ERR_INVALID
 * "archive_bad". */
int64_t gunzip_some(struct gunzip *g, void *into, size_t max, bool *ret_end,
    struct err *err) MUST_CHECK;

#endif
