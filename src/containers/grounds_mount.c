/*
 * The mounts of one container of a session: see grounds.h. Pure. First all
 * wishes are read, then each one on a ground becomes a bind of the ground or
 * a link into such a bind. Paths are compared as text, so none has ".." or
 * doubled slashes here.
 *
 * Engines unpack the links with the container's mounts in place. A link over
 * or within one of them would change the work directory itself: refused.
 */
#include <string.h>

#include "base/mem.h"
#include "base/tar.h"
#include "containers/grounds.h"

#define LINKS_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define WANTS_MAX       2048

/* One mount. Without a ground it is `other`, which the engine takes as is. */
struct want {
	const struct ground *ground;
	char *source, *target;
	bool read_only;
	bool covered; /* seen through another mount already */
	json_t *other;
};

/* A bind of a ground that no wish asks for. */
struct place {
	const struct ground *ground;
	bool read_only;
	char *target;
};

struct maker {
	const struct grounds *grounds;
	const struct policy *policy;
	const char *volume_prefix;
	json_t *wishes; /* of user mounts and options */
	struct want *wants;
	size_t nwants;
	struct place *places;
	size_t nplaces;
	struct grounds_made *made;
};

static void maker_fini(struct maker *m)
{
	for (size_t i = 0; i < m->nwants; i++) {
		mem_free(m->wants[i].source);
		mem_free(m->wants[i].target);
		json_decref(m->wants[i].other);
	}
	for (size_t i = 0; i < m->nplaces; i++)
		mem_free(m->places[i].target);
	mem_free(m->wants);
	mem_free(m->places);
	json_decref(m->wishes);
}

/* -- reading ----------------------------------------------------------- */

static struct want *add_want(
    struct maker *m, const char *target, bool read_only, struct err *err)
{
	struct want *w;
	char *clean;

	if (m->nwants == WANTS_MAX) {
		IGNORE(err_set(err, ERR_LIMIT, "too_many_mounts",
		    "more than %d mounts", WANTS_MAX));
		return NULL;
	}
	if (path_normalise(target != NULL ? target : "", &clean, err) != 0) {
		IGNORE(err_wrap(err, "the target of a mount"));
		return NULL;
	}
	m->wants = mem_realloc(m->wants, (m->nwants + 1) * sizeof(*m->wants));
	w = &m->wants[m->nwants++];
	*w = (struct want){.target = clean, .read_only = read_only};
	return w;
}

/* Granted: as the engine's host has it. */
static void put_as_is(struct want *w, const char *source)
{
	w->other = mount_make("bind", source, w->target, w->read_only);
}

/* source: normalised. */
static int want_clean(struct maker *m, const char *source, const char *target,
    bool read_only, struct err *err)
{
	struct want *w = add_want(m, target, read_only, err);

	if (w == NULL)
		return -1;
	w->ground = grounds_find(m->grounds, source);
	if (w->ground != NULL) {
		w->read_only = read_only || w->ground->read_only;
		w->source = mem_strdup(source);
		return 0;
	}
	if (mount_is_engine_socket(source))
		TRY(policy_need(m->policy, POLICY_ENGINE_SOCKET, err,
		    "a mount of %.200s", source));
	else if (!m->policy->granted[POLICY_HOST_MOUNTS])
		return grounds_outside(source, err);
	put_as_is(w, source);
	return 0;
}

static int want_path(struct maker *m, const char *source, const char *target,
    bool read_only, struct err *err)
{
	CLEANUP(mem_free) char *clean = NULL;

	TRY(path_normalise(source, &clean, err));
	return want_clean(m, clean, target, read_only, err);
}

/* The runner mounts the engine's socket for every job. */
static int want_system(
    struct maker *m, const struct wish_mount *mount, struct err *err)
{
	CLEANUP(mem_free) char *clean = NULL;
	const char *source = mount->source;

	if (source == NULL || source[0] != '/')
		return err_set(err, ERR_INVALID, "bad_mount",
		    "the runner's mount at \"%.200s\" has no path as its "
		    "source",
		    mount->target != NULL ? mount->target : "");
	TRY(path_normalise(source, &clean, err));
	if (mount_is_engine_socket(clean) &&
	    !m->policy->granted[POLICY_ENGINE_SOCKET]) {
		m->made->socket_dropped = true;
		return 0;
	}
	return want_clean(m, clean, mount->target, mount->read_only, err);
}

static int want_volume(struct maker *m, const char *name, const char *target,
    bool read_only, struct err *err)
{
	CLEANUP(mem_free) char *own = NULL;
	struct want *w = add_want(m, target, read_only, err);

	if (w == NULL)
		return -1;
	if (name != NULL)
		own = mem_printf("%s%s", m->volume_prefix, name);
	w->other = mount_make("volume", own, w->target, read_only);
	return 0;
}

/* One of a workflow's: see mounts.h. */
static int want_wish(struct maker *m, json_t *wish, struct err *err)
{
	const char *type = json_string_value(json_object_get(wish, "Type"));
	const char *source = json_string_value(json_object_get(wish, "Source"));
	const char *target = json_string_value(json_object_get(wish, "Target"));
	bool read_only = json_is_true(json_object_get(wish, "ReadOnly"));
	struct want *w;

	if (strcmp(type, "volume") == 0)
		return want_volume(m, source, target, read_only, err);
	if (strcmp(type, "bind") == 0)
		return want_path(m, source, target, read_only, err);
	w = add_want(m, target, false, err);
	if (w == NULL)
		return -1;
	w->other = json_incref(wish);
	return 0;
}

static int want_all(struct maker *m, const struct container_wish *wish,
    const json_t *options_mounts, struct err *err)
{
	json_t *wishes = m->wishes;

	for (size_t i = 0; i < wish->nsystem_mounts; i++)
		TRY(want_system(m, &wish->system_mounts[i], err));
	for (size_t i = 0; i < wish->nuser_mounts; i++) {
		const struct wish_mount *u = &wish->user_mounts[i];

		TRY(mount_wish(
		    wishes, u->source, u->target, u->read_only, err));
	}
	for (size_t i = 0; i < json_array_size(options_mounts); i++)
		json_array_append(wishes, json_array_get(options_mounts, i));
	for (size_t i = 0; i < json_array_size(wishes); i++)
		TRY(want_wish(m, json_array_get(wishes, i), err));
	return 0;
}

/* -- which are links, and where they lead ------------------------------ */

/* What of the path lies below the ground: "" or "/a/b". */
static const char *rest_of(const struct want *w)
{
	return w->source + strlen(w->ground->here);
}

static bool is_link(const struct want *w)
{
	return w->ground != NULL && !w->covered && rest_of(w)[0] != '\0';
}

/* Does `upper` show what w is, at the place where w is wanted? A read-only
 * wish is covered by a writable mount: the same files are there anyway. */
static bool covers(const struct want *upper, const struct want *w)
{
	size_t source = strlen(upper->source), target = strlen(upper->target);

	return upper->ground == w->ground && upper != w &&
	       (w->read_only || !upper->read_only) &&
	       strlen(w->source) > source &&
	       path_is_below(w->source, upper->source) &&
	       path_is_below(w->target, upper->target) &&
	       strcmp(w->source + source, w->target + target) == 0;
}

static void find_covered(struct maker *m)
{
	for (size_t i = 0; i < m->nwants; i++)
		for (size_t k = 0; k < m->nwants; k++)
			if (m->wants[i].ground != NULL &&
			    m->wants[k].ground != NULL &&
			    covers(&m->wants[k], &m->wants[i]))
				m->wants[i].covered = true;
}

static bool overlap(const char *a, const char *b)
{
	return path_is_below(a, b) || path_is_below(b, a);
}

static bool is_free(const struct maker *m, const char *target)
{
	for (size_t i = 0; i < m->nwants; i++)
		if (overlap(target, m->wants[i].target))
			return false;
	for (size_t i = 0; i < m->nplaces; i++)
		if (overlap(target, m->places[i].target))
			return false;
	return true;
}

static const char *add_place(
    struct maker *m, const struct ground *ground, bool read_only)
{
	struct place *p;
	char *target = mem_strdup("/__w");

	for (unsigned i = 1; !is_free(m, target); i++) {
		mem_free(target);
		target = i == 1 ? mem_strdup("/.runnerhub-work")
				: mem_printf("/.runnerhub-work%u", i);
	}
	m->places =
	    mem_realloc(m->places, (m->nplaces + 1) * sizeof(*m->places));
	p = &m->places[m->nplaces++];
	*p = (struct place){ground, read_only, target};
	return target;
}

/* Where the container has the ground, writable or not. */
static const char *place_of(
    struct maker *m, const struct ground *ground, bool read_only)
{
	for (size_t i = 0; i < m->nwants; i++) {
		const struct want *w = &m->wants[i];

		if (w->ground == ground && w->read_only == read_only &&
		    rest_of(w)[0] == '\0')
			return w->target;
	}
	for (size_t i = 0; i < m->nplaces; i++)
		if (m->places[i].ground == ground &&
		    m->places[i].read_only == read_only)
			return m->places[i].target;
	return add_place(m, ground, read_only);
}

/* -- may the link stand there? ----------------------------------------- */

static int bad_place(const struct want *w, const char *other, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_mount",
	    "%.200s cannot be mounted at %.200s beside %.200s: only a whole "
	    "work directory can be mounted there",
	    w->source, w->target, other);
}

/* What every container has there is no place for a link. */
static int check_reserved(const struct want *w, struct err *err)
{
	static const char *const reserved[] = {"/proc", "/sys", "/dev", "/hub",
	    "/.runnerhub", "/.runnerhub-agent", "/etc/hosts", "/etc/hostname",
	    "/etc/resolv.conf"};

	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (overlap(w->target, reserved[i]))
			return bad_place(w, reserved[i], err);
	return 0;
}

static int check_link(
    const struct maker *m, const struct want *w, struct err *err)
{
	TRY(check_reserved(w, err));
	for (size_t i = 0; i < m->nwants; i++)
		if (&m->wants[i] != w && !m->wants[i].covered &&
		    overlap(w->target, m->wants[i].target))
			return bad_place(w, m->wants[i].target, err);
	for (size_t i = 0; i < m->nplaces; i++)
		if (overlap(w->target, m->places[i].target))
			return bad_place(w, m->places[i].target, err);
	return 0;
}

/* -- what comes of it -------------------------------------------------- */

static int put_link(struct maker *m, const struct want *w, struct err *err)
{
	const char *place = place_of(m, w->ground, w->read_only);
	CLEANUP(mem_free) char *to = mem_printf("%s%s", place, rest_of(w));

	TRY(check_link(m, w, err));
	tar_put_entry(
	    &m->made->links, &(struct tar_entry){.name = w->target + 1,
				 .type = TAR_SYMLINK,
				 .mode = 0777,
				 .link = to});
	return 0;
}

/* An image's files at that place must not be copied into the volume. */
static void put_ground(struct maker *m, const struct ground *ground,
    const char *target, bool read_only)
{
	json_t *mount;

	if (ground->host != NULL) {
		mount = mount_make("bind", ground->host, target, read_only);
	} else {
		mount = mount_make("volume", ground->volume, target, read_only);
		json_object_set_new(
		    mount, "VolumeOptions", json_pack("{s:b}", "NoCopy", 1));
	}
	json_array_append_new(m->made->mounts, mount);
}

static int put_all(struct maker *m, struct err *err)
{
	struct buf *links = &m->made->links;

	for (size_t i = 0; i < m->nwants; i++) {
		struct want *w = &m->wants[i];

		if (w->other != NULL)
			json_array_append(m->made->mounts, w->other);
		else if (is_link(w))
			TRY(put_link(m, w, err));
		else if (!w->covered)
			put_ground(m, w->ground, w->target, w->read_only);
	}
	for (size_t i = 0; i < m->nplaces; i++)
		put_ground(m, m->places[i].ground, m->places[i].target,
		    m->places[i].read_only);
	if (links->len > 0)
		tar_put_end(links);
	return links->overflow
		   ? err_set(err, ERR_LIMIT, "too_many_mounts",
			 "the mounts do not fit %zu bytes", LINKS_BYTES_MAX)
		   : 0;
}

int grounds_mount(const struct grounds *g, const struct container_wish *wish,
    const json_t *options_mounts, const struct policy *policy,
    const char *volume_prefix, struct grounds_made *ret, struct err *err)
{
	CLEANUP(grounds_made_fini)
	struct grounds_made made = {
	    .mounts = json_array(), .links = {.max = LINKS_BYTES_MAX}};
	struct maker m = {.grounds = g,
	    .policy = policy,
	    .volume_prefix = volume_prefix,
	    .wishes = json_array(),
	    .made = &made};
	int r = want_all(&m, wish, options_mounts, err);

	if (r == 0) {
		find_covered(&m);
		r = put_all(&m, err);
	}
	maker_fini(&m);
	if (r != 0)
		return -1;
	*ret = made;
	made = (struct grounds_made){.mounts = NULL};
	return 0;
}

void grounds_made_fini(struct grounds_made *m)
{
	json_decref(m->mounts);
	buf_fini(&m->links);
	*m = (struct grounds_made){.mounts = NULL};
}
