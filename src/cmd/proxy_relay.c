/*
 * The relay in place of a runner's worker: see proxy.h. A runner that updates
 * itself makes a directory bin.<version> and a link bin to it, or fills bin
 * anew: each time its own worker is there again, until proxy_relay_place.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cmd/proxy.h"

#define PROGRAM_MAX ((size_t)64 * 1024 * 1024)

/* runnerhub-worker bears it, whatever its file is called: worker/main.c. */
static const char mark[] =
    "runnerhub-worker: the relay in place of Runner.Worker";

static int read_program(const char *path, struct buf *out, struct err *err)
{
	*out = (struct buf){.max = PROGRAM_MAX};
	return fs_read_file(path, out, err);
}

static bool is_relay(const struct buf *program)
{
	return program->len > 0 &&
	       memmem(program->data, program->len, mark, strlen(mark)) != NULL;
}

int proxy_relay_look(const struct proxy_dir *d, const char *program,
    enum proxy_relay *ret, struct err *err)
{
	CLEANUP(mem_free) char *path = proxy_path(d, "bin/Runner.Worker");
	CLEANUP(buf_fini) struct buf there = {.max = 0}, ours = {.max = 0};

	TRY(read_program(path, &there, err));
	*ret = RELAY_ABSENT;
	if (!is_relay(&there))
		return 0;
	TRY(read_program(program, &ours, err));
	*ret = there.len == ours.len &&
		       memcmp(there.data, ours.data, ours.len) == 0
		   ? RELAY_PLACED
		   : RELAY_OTHER;
	return 0;
}

/* The runner's own worker gets a second name, then loses its first. */
static int keep_stock(
    const struct proxy_dir *d, const char *worker, struct err *err)
{
	CLEANUP(mem_free)
	char *stock = proxy_path(d, "bin/Runner.Worker.stock");
	CLEANUP(mem_free) char *fresh = mem_printf("%s.new", stock);
	CLEANUP(buf_fini) struct buf copy = {.max = 0};
	struct stat st;

	unlink(fresh);
	if (link(worker, fresh) != 0) {
		/* a file system without links */
		TRY(read_program(worker, &copy, err));
		if (stat(worker, &st) != 0)
			return err_sys(err, errno, "look at %s", worker);
		return fs_replace_file(
		    stock, copy.data, copy.len, st.st_mode & 07777, err);
	}
	if (rename(fresh, stock) != 0)
		return err_sys(err, errno, "rename %s to %s", fresh, stock);
	return 0;
}

int proxy_relay_place(
    const struct proxy_dir *d, const char *program, struct err *err)
{
	CLEANUP(mem_free) char *worker = proxy_path(d, "bin/Runner.Worker");
	CLEANUP(buf_fini) struct buf ours = {.max = 0};
	enum proxy_relay there;

	TRY(proxy_relay_look(d, program, &there, err));
	if (there == RELAY_PLACED)
		return 0;
	TRY(read_program(program, &ours, err));
	if (!is_relay(&ours))
		return err_set(err, ERR_INVALID, "bad_program",
		    "%s is not runnerhub-worker", program);
	if (there == RELAY_ABSENT)
		TRY(keep_stock(d, worker, err));
	return fs_replace_file(worker, ours.data, ours.len, 0755, err);
}

/* -- away again -------------------------------------------------------- */

static int restore(const struct proxy_dir *d, const char *bin, struct err *err)
{
	CLEANUP(mem_free)
	char *worker = mem_printf("%s/%s/Runner.Worker", d->path, bin);
	CLEANUP(mem_free) char *stock = mem_printf("%s.stock", worker);
	CLEANUP(buf_fini) struct buf there = {.max = 0};
	struct err none = ERR_INIT;

	if (access(stock, F_OK) != 0)
		return 0;
	if (read_program(worker, &there, &none) == 0 && !is_relay(&there)) {
		/* the runner has put a newer one there */
		if (unlink(stock) != 0)
			return err_sys(err, errno, "remove %s", stock);
		return 0;
	}
	if (rename(stock, worker) != 0)
		return err_sys(err, errno, "rename %s to %s", stock, worker);
	return 0;
}

int proxy_relay_remove(const struct proxy_dir *d, struct err *err)
{
	DIR *dir = opendir(d->path);
	struct dirent *e;
	int rc = 0;

	if (dir == NULL)
		return err_sys(err, errno, "read directory %s", d->path);
	while (rc == 0 && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, "bin") == 0 ||
		    strncmp(e->d_name, "bin.", 4) == 0)
			rc = restore(d, e->d_name, err);
	closedir(dir);
	return rc;
}
