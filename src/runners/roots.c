/*
 * Work directories, read from what an operator writes and from the engine's
 * document about a runner's own container. Handler threads and the keeper's.
 */
#include "runners/roots.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json_out.h"
#include "base/mem.h"

enum { ROOTS_MAX = 64 };

/* -- paths ------------------------------------------------------------- */

/* Absolute, not "/", without empty, "." and ".." segments, no newline. */
static bool is_plain(const char *path)
{
	if (path[0] != '/' || path[1] == '\0' || strlen(path) >= PATH_MAX ||
	    strpbrk(path, "\r\n") != NULL)
		return false;
	for (const char *p = path; *p == '/';) {
		size_t n = strcspn(p + 1, "/");

		if (n == 0 || (n == 1 && p[1] == '.') ||
		    (n == 2 && p[1] == '.' && p[2] == '.'))
			return false;
		p += n + 1;
	}
	return true;
}

static bool is_at_or_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	while (n > 1 && top[n - 1] == '/')
		n--;
	return strncmp(path, top, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/' || n == 1);
}

/* Links resolved where this host has the path; else as it is. */
static const char *real_of(const char *path, char out[PATH_MAX])
{
	return realpath(path, out) != NULL ? out : path;
}

static bool touches(const char *path, const char *secret)
{
	char a[PATH_MAX], b[PATH_MAX];
	const char *p = real_of(path, a), *s = real_of(secret, b);

	return is_at_or_below(p, s) || is_at_or_below(s, p) ||
	       is_at_or_below(path, secret) || is_at_or_below(secret, path);
}

/* A directory that holds a secret is one too. */
static bool is_secret(const char *path, const struct roots_secret *secret)
{
	const char *host = secret->engine_host;

	if (secret->state_dir != NULL && touches(path, secret->state_dir))
		return true;
	if (host != NULL && strncmp(host, "unix://", 7) == 0)
		host += 7;
	if (host != NULL && *host == '/' && touches(path, host))
		return true;
	/* The usual places, whatever we use ourselves. */
	return touches(path, "/var/run/docker.sock") ||
	       touches(path, "/run/podman/podman.sock") ||
	       touches(path, "/run/containerd/containerd.sock");
}

/* What this host can see not to be a directory (a file, a socket). */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

struct root {
	const char *here, *host, *volume;
	bool read_only;
};

static void put(struct json *j, const struct root *r)
{
	json_obj(j);
	json_kstr(j, "here", r->here);
	json_kstr(j, r->volume != NULL ? "volume" : "host",
	    r->volume != NULL ? r->volume : r->host);
	json_kbool(j, "readOnly", r->read_only);
	json_end(j);
}

/* -- an operator's words ----------------------------------------------- */

static int refuse(const char *path, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_root",
	    "roots: \"%.160s\" is not the path of a directory: expected an "
	    "absolute path without \"..\", and not \"/\"",
	    path != NULL ? path : "");
}

static int read_root(const json_t *item, struct root *ret, struct err *err)
{
	const char *here =
	    json_is_string(item)
		? json_string_value(item)
		: json_string_value(json_object_get(item, "here"));
	const char *host = json_string_value(json_object_get(item, "host"));
	const char *volume = json_string_value(json_object_get(item, "volume"));

	if (here == NULL || !is_plain(here))
		return refuse(here, err);
	if (host == NULL)
		host = here;
	if (volume == NULL && !is_plain(host))
		return refuse(host, err);
	if (volume != NULL && (*volume == '\0' || strlen(volume) > 128 ||
				  strpbrk(volume, "/: \n") != NULL))
		return refuse(volume, err);
	*ret = (struct root){.here = here,
	    .host = host,
	    .volume = volume,
	    .read_only = json_is_true(json_object_get(item, "readOnly"))};
	return 0;
}

int roots_from_request(const json_t *list, const struct roots_secret *secret,
    struct buf *out, struct err *err)
{
	const json_t *item;
	struct root root = {.here = NULL};
	struct json j;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > ROOTS_MAX)
		return err_set(err, ERR_INVALID, "bad_root",
		    "roots: expected a list of at most %d paths", ROOTS_MAX);
	json_init(&j, out);
	json_arr(&j);
	json_array_foreach(list, i, item)
	{
		TRY(read_root(item, &root, err));
		if (root.volume == NULL && is_secret(root.host, secret))
			return err_set(err, ERR_FORBIDDEN, "bad_root",
			    "roots: %.160s would show the engine's socket or "
			    "the hub's state directory to jobs",
			    root.host);
		put(&j, &root);
	}
	json_end(&j);
	return 0;
}

/* -- the mounts of a container ----------------------------------------- */

static bool read_mount(
    const json_t *m, const struct roots_secret *secret, struct root *ret)
{
	const char *type = json_string_value(json_object_get(m, "Type"));
	const char *here = json_string_value(json_object_get(m, "Destination"));
	const char *host = json_string_value(json_object_get(m, "Source"));
	const char *name = json_string_value(json_object_get(m, "Name"));

	if (type == NULL || here == NULL || !is_plain(here))
		return false;
	*ret = (struct root){
	    .here = here, .read_only = !json_is_true(json_object_get(m, "RW"))};
	if (host == NULL || !is_plain(host))
		return false;
	if (strcmp(type, "volume") == 0 && name != NULL) {
		ret->volume = name;
		return !is_secret(host, secret);
	}
	if (strcmp(type, "bind") != 0)
		return false;
	ret->host = host;
	return !is_secret(host, secret) && !is_file(host);
}

int roots_from_container(const char *document, size_t len,
    const struct roots_secret *secret, struct buf *out, struct err *err)
{
	json_t *doc = json_loadb(document, len, 0, NULL);
	const json_t *item;
	struct root root;
	struct json j;
	size_t i, n = 0;

	if (!json_is_object(doc)) {
		json_decref(doc);
		return err_set(err, ERR_INTERNAL, "engine_error",
		    "the engine's answer about a container cannot be read");
	}
	json_init(&j, out);
	json_arr(&j);
	json_array_foreach(json_object_get(doc, "Mounts"), i, item)
	{
		if (n < ROOTS_MAX && read_mount(item, secret, &root)) {
			put(&j, &root);
			n++;
		}
	}
	json_end(&j);
	json_decref(doc);
	return 0;
}
