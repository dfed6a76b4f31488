/*
 * Mounts: see mounts.h. Every path that reaches the engine goes through
 * here: checked against policy with its links resolved, then translated.
 * Binds are "Mounts" of the engine's API, which refuses a source that is not
 * there; "Binds" would make an empty directory on the host.
 */
#include "containers/mounts.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "containers/values.h"

#define HOST_PATH_MAX 8192

/* -- wishes ------------------------------------------------------------ */

static int bad_mount(const char *text, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_mount",
	    "mount \"%.200s\": write source:/target[:ro], or /target", text);
}

bool mount_is_volume_name(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name);

	return len > 0 && len < 200 && strchr(first, name[0]) != NULL &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == len;
}

int mount_wish(json_t *wishes, const char *source, const char *target,
    bool read_only, struct err *err)
{
	bool is_path = source != NULL && source[0] == '/';
	json_t *wish;

	if (target == NULL || target[0] != '/')
		return bad_mount(target != NULL ? target : "", err);
	if (source != NULL && !is_path && !mount_is_volume_name(source))
		return bad_mount(source, err);
	wish = json_object();
	json_object_set_new(
	    wish, "Type", json_string(is_path ? "bind" : "volume"));
	if (source != NULL)
		json_object_set_new(wish, "Source", json_string(source));
	json_object_set_new(wish, "Target", json_string(target));
	json_object_set_new(wish, "ReadOnly", json_boolean(read_only));
	json_array_append_new(wishes, wish);
	return 0;
}

/* Of the options after the target only the mode matters: the others are
 * SELinux labels and propagation, which a job's own mounts do without. */
static int read_mode(const char *options, bool *read_only)
{
	static const char *const known[] = {"ro", "rw", "z", "Z", "nocopy",
	    "cached", "delegated", "consistent"};

	while (*options != '\0') {
		size_t len = strcspn(options, ","), i;

		for (i = 0; i < ARRAY_LEN(known); i++)
			if (strlen(known[i]) == len &&
			    strncmp(known[i], options, len) == 0)
				break;
		if (i == ARRAY_LEN(known))
			return -1;
		if (i == 0)
			*read_only = true;
		options += len + (options[len] == ',');
	}
	return 0;
}

int mount_wish_volume(json_t *wishes, const char *text, struct err *err)
{
	char *source = mem_strdup(text), *target = strchr(source, ':');
	char *options = NULL;
	bool read_only = false;
	int r = 0;

	if (target != NULL) {
		*target++ = '\0';
		options = strchr(target, ':');
	}
	if (options != NULL)
		*options++ = '\0';
	/* "/target:ro" has no source. */
	if (target != NULL && options == NULL && target[0] != '/') {
		options = target;
		target = NULL;
	}
	if (options != NULL && read_mode(options, &read_only) != 0)
		r = bad_mount(text, err);
	else if (target == NULL)
		r = mount_wish(wishes, NULL, source, read_only, err);
	else
		r = mount_wish(wishes, source, target, read_only, err);
	mem_free(source);
	return r;
}

struct mount_text {
	const char *type, *source, *target;
	bool read_only;
	int64_t tmpfs_size; /* -1: none given */
};

/* One "key=value" of --mount. -1: not taken. */
static int read_mount_key(
    struct mount_text *m, const char *key, const char *value)
{
	if (strcmp(key, "type") == 0)
		m->type = value;
	else if (strcmp(key, "source") == 0 || strcmp(key, "src") == 0)
		m->source = value;
	else if (strcmp(key, "target") == 0 || strcmp(key, "dst") == 0 ||
		 strcmp(key, "destination") == 0)
		m->target = value;
	else if (strcmp(key, "readonly") == 0 || strcmp(key, "ro") == 0)
		m->read_only =
		    strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
	else if (strcmp(key, "tmpfs-size") == 0)
		return value_bytes(value, &m->tmpfs_size);
	else
		return -1;
	return 0;
}

/* Keys of other drivers and propagation are refused: a volume "with options"
 * can be any directory of the host. */
static int read_mount(struct mount_text *m, char *copy)
{
	char *save = NULL;

	for (char *part = strtok_r(copy, ",", &save); part != NULL;
	     part = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(part, '=');

		if (eq != NULL)
			*eq++ = '\0';
		if (read_mount_key(m, part, eq != NULL ? eq : "true") != 0)
			return -1;
	}
	return m->target != NULL && m->target[0] == '/' ? 0 : -1;
}

static void wish_tmpfs(json_t *wishes, const struct mount_text *m)
{
	json_t *wish = json_object(), *options = json_object();

	json_object_set_new(wish, "Type", json_string("tmpfs"));
	json_object_set_new(wish, "Target", json_string(m->target));
	if (m->tmpfs_size >= 0)
		json_object_set_new(
		    options, "SizeBytes", json_integer(m->tmpfs_size));
	json_object_set_new(wish, "TmpfsOptions", options);
	json_array_append_new(wishes, wish);
}

int mount_wish_mount(json_t *wishes, const char *text, struct err *err)
{
	struct mount_text m = {.type = "volume", .tmpfs_size = -1};
	char *copy = mem_strdup(text);
	int r = read_mount(&m, copy);
	bool bind = strcmp(m.type, "bind") == 0;

	if (r == 0 && strcmp(m.type, "tmpfs") == 0 && m.source == NULL)
		wish_tmpfs(wishes, &m);
	else if (r == 0 && (bind || strcmp(m.type, "volume") == 0) &&
		 (m.source == NULL ? !bind : (m.source[0] == '/') == bind))
		r = mount_wish(wishes, m.source, m.target, m.read_only, err);
	else
		r = err_set(err, ERR_INVALID, "bad_mount",
		    "mount \"%.200s\": write type=bind|volume|tmpfs,"
		    "source=...,target=/...[,readonly][,tmpfs-size=...]",
		    text);
	mem_free(copy);
	return r;
}

/* -- what the engine gets ---------------------------------------------- */

json_t *mount_make(
    const char *type, const char *source, const char *target, bool read_only)
{
	json_t *mount = json_object();

	json_object_set_new(mount, "Type", json_string(type));
	if (source != NULL)
		json_object_set_new(mount, "Source", json_string(source));
	json_object_set_new(mount, "Target", json_string(target));
	json_object_set_new(mount, "ReadOnly", json_boolean(read_only));
	return mount;
}

static void put(json_t *out, const char *type, const char *source,
    const char *target, bool read_only)
{
	json_array_append_new(out, mount_make(type, source, target, read_only));
}

static int put_bind(json_t *out, const char *path, const char *target,
    bool read_only, const struct mount_rules *rules, struct err *err)
{
	CLEANUP(buf_fini) struct buf host = {.max = HOST_PATH_MAX};

	TRY(paths_to_host(rules->paths, path, &host, err));
	put(out, "bind", buf_str(&host), target, read_only);
	return 0;
}

bool mount_is_engine_socket(const char *path)
{
	static const char *const known[] = {"/var/run/docker.sock",
	    "/run/docker.sock", "/run/podman/podman.sock",
	    "/run/containerd/containerd.sock"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(path, known[i]) == 0)
			return true;
	return false;
}

/* Any socket is one that some daemon of the host answers on. */
static bool is_socket(const char *path)
{
	struct stat st;

	return mount_is_engine_socket(path) ||
	       (stat(path, &st) == 0 && S_ISSOCK(st.st_mode));
}

static int put_system(json_t *out, const struct wish_mount *mounts, size_t n,
    const struct mount_rules *rules, bool *ret_socket_dropped, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct wish_mount *m = &mounts[i];

		if (m->source == NULL || m->source[0] != '/' ||
		    m->target == NULL || m->target[0] != '/')
			return bad_mount(
			    m->target != NULL ? m->target : "", err);
		if (is_socket(m->source) &&
		    !rules->policy->granted[POLICY_ENGINE_SOCKET]) {
			*ret_socket_dropped = true;
			continue;
		}
		TRY(put_bind(
		    out, m->source, m->target, m->read_only, rules, err));
	}
	return 0;
}

/* Below a directory that the runner itself mounts for the job. What it
 * mounts read-only (its own programs) nobody may mount to write. */
static bool is_own(
    const char *path, bool read_only, const struct mount_rules *rules)
{
	for (size_t i = 0; i < rules->nroots; i++) {
		const char *source = rules->roots[i].source;
		char root[PATH_MAX];

		if (source == NULL || is_socket(source) ||
		    (rules->roots[i].read_only && !read_only) ||
		    realpath(source, root) == NULL)
			continue;
		if (path_is_below(path, root))
			return true;
	}
	return false;
}

/* A link that an earlier job left must not lead out of the work directories:
 * the engine gets the resolved path. */
static int put_wished_bind(json_t *out, const char *source, const char *target,
    bool read_only, const struct mount_rules *rules, struct err *err)
{
	char resolved[PATH_MAX];
	bool exists = realpath(source, resolved) != NULL;
	const char *path = exists ? resolved : source;

	if (is_socket(path) || is_socket(source))
		TRY(policy_need(rules->policy, POLICY_ENGINE_SOCKET, err,
		    "a mount of %.200s", source));
	else if (!exists || !is_own(path, read_only, rules))
		TRY(policy_need(rules->policy, POLICY_HOST_MOUNTS, err,
		    "a mount of %.200s, which is not within the runner's work "
		    "directories,",
		    source));
	return put_bind(out, path, target, read_only, rules, err);
}

static void put_wished_volume(json_t *out, const char *name, const char *target,
    bool read_only, const struct mount_rules *rules)
{
	char *own;

	if (name == NULL) {
		put(out, "volume", NULL, target, read_only);
		return;
	}
	own = mem_printf("%s%s", rules->volume_prefix, name);
	put(out, "volume", own, target, read_only);
	mem_free(own);
}

static int put_wishes(json_t *out, const json_t *wishes,
    const struct mount_rules *rules, struct err *err)
{
	for (size_t i = 0; i < json_array_size(wishes); i++) {
		json_t *wish = json_array_get(wishes, i);
		const char *type =
		    json_string_value(json_object_get(wish, "Type"));
		const char *source =
		    json_string_value(json_object_get(wish, "Source"));
		const char *target =
		    json_string_value(json_object_get(wish, "Target"));
		bool ro = json_is_true(json_object_get(wish, "ReadOnly"));

		if (strcmp(type, "tmpfs") == 0)
			json_array_append(out, wish);
		else if (strcmp(type, "volume") == 0)
			put_wished_volume(out, source, target, ro, rules);
		else
			TRY(put_wished_bind(
			    out, source, target, ro, rules, err));
	}
	return 0;
}

int mounts_put(json_t *out, const struct container_wish *wish,
    const json_t *options_mounts, const struct mount_rules *rules,
    bool *ret_socket_dropped, struct err *err)
{
	json_t *wishes = json_array();
	int r = 0;

	for (size_t i = 0; i < json_array_size(options_mounts); i++)
		json_array_append(wishes, json_array_get(options_mounts, i));
	for (size_t i = 0; r == 0 && i < wish->nuser_mounts; i++) {
		const struct wish_mount *u = &wish->user_mounts[i];

		r = mount_wish(wishes, u->source, u->target, u->read_only, err);
	}
	if (r == 0)
		r = put_wishes(out, wishes, rules, err);
	json_decref(wishes);
	if (r != 0)
		return -1;
	return put_system(out, wish->system_mounts, wish->nsystem_mounts, rules,
	    ret_socket_dropped, err);
}
