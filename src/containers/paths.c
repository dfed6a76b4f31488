/* Path translation: see paths.h. Filled by self.c, used for every mount. */
#include "containers/paths.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"

#define PAIRS_MAX      1024
#define PATH_BYTES_MAX 4095

void paths_add(struct paths *p, const char *here, const char *host)
{
	p->pairs = mem_realloc(p->pairs, (p->n + 1) * sizeof(*p->pairs));
	p->pairs[p->n++] =
	    (struct path_pair){mem_strdup(here), mem_strdup(host)};
}

void paths_fini(struct paths *p)
{
	for (size_t i = 0; i < p->n; i++) {
		mem_free(p->pairs[i].here);
		mem_free(p->pairs[i].host);
	}
	mem_free(p->pairs);
	*p = (struct paths){.pairs = NULL};
}

bool path_is_below(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	while (len > 1 && prefix[len - 1] == '/')
		len--;
	if (len == 1 && prefix[0] == '/')
		return path[0] == '/';
	return strncmp(path, prefix, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/');
}

int path_normalise(const char *path, char **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.max = PATH_BYTES_MAX};
	const char *at = path;

	if (path[0] != '/')
		return err_set(err, ERR_INVALID, "bad_path",
		    "\"%.200s\" is no absolute path", path);
	while (*(at += strspn(at, "/")) != '\0') {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.')
			return err_set(err, ERR_INVALID, "bad_path",
			    "path \"%.200s\": \"..\" is not taken", path);
		if (len != 1 || at[0] != '.') {
			buf_append_char(&out, '/');
			buf_append(&out, at, len);
		}
		at += len;
	}
	if (out.overflow)
		return err_set(err, ERR_INVALID, "bad_path",
		    "path \"%.100s...\" is longer than %d bytes", path,
		    PATH_BYTES_MAX);
	*ret = mem_strdup(out.len > 0 ? buf_str(&out) : "/");
	return 0;
}

static const struct path_pair *longest(const struct paths *p, const char *path)
{
	const struct path_pair *best = NULL;

	for (size_t i = 0; i < p->n; i++)
		if (path_is_below(path, p->pairs[i].here) &&
		    (best == NULL ||
			strlen(p->pairs[i].here) > strlen(best->here)))
			best = &p->pairs[i];
	return best;
}

int paths_to_host(
    const struct paths *p, const char *path, struct buf *ret, struct err *err)
{
	const struct path_pair *pair = longest(p, path);
	const char *rest;

	if (pair == NULL && p->in_container)
		return err_set(err, ERR_INVALID, "path_unreachable",
		    "the engine cannot see %s: the runner is in a container "
		    "and this path is no mount of it; mount a directory or "
		    "volume there",
		    path);
	if (pair == NULL) {
		buf_append_str(ret, path);
	} else {
		rest = path + strlen(pair->here);
		buf_append_str(ret, pair->host);
		if (rest[0] != '\0' && rest[0] != '/')
			buf_append_char(ret, '/'); /* here is "/" */
		buf_append_str(ret, rest);
	}
	if (!ret->overflow)
		return 0;
	return err_set(err, ERR_LIMIT, "path_too_long", "a path is too long");
}

int paths_from_document(
    struct paths *p, const char *json, size_t len, struct err *err)
{
	json_t *doc = json_loadb(json, len, JSON_ALLOW_NUL, NULL);
	json_t *mounts = json_object_get(doc, "Mounts");
	size_t n = json_array_size(mounts);

	for (size_t i = 0; i < n && i < PAIRS_MAX; i++) {
		json_t *mount = json_array_get(mounts, i);
		const char *from =
		    json_string_value(json_object_get(mount, "Source"));
		const char *to =
		    json_string_value(json_object_get(mount, "Destination"));

		if (from != NULL && to != NULL && from[0] == '/' &&
		    to[0] == '/')
			paths_add(p, to, from);
	}
	if (doc == NULL)
		return err_set(err, ERR_INTERNAL, "engine_answer",
		    "the engine's description of the runner's own container "
		    "is not JSON");
	json_decref(doc);
	p->in_container = true;
	return 0;
}

/* Field n of a line, from 0; empty behind its last. */
static const char *field(const char *line, int n, size_t *ret_len)
{
	for (; n > 0; n--) {
		line += strcspn(line, " \n");
		if (*line == ' ')
			line++;
	}
	*ret_len = strcspn(line, " \n");
	return line;
}

static bool is_engine_file(const char *point, size_t len)
{
	static const char *const files[] = {
	    "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strlen(files[i]) == len &&
		    memcmp(files[i], point, len) == 0)
			return true;
	return false;
}

/* The id in the root of a mount, "/var/lib/docker/containers/<id>/hostname". */
static bool id_of_root(const char *root, size_t len, char id[65])
{
	static const char mark[] = "containers/";
	const char *end = root + len, *at = root;

	while (
	    (at = memmem(at, (size_t)(end - at), mark, strlen(mark))) != NULL) {
		at += strlen(mark);
		if (strspn(at, "0123456789abcdef") != 64 || at[64] != '/')
			continue;
		memcpy(id, at, 64);
		id[64] = '\0';
		return true;
	}
	return false;
}

/*
 * Engines mount their files over /etc/hostname and others of a container.
 * What else they keep below .../containers/<id>/ the machine itself sees, too,
 * such as the shared memory of any container: it says nothing about us.
 */
int paths_container_ids(const char *mountinfo,
    int (*found)(void *arg, const char id[65]), void *arg)
{
	char id[65] = "", last[65] = "";
	const char *line = mountinfo, *root, *point;
	size_t root_len, point_len;
	int r;

	for (; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		root = field(line, 3, &root_len);
		point = field(line, 4, &point_len);
		if (!is_engine_file(point, point_len) ||
		    !id_of_root(root, root_len, id) || strcmp(id, last) == 0)
			continue;
		memcpy(last, id, sizeof(last));
		r = found(arg, id);
		if (r != 0)
			return r;
	}
	return 0;
}
