/*
 * The content of a resolved source, into a directory: see source.h. An archive
 * is unpacked as it comes and never stands on the disk itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "components/source_internal.h"

enum { TRAILING_MAX = 1024 * 1024 };

struct fetching {
	struct github_archive *archive;
	source_progress progress;
	void *arg;
	int64_t packed;
};

static int64_t next_bytes(void *arg, void *into, size_t max, struct err *err)
{
	struct fetching *f = arg;
	int64_t n = github_archive_read(f->archive, into, max, err);

	if (n > 0 && f->progress != NULL) {
		f->packed += n;
		f->progress(f->arg, f->packed, github_archive_size(f->archive));
	}
	return n;
}

/* An archive that was whole may stand in a reply that was not: what follows
 * its last entry is read to the end, and a little padding is fine. */
static int expect_end(struct fetching *f, struct err *err)
{
	char rest[4096];
	int64_t n, left = TRAILING_MAX;

	do {
		n = next_bytes(f, rest, sizeof(rest), err);
		TRY((int)n);
		left -= n;
	} while (n > 0 && left > 0);
	if (n == 0)
		return 0;
	return err_set(err, ERR_INVALID, "archive_bad",
	    "more than %d bytes follow the end of the archive", TRAILING_MAX);
}

static int fetch_archive(struct sources *s, const struct ctx *ctx,
    const struct source *src, int dir_fd, struct fetching *f,
    struct unpack_report *ret, struct err *err)
{
	CLEANUP(github_archive_close) struct github_archive *a = NULL;
	struct github *g = sources_github(s, src->host);

	ASSERT(g != NULL); /* it was resolved with s */
	TRY(github_archive_open(g, ctx, src->repo, src->sha, &a, err));
	f->archive = a;
	/* GitHub puts all into one directory, whatever its name. */
	TRY(unpack_tar(dir_fd, 1, &s->limits, ctx, next_bytes, f, ret, err));
	return expect_end(f, err);
}

/* What unpack.h says, with the codes of faults. */
static int rename_error(const struct source *src, struct err *err)
{
	const char *name = src->repo != NULL ? src->repo : src->origin;

	if (strcmp(err->code, "archive_too_large") == 0)
		snprintf(err->code, sizeof(err->code), "SOURCE_TOO_LARGE");
	else if (strcmp(err->code, "archive_bad") == 0)
		snprintf(err->code, sizeof(err->code), "GIT_OPERATION_FAILED");
	else
		return -1;
	return err_wrap(err, "%.160s", name);
}

int source_fetch(struct sources *s, const struct ctx *ctx,
    const struct source *src, int dir_fd, source_progress progress, void *arg,
    struct unpack_report *ret, struct err *err)
{
	struct fetching f = {.progress = progress, .arg = arg};
	int r;

	*ret = (struct unpack_report){0};
	r = src->kind == LOCATION_DIRECTORY
		? unpack_directory(
		      dir_fd, src->origin, &s->limits, ctx, ret, err)
		: fetch_archive(s, ctx, src, dir_fd, &f, ret, err);
	return r < 0 ? rename_error(src, err) : 0;
}

int source_enter(
    const struct source *src, int dir_fd, int *ret_fd, struct err *err)
{
	const struct open_how how = {
	    .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	    .resolve =
		RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
	const char *path = *src->directory != '\0' ? src->directory : ".";
	int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	if (fd < 0)
		return err_sys(
		    err, errno, "open the component's directory %.200s", path);
	*ret_fd = fd;
	return 0;
}
