/*
 * The descriptor and what it names in the directory of a component. The only
 * part that looks at the file system: below an open directory, through no
 * link that leads out of it. Called before a build, and by `component
 * validate`.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "components/descriptor.h"

#define CODE "INVALID_CONFIGURATION"

struct wanted {
	const char *key, *path;
	struct place at;
	mode_t type;
	const char *expected;
};

static int open_beneath(int dir_fd, const char *path, uint64_t flags)
{
	const struct open_how how = {.flags = flags | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
}

static const char *why_not(int eno)
{
	switch (eno) {
	case ENOENT:
	case ENOTDIR:
		return "does not exist in the directory of the component";
	case EXDEV:
		return "leads out of the directory of the component: a link "
		       "must stay within it";
	case ELOOP:
		return "is a link that leads to itself";
	case EACCES:
		return "may not be read by this user";
	default:
		return "cannot be opened";
	}
}

/* A fifo must not hold us up, a terminal not take us over. */
static int open_descriptor(int dir_fd, const char *file, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open_beneath(dir_fd, file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "CONFIG_NOT_FOUND",
		    "%.200s does not exist in the directory of the component: "
		    "it says how the component is built and run",
		    file);
	if (fd < 0)
		return err_set(
		    err, ERR_INVALID, CODE, "%.200s %s", file, why_not(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(
		    err, ERR_INVALID, CODE, "%.200s is no file", file);
	return fd_steal(&fd);
}

int descriptor_load(int dir_fd, const char *file, struct descriptor *ret,
    struct problems *problems, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = DESCRIPTOR_BYTES_MAX + 1};
	CLEANUP(fd_close) int fd = open_descriptor(dir_fd, file, err);
	char *room = buf_reserve(&text, DESCRIPTOR_BYTES_MAX + 1);
	ssize_t n = 1;

	if (fd < 0)
		return -1;
	while (n > 0 && text.len <= DESCRIPTOR_BYTES_MAX) {
		n = read(
		    fd, room + text.len, DESCRIPTOR_BYTES_MAX + 1 - text.len);
		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "read %.200s", file);
		if (n < 0)
			n = 1; /* again */
		else
			buf_commit(&text, (size_t)n);
	}
	return descriptor_parse(
	    buf_str(&text), text.len, file, ret, problems, err);
}

/* 0, or the errno value that stands for what is wrong. */
static int look(int dir_fd, const struct wanted *w, struct problems *problems)
{
	CLEANUP(fd_close) int fd = open_beneath(dir_fd, w->path, O_PATH);
	char shown[64];
	struct stat st;
	int eno;

	if (fd < 0 || fstat(fd, &st) < 0) {
		eno = errno;
		problems_error(problems, w->at, "%s: %s %s", w->key,
		    problem_quote(w->path, shown), why_not(eno));
		return eno;
	}
	if ((st.st_mode & S_IFMT) == w->type)
		return 0;
	problems_error(problems, w->at, "%s: %s is no %s", w->key,
	    problem_quote(w->path, shown), w->expected);
	return EINVAL;
}

int descriptor_open_context(const struct descriptor *d, int dir_fd)
{
	return open_beneath(dir_fd, d->context, O_RDONLY | O_DIRECTORY);
}

int descriptor_open_dockerfile(const struct descriptor *d, int dir_fd)
{
	return open_beneath(
	    dir_fd, d->dockerfile, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

int descriptor_check(const struct descriptor *d, int dir_fd, const char *file,
    struct problems *problems, struct err *err)
{
	const struct wanted dockerfile = {"runner.dockerfile", d->dockerfile,
	    d->dockerfile_at, S_IFREG, "file"};
	const struct wanted context = {"runner.build.context", d->context,
	    d->context_at, S_IFDIR, "directory"};
	int missing = look(dir_fd, &dockerfile, problems);

	look(dir_fd, &context, problems);
	problems_sort(problems);
	return problems_judge(
	    problems, file, missing != 0 ? "DOCKERFILE_NOT_FOUND" : CODE, err);
}
