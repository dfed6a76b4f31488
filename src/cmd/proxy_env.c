/*
 * Our block in a runner's .env: see proxy.h. The listener takes each line
 * NAME=value as a variable, later ones over earlier ones, and passes over what
 * has no "="; so a block at the end is enough, and its first and last line are
 * free for us. The first one also says how to undo it to the byte.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cmd/proxy.h"

#define ENV_FILE_MAX ((size_t)1024 * 1024)

static const char begin[] = "# runnerhub proxy: begin";
static const char after_open_line[] = " (the line above had no end)";
static const char in_new_file[] = " (the file is new)";
static const char end[] = "# runnerhub proxy: end\n";

struct env_file {
	char *path;
	struct buf text;
	bool exists;
	mode_t mode;
	/* The block, with the line end before it that is ours; NULL: none. */
	char *block, *behind;
	bool was_new;
};

static void env_file_fini(struct env_file *f)
{
	mem_free(f->path);
	buf_fini(&f->text);
}

static void env_file_fini_guard(struct env_file *f)
{
	env_file_fini(f);
}

static void find_block(struct env_file *f)
{
	char *text = f->text.data, *at = text, *stop;
	const char *how;

	while (at != NULL && strncmp(at, begin, strlen(begin)) != 0) {
		at = strchr(at, '\n');
		at = at != NULL ? at + 1 : NULL;
	}
	stop = at != NULL ? strstr(at, end) : NULL;
	if (stop == NULL)
		return;
	how = at + strlen(begin);
	f->was_new = strncmp(how, in_new_file, strlen(in_new_file)) == 0;
	f->behind = stop + strlen(end);
	/* Lines that somebody put behind the block need that end. */
	if (at > text && *f->behind == '\0' &&
	    strncmp(how, after_open_line, strlen(after_open_line)) == 0)
		at--;
	f->block = at;
}

static int env_file_read(
    const struct proxy_dir *d, struct env_file *f, struct err *err)
{
	struct stat st;

	*f = (struct env_file){.path = proxy_path(d, ".env"), .mode = 0644};
	f->text.max = ENV_FILE_MAX;
	if (stat(f->path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		return err_sys(err, errno, "look at %s", f->path);
	}
	f->exists = true;
	f->mode = st.st_mode & 07777;
	TRY(fs_read_file(f->path, &f->text, err));
	if (f->text.len > 0 && strlen(f->text.data) != f->text.len)
		return err_set(err, ERR_INVALID, "bad_env_file",
		    "%s holds a NUL byte", f->path);
	if (f->text.len > 0)
		find_block(f);
	return 0;
}

/* The file without our block. */
static void put_rest(const struct env_file *f, struct buf *out)
{
	const char *text = buf_str(&f->text);

	*out = (struct buf){.max = 2 * ENV_FILE_MAX};
	if (f->block == NULL) {
		IGNORE(buf_append(out, text, f->text.len));
		return;
	}
	IGNORE(buf_append(out, text, (size_t)(f->block - text)));
	IGNORE(buf_append_str(out, f->behind));
}

int proxy_env_write(
    const struct proxy_dir *d, const char *lines, struct err *err)
{
	CLEANUP(env_file_fini) struct env_file f;
	CLEANUP(buf_fini) struct buf out = {.max = 0};
	const char *how = "";

	TRY(env_file_read(d, &f, err));
	put_rest(&f, &out);
	if (out.len > 0 && out.data[out.len - 1] != '\n') {
		how = after_open_line;
		IGNORE(buf_append_char(&out, '\n'));
	} else if (out.len == 0 && (!f.exists || f.was_new)) {
		how = in_new_file;
	}
	if (buf_printf(&out, "%s%s\n%s%s", begin, how, lines, end) != 0)
		return err_set(
		    err, ERR_LIMIT, "bad_env_file", "%s is too long", f.path);
	return fs_replace_file(f.path, out.data, out.len, f.mode, err);
}

int proxy_env_look(
    const struct proxy_dir *d, const char *lines, struct err *err)
{
	CLEANUP(env_file_fini) struct env_file f;
	const char *first;
	size_t n = strlen(lines);

	TRY(env_file_read(d, &f, err));
	if (f.block == NULL)
		return 0;
	first = strstr(f.block, begin);
	first = first != NULL ? strchr(first, '\n') : NULL;
	return first != NULL && strncmp(first + 1, lines, n) == 0 &&
	       strncmp(first + 1 + n, end, strlen(end)) == 0;
}

int proxy_env_remove(const struct proxy_dir *d, struct err *err)
{
	CLEANUP(env_file_fini) struct env_file f;
	CLEANUP(buf_fini) struct buf out = {.max = 0};

	TRY(env_file_read(d, &f, err));
	if (f.block == NULL)
		return 0;
	put_rest(&f, &out);
	if (out.len > 0 || !f.was_new)
		return fs_replace_file(
		    f.path, buf_str(&out), out.len, f.mode, err);
	if (unlink(f.path) != 0)
		return err_sys(err, errno, "remove %s", f.path);
	return 0;
}
