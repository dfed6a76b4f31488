/*
 * Reads tar with libarchive, as the bytes come, and places the entries with
 * tree.h: libarchive's own disk writer is not used. Called when
 * a source is fetched, on the thread of the caller; blocks in `read`.
 */
#include "components/unpack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "components/archive_load.h"
#include "components/gunzip.h"
#include "components/tree.h"

enum {
	BLOCK = 128 * 1024,
	ENTRY_OVERHEAD = 4096, /* headers and padding, generously */
	RATIO_FREE = 64 << 20, /* below that no ratio is looked at */
};

struct unpacking {
	struct tree tree;
	struct gunzip gzip;
	const struct archive_calls *lib;
	struct archive *a;
	char *block;
	bool ended;     /* of the bytes; the archive may end before */
	struct err err; /* why `feed` gave up; ERR_NONE: it did not */
};

/* -- the archive's bytes ----------------------------------------------- */

static int too_large(struct unpacking *u, const char *what)
{
	return err_set(&u->err, ERR_LIMIT, "archive_too_large",
	    "the archive %s, after %lld bytes of it: this is not how a "
	    "repository looks",
	    what, (long long)u->gzip.packed);
}

/* Counts what has passed, also headers and entries that were left out. */
static int check_stream(struct unpacking *u)
{
	const struct unpack_limits *limits = &u->tree.limits;
	int64_t packed = u->gzip.packed, unpacked = u->gzip.unpacked;
	int64_t most = limits->bytes_max + RATIO_FREE +
		       limits->entries_max * ENTRY_OVERHEAD;

	u->tree.report->packed = packed;
	if (unpacked > most || packed > most)
		return too_large(u, "holds more than its files may");
	if (unpacked > RATIO_FREE && unpacked / packed > limits->ratio_max)
		return too_large(u, "grows beyond all measure when unpacked");
	return 0;
}

/* The next bytes, 0 at their end, -1 with u->err. */
static int64_t next_bytes(struct unpacking *u)
{
	int64_t n = 0;

	while (n == 0 && !u->ended) {
		TRY(ctx_check(u->tree.ctx, &u->err));
		n = gunzip_some(&u->gzip, u->block, BLOCK, &u->ended, &u->err);
		TRY(n);
		TRY(check_stream(u));
	}
	return n;
}

static la_ssize_t feed(struct archive *a, void *arg, const void **ret)
{
	struct unpacking *u = arg;
	int64_t n = next_bytes(u);

	if (n < 0)
		u->lib->set_error(a, EIO, "the source ended");
	*ret = u->block;
	return (la_ssize_t)n;
}

static int bad(struct unpacking *u, struct err *err)
{
	const char *words = u->lib->error_string(u->a);
	char clean[200];

	if (u->err.kind != ERR_NONE) {
		*err = u->err;
		return -1;
	}
	return err_set(err, ERR_INVALID, "archive_bad",
	    "the archive is damaged or none: %s",
	    utf8_clean(
		words != NULL ? words : "no details", clean, sizeof(clean)));
}

/* -- entries ----------------------------------------------------------- */

/* libarchive gives blocks by offset: holes of sparse files have none. */
static int write_at(int fd, const void *data, size_t n, int64_t offset,
    const char *path, struct err *err)
{
	const char *p = data;

	while (n > 0) {
		ssize_t put = pwrite(fd, p, n, offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_sys(err, errno, "write %.200s", path);
		p += put;
		offset += put;
		n -= (size_t)put;
	}
	return 0;
}

static int put_content(
    struct unpacking *u, int fd, const char *path, struct err *err)
{
	int64_t end = 0, offset = 0;
	const void *data;
	size_t n;
	int r;

	for (;;) {
		TRY(ctx_check(u->tree.ctx, err));
		r = u->lib->read_data_block(u->a, &data, &n, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN || offset < end)
			return bad(u, err);
		/* A hole counts like bytes: who reads the file reads them. */
		TRY(tree_count_bytes(&u->tree, offset - end, err));
		TRY(tree_count_bytes(&u->tree, (int64_t)n, err));
		TRY(write_at(fd, data, n, offset, path, err));
		end = offset + (int64_t)n;
	}
	if (offset > end) { /* a hole at the end */
		TRY(tree_count_bytes(&u->tree, offset - end, err));
		if (ftruncate(fd, offset) < 0)
			return err_sys(err, errno, "extend %.200s", path);
	}
	return 0;
}

static int put_file(struct unpacking *u, struct archive_entry *e,
    const char *path, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	int r = tree_put_file(
	    &u->tree, path, (u->lib->entry_perm(e) & 0100) != 0, &fd, err);

	if (r <= 0)
		return r;
	return put_content(u, fd, path, err);
}

static int put_entry(
    struct unpacking *u, struct archive_entry *e, int strip, struct err *err)
{
	const char *name = u->lib->entry_pathname(e), *target;
	char path[TREE_PATH_MAX];
	int r;

	if (name == NULL)
		return tree_leave_out(&u->tree, "(none)", "no readable name");
	r = tree_name(&u->tree, name, strip, path, err);
	if (r <= 0)
		return r;
	if (u->lib->entry_hardlink(e) != NULL)
		return tree_leave_out(&u->tree, name, "a hard link");
	switch (u->lib->entry_filetype(e)) {
	case AE_IFDIR:
		return tree_put_directory(&u->tree, path, err);
	case AE_IFREG:
		return put_file(u, e, path, err);
	case AE_IFLNK:
		target = u->lib->entry_symlink(e);
		return tree_put_link(
		    &u->tree, path, target != NULL ? target : "", err);
	default:
		return tree_leave_out(&u->tree, name, "a device or the like");
	}
}

static int put_all(struct unpacking *u, int strip, struct err *err)
{
	struct archive_entry *e;
	int r;

	for (;;) {
		TRY(ctx_check(u->tree.ctx, err));
		r = u->lib->read_next_header(u->a, &e);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return bad(u, err);
		TRY(put_entry(u, e, strip, err));
	}
	/* What follows the end of the tar belongs to the checksum. */
	while (!u->ended)
		if (next_bytes(u) < 0)
			return bad(u, err);
	if (u->tree.report->entries == 0)
		return err_set(err, ERR_INVALID, "archive_bad",
		    "the archive holds no file that can be unpacked");
	return 0;
}

static int run(struct unpacking *u, int strip, struct err *err)
{
	ASSERT(u->lib->read_support_format_tar(u->a) == ARCHIVE_OK);
	if (u->lib->read_open(u->a, u, NULL, feed, NULL) != ARCHIVE_OK)
		return bad(u, err);
	return put_all(u, strip, err);
}

int unpack_tar(int dir_fd, int strip, const struct unpack_limits *limits,
    const struct ctx *ctx,
    int64_t (*read)(void *arg, void *into, size_t max, struct err *err),
    void *arg, struct unpack_report *ret, struct err *err)
{
	struct unpacking u = {0};
	int r;

	tree_begin(&u.tree, dir_fd, limits, ctx, ret);
	TRY(archive_load(&u.lib, err));
	u.a = u.lib->read_new();
	u.block = mem_alloc(BLOCK);
	ASSERT(u.a != NULL);
	gunzip_begin(&u.gzip, read, arg);
	r = run(&u, strip, err);
	u.lib->read_free(u.a);
	gunzip_end(&u.gzip);
	tree_end(&u.tree);
	mem_free(u.block);
	return r;
}
