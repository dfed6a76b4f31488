/*
 * What is sent to the builder: the build context as a tar, and where in it the
 * Dockerfile is. One that lies outside of the context goes with it under a
 * name of ours, as `docker build -f` sends it. The flow's thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/tar.h"
#include "components/dockerfile.h"
#include "components/flow.h"
#include "containers/context.h"

#define CONTEXT_MAX    (UINT64_C(2) * 1024 * 1024 * 1024)
#define DOCKERFILE_MAX ((size_t)DOCKERFILE_BYTES_MAX)
#define OUTSIDE        ".runnerhub.dockerfile"
enum { TAR_END = 1024 };

static const char *plain(const char *path)
{
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	return path;
}

/* The Dockerfile as the context has it; NULL: it lies outside. */
static const char *dockerfile_in(const struct descriptor *d)
{
	const char *context = plain(d->context), *file = plain(d->dockerfile);
	size_t n = strlen(context);

	while (n > 0 && context[n - 1] == '/')
		n--;
	if (n == 0 || (n == 1 && context[0] == '.'))
		return file;
	return strncmp(file, context, n) == 0 && file[n] == '/' ? file + n + 1
								: NULL;
}

/* -- the Dockerfile ---------------------------------------------------------
 */

int pack_dockerfile(
    const struct flow *f, int source, struct buf *out, struct err *err)
{
	CLEANUP(fd_close) int fd = descriptor_open_dockerfile(&f->d, source);
	struct stat st;
	char *room;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_NOT_FOUND, FAULT_NO_DOCKERFILE,
		    "Dockerfile not found at: %.200s", f->d.dockerfile);
	while (n > 0) {
		room = buf_reserve(out, 4096);
		if (room == NULL)
			return err_set(err, ERR_LIMIT, FAULT_CONFIGURATION,
			    "runner.dockerfile: %.150s is larger than %zu "
			    "bytes",
			    f->d.dockerfile, out->max);
		n = read(fd, room, 4096);
		if (n < 0 && errno != EINTR)
			return err_sys(
			    err, errno, "read %.200s", f->d.dockerfile);
		if (n > 0)
			buf_commit(out, (size_t)n);
		else if (n < 0)
			n = 1; /* again */
	}
	return 0;
}

/* One that lies outside of the context: where the tar has ended so far. */
static int add_dockerfile(
    const struct flow *f, int source, int tar, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = DOCKERFILE_MAX};
	CLEANUP(buf_fini) struct buf entry = {.max = 2 * DOCKERFILE_MAX};
	struct stat st;

	TRY(pack_dockerfile(f, source, &text, err));
	tar_put_entry(&entry, &(struct tar_entry){.name = OUTSIDE,
				  .type = TAR_FILE,
				  .mode = 0644,
				  .size = text.len});
	buf_append(&entry, text.data, text.len);
	tar_put_padding(&entry, text.len);
	tar_put_end(&entry);
	ASSERT(!entry.overflow);
	if (fstat(tar, &st) < 0 || st.st_size < TAR_END ||
	    lseek(tar, st.st_size - TAR_END, SEEK_SET) < 0)
		return err_sys(err, errno, "extend the build context");
	TRY(fs_write_all(tar, entry.data, entry.len, err));
	if (lseek(tar, 0, SEEK_SET) != 0)
		return err_sys(err, errno, "rewind the build context");
	return 0;
}

/* A .dockerignore that cannot be read is the repository's mistake. */
static int pack_failed(struct err *err)
{
	if (strstr(err->code, "dockerignore") != NULL)
		return fault_set(err, FAULT_CONFIGURATION);
	return -1;
}

/* -- the whole ------------------------------------------------------------- */

int pack_context(struct flow *f, const struct ctx *ctx,
    const char **ret_dockerfile, int *ret, struct err *err)
{
	CLEANUP(fd_close) int source = workplace_source(f, err), tar = -1;
	CLEANUP(fd_close) int context = -1;
	const char *dockerfile = dockerfile_in(&f->d);

	TRY(source);
	/* Through no link that leads out of the component's directory. */
	context = descriptor_open_context(&f->d, source);
	if (context < 0)
		return err_set(err, ERR_INVALID, FAULT_CONFIGURATION,
		    "runner.build.context: there is no directory %.200s",
		    f->d.context);
	*ret_dockerfile = dockerfile != NULL ? dockerfile : OUTSIDE;
	if (context_tar_at(ctx, context, *ret_dockerfile, f->dir, CONTEXT_MAX,
		&tar, err) < 0)
		return pack_failed(err);
	if (dockerfile == NULL)
		TRY(add_dockerfile(f, source, tar, err));
	*ret = fd_steal(&tar);
	return 0;
}
