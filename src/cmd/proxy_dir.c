/* The directory of a runner: see proxy.h. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cmd/proxy.h"

#define RUNNER_FILE_MAX ((size_t)64 * 1024)

char *proxy_path(const struct proxy_dir *d, const char *name)
{
	return mem_printf("%s/%s", d->path, name);
}

static const char *member(const json_t *o, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach(
	    (json_t *)o, key, value) if (strcasecmp(key, name) ==
					 0) return json_string_value(value);
	return NULL;
}

/* .runner: written by config.sh, with a byte order mark. */
static int read_runner_file(struct proxy_dir *d, struct err *err)
{
	CLEANUP(mem_free) char *path = proxy_path(d, ".runner");
	CLEANUP(buf_fini) struct buf text = {.max = RUNNER_FILE_MAX};
	const char *at, *work;
	json_t *facts;

	if (fs_read_file(path, &text, err) != 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		return err_set(err, ERR_INVALID, "no_runner",
		    "%s holds no configured runner (no file .runner): run its "
		    "config.sh first; proxy run does it when "
		    "RUNNERHUB_RUNNER_URL says where",
		    d->path);
	}
	at = buf_str(&text);
	at += strncmp(at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	facts = json_loads(at, 0, NULL);
	if (!json_is_object(facts)) {
		json_decref(facts);
		return err_set(err, ERR_INVALID, "no_runner",
		    "%s is no JSON object: run the runner's config.sh again",
		    path);
	}
	d->agent_name = mem_strdup_or_null(member(facts, "agentName"));
	work = member(facts, "workFolder");
	work = work != NULL && *work != '\0' ? work : "_work";
	d->work = *work == '/' ? mem_strdup(work) : proxy_path(d, work);
	json_decref(facts);
	return 0;
}

int proxy_dir_open(struct proxy_dir *ret, const char *path, struct err *err)
{
	CLEANUP(mem_free) char *worker = NULL;
	char real[PATH_MAX];
	struct stat st;

	*ret = (struct proxy_dir){.path = NULL};
	if (realpath(path, real) == NULL)
		return err_sys(err, errno, "the runner's directory %s", path);
	ret->path = mem_strdup(real);
	if (strpbrk(real, "\n\r'") != NULL)
		return err_set(err, ERR_INVALID, "bad_name",
		    "the name of the runner's directory holds a quote or a "
		    "line end");
	worker = proxy_path(ret, "bin/Runner.Worker");
	if (stat(worker, &st) != 0)
		return err_set(err, ERR_INVALID, "no_runner",
		    "%s is no runner's directory (no bin/Runner.Worker): name "
		    "the one with run.sh and config.sh",
		    real);
	if (stat(real, &st) != 0)
		return err_sys(err, errno, "look at %s", real);
	ret->owner = st.st_uid;
	ret->group = st.st_gid;
	return read_runner_file(ret, err);
}

void proxy_dir_fini(struct proxy_dir *d)
{
	mem_free(d->path);
	mem_free(d->agent_name);
	mem_free(d->work);
	*d = (struct proxy_dir){.path = NULL};
}

int proxy_dir_become_owner(const struct proxy_dir *d, struct err *err)
{
	if (geteuid() != 0 || d->owner == 0)
		return 0;
	if (setgroups(1, &d->group) != 0 ||
	    setresgid(d->group, d->group, d->group) != 0 ||
	    setresuid(d->owner, d->owner, d->owner) != 0)
		return err_sys(err, errno, "become the owner of %s", d->path);
	return 0;
}
