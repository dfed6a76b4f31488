/*
 * From the places that the configuration names to entities: a queue of files,
 * which Location entities lengthen, bounded in every direction. The thread of
 * whoever asks; files at GitHub are looked up among the copies.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "components/catalog_glob.h"
#include "components/catalog_internal.h"

enum { FILES_MAX = 2000, ENTITIES_ALL_MAX = 5000, DEPTH_MAX = 8 };

/* A file still to be read. */
struct stop {
	char *text; /* path, or URL */
	bool is_url;
	int depth;  /* Locations that led here */
	char *from; /* who named it */
};
struct walk {
	struct catalog *c;
	struct catalog_view *view;
	struct stop *queue;
	size_t next, n;
	struct map seen;
	bool full, many; /* that was said */
};
struct seen {
	struct map_node node;
	char name[];
};

/* Where a file stands whose entities are being read. */
struct ground {
	const char *name;               /* path, or URL */
	const struct source_file *file; /* at GitHub; NULL: of this machine */
	int depth;
};

/* -- bookkeeping ------------------------------------------------------- */

static void complain(struct walk *w, const char *file, const char *fmt, ...)
    PRINTF(3, 4);
static void complain(struct walk *w, const char *file, const char *fmt, ...)
{
	char text[640];
	struct problem p = {.text = text};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	catalog_view_problem(w->view, file, &p);
}

static bool is_seen(const struct map_node *node, const void *key)
{
	return strcmp(CONTAINER_OF(node, const struct seen, node)->name, key) ==
	       0;
}

/* False: it has been here. */
static bool see(struct walk *w, const char *name)
{
	uint64_t hash = map_hash(name, strlen(name));
	size_t size = strlen(name) + 1;
	struct seen *made;

	if (map_find(&w->seen, hash, is_seen, name) != NULL)
		return false;
	made = mem_zalloc(sizeof(*made) + size);
	memcpy(made->name, name, size);
	map_insert(&w->seen, &made->node, hash);
	return true;
}

static void forget(struct walk *w)
{
	for (size_t i = 0; i < w->seen.nbuckets; i++)
		for (struct map_node *n = w->seen.buckets[i], *next; n != NULL;
		     n = next) {
			next = n->next;
			mem_free(CONTAINER_OF(n, struct seen, node));
		}
	map_fini(&w->seen);
}

/* Takes text. */
static void push(
    struct walk *w, char *text, bool is_url, int depth, const char *from)
{
	CLEANUP(mem_free) char *owned = text;

	if (depth > DEPTH_MAX) {
		complain(w, from,
		    "%.300s is not read: more than %d Locations lead to it",
		    text, DEPTH_MAX);
		return;
	}
	if (w->n == FILES_MAX) {
		if (!w->full)
			complain(w, from, "the catalog has more than %d files",
			    FILES_MAX);
		w->full = true;
		return;
	}
	w->queue = mem_realloc(w->queue, (w->n + 1) * sizeof(*w->queue));
	w->queue[w->n++] = (struct stop){.text = STEAL(owned),
	    .is_url = is_url,
	    .depth = depth,
	    .from = mem_strdup(from)};
}

/* -- what a Location names --------------------------------------------- */

static bool is_url(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 ||
	       strncasecmp(text, "https://", 8) == 0 ||
	       strncasecmp(text, "url:", 4) == 0;
}

static void put_encoded(struct buf *out, const char *text, bool slashes)
{
	for (; *text != '\0'; text++) {
		unsigned char b = (unsigned char)*text;
		bool plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
			     (b >= '0' && b <= '9') ||
			     strchr("-._~", b) != NULL || (b == '/' && slashes);

		IGNORE(plain ? buf_append_char(out, (char)b)
			     : buf_printf(out, "%%%02X", b));
	}
}

/* The address of a file, or (view "tree") of a directory, of the branch. */
static char *address(
    const struct source_file *f, const char *view, const char *path)
{
	struct buf out = {.max = 16384};

	IGNORE(buf_printf(&out, "https://%s/%s/%s/", f->host, f->repo, view));
	put_encoded(&out, f->ref, false);
	IGNORE(buf_append_char(&out, '/'));
	put_encoded(&out, path, true);
	return buf_steal(&out, NULL);
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return mem_strndup(path, slash != NULL ? (size_t)(slash - path) : 0);
}

/* "a/b/../c" from "x"; NULL: it leads out of the repository. */
static char *join(const char *dir, const char *relative)
{
	CLEANUP(mem_free) char *both = mem_printf("%s/%s", dir, relative);
	struct buf out = {.max = 16384};
	size_t n;

	for (const char *at = both; *at != '\0'; at += n) {
		char *slash;

		at += strspn(at, "/");
		n = strcspn(at, "/");
		if (n == 0 || (n == 1 && *at == '.'))
			continue;
		if (n != 2 || memcmp(at, "..", 2) != 0) {
			IGNORE(buf_printf(&out, "%s%.*s",
			    out.len > 0 ? "/" : "", (int)n, at));
			continue;
		}
		if (out.len == 0) {
			buf_fini(&out);
			return NULL;
		}
		slash = strrchr(buf_str(&out), '/');
		out.len = slash != NULL ? (size_t)(slash - out.data) : 0;
		out.data[out.len] = '\0';
	}
	return out.len > 0 ? buf_steal(&out, NULL) : mem_strdup("");
}

/* Of a file at GitHub: beside it, or at an address of its own. */
static void follow_remote(
    struct walk *w, const struct ground *g, const char *target)
{
	CLEANUP(mem_free) char *dir = directory_of(g->file->path);
	CLEANUP(mem_free) char *path = NULL;

	if (*target == '/' || strncasecmp(target, "file:", 5) == 0 ||
	    strncasecmp(target, "dir:", 4) == 0) {
		complain(w, g->name,
		    "its Location names %.200s: a file at GitHub names files "
		    "beside it, or addresses",
		    target);
		return;
	}
	path = join(dir, target);
	if (path == NULL || strpbrk(target, "*?") != NULL)
		complain(w, g->name, "its Location names %.200s: %s", target,
		    path == NULL ? "that leads out of the repository"
				 : "patterns are taken on this machine only");
	else
		push(w, address(g->file, "blob", path), true, g->depth + 1,
		    g->name);
}

static void follow_local(
    struct walk *w, const struct ground *g, const char *target)
{
	CLEANUP(mem_free) char *dir = directory_of(g->name);

	if (strncasecmp(target, "file:", 5) == 0)
		target += 5;
	push(w,
	    *target == '/' ? mem_strdup(target)
			   : mem_printf("%s/%s", dir, target),
	    false, g->depth + 1, g->name);
}

static void follow(
    struct walk *w, const struct ground *g, const struct entity *e)
{
	if (e->target_type != NULL && strcmp(e->target_type, "url") != 0 &&
	    strcmp(e->target_type, "file") != 0) {
		complain(w, g->name,
		    "its Location %.63s has the type %.40s: taken are url and "
		    "file",
		    e->ref.name, e->target_type);
		return;
	}
	for (char **t = e->targets; *t != NULL; t++) {
		if (is_url(*t))
			push(w, mem_strdup(*t), true, g->depth + 1, g->name);
		else if (g->file != NULL)
			follow_remote(w, g, *t);
		else
			follow_local(w, g, *t);
	}
}

/* -- the entities of a file -------------------------------------------- */

static void take(struct walk *w, const struct ground *g, struct entity *e)
{
	CLEANUP(mem_free) char *ref = entity_component_ref(e);

	if (e->targets != NULL)
		follow(w, g, e);
	if (w->view->n >= ENTITIES_ALL_MAX) {
		entity_fini(e);
		if (!w->many)
			complain(w, g->name,
			    "the catalog has more than %d entities",
			    ENTITIES_ALL_MAX);
		w->many = true;
	} else if (!catalog_view_add(w->view, e, g->file == NULL)) {
		complain(w, g->name,
		    "%.200s stands in the catalog already: this one is left "
		    "out",
		    ref);
	}
}

/* location: what an entity without a source location has for one. */
static void take_text(struct walk *w, const struct ground *g,
    const struct buf *text, const char *location)
{
	CLEANUP(problems_fini) struct problems problems = {0};
	struct entity *v = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	if (entities_from_yaml(buf_str(text), text->len, g->name, location, &v,
		&n, &problems, &err) < 0 &&
	    problems.n == 0)
		complain(w, g->name, "%s", err.msg);
	for (size_t i = 0; i < problems.n; i++)
		catalog_view_problem(w->view, g->name, &problems.v[i]);
	for (size_t i = 0; i < n; i++)
		take(w, g, &v[i]);
	mem_free(v);
}

/* -- files of this machine --------------------------------------------- */

static void read_file(struct walk *w, const char *path, int depth)
{
	CLEANUP(buf_fini) struct buf text = {.max = ENTITIES_BYTES_MAX + 1};
	CLEANUP(mem_free) char *dir = directory_of(path);
	/* Under its usual name, whatever its own: it stands for its directory.
	 */
	CLEANUP(mem_free)
	char *location = mem_printf("file:%s/" CATALOG_FILE_NAME, dir);
	const struct ground g = {.name = path, .depth = depth};
	struct err err = ERR_INIT;

	if (!see(w, path))
		return;
	if (fs_read_file(path, &text, &err) < 0)
		complain(w, path, "%s", err.msg);
	else
		take_text(w, &g, &text, location);
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static void read_directory(struct walk *w, const char *path, int depth)
{
	CLEANUP(mem_free)
	char *own = mem_printf("%s/" CATALOG_FILE_NAME, path);
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);

	if (n < 0) {
		complain(w, path, "cannot read the directory: %s",
		    errno == EACCES ? "permission denied" : "is it one?");
		return;
	}
	if (is_file(own))
		read_file(w, own, depth);
	for (int i = 0; i < n; i++) {
		CLEANUP(mem_free)
		char *below = mem_printf(
		    "%s/%s/" CATALOG_FILE_NAME, path, names[i]->d_name);

		if (names[i]->d_name[0] != '.' && is_file(below))
			read_file(w, below, depth);
		free(names[i]); /* allow: free, scandir allocated it */
	}
	free(names); /* allow: free, scandir allocated it */
}

static void read_path(struct walk *w, const char *path, const char *named,
    int depth, const char *from)
{
	char real[PATH_MAX];
	struct stat st;

	if (realpath(path, real) == NULL || stat(real, &st) < 0)
		complain(
		    w, from, "%.300s is not there, or not for the hub", named);
	else if (S_ISDIR(st.st_mode))
		read_directory(w, real, depth);
	else
		read_file(w, real, depth);
}

struct visit {
	struct walk *w;
	const struct stop *s;
	size_t n;
};

static void visit_match(void *arg, const char *path)
{
	struct visit *v = arg;

	v->n++;
	read_path(v->w, path, v->s->text, v->s->depth, v->s->from);
}

static void visit_path(struct walk *w, const struct stop *s)
{
	struct visit v = {.w = w, .s = s};

	if (strpbrk(s->text, "*?[") == NULL || access(s->text, F_OK) == 0) {
		read_path(w, s->text, s->text, s->depth, s->from);
		return;
	}
	if (!catalog_glob(s->text, FILES_MAX, visit_match, &v))
		complain(w, s->from,
		    "%.300s matches too much: of %d files or %d directories "
		    "the "
		    "rest is left out",
		    s->text, FILES_MAX, CATALOG_GLOB_LOOKS);
	else if (v.n == 0)
		complain(w, s->from, "%.300s matches no file", s->text);
}

/* -- files at GitHub --------------------------------------------------- */

static void say_state(
    struct walk *w, const struct stop *s, const struct remote_copy *copy)
{
	char text[640], when[CLOCK_ISO_LEN];
	struct problem p = {.text = text, .warning = true};

	clock_iso(copy->read_at, when);
	if (copy->awaited && copy->file.path != NULL) {
		snprintf(text, sizeof(text),
		    "has not been read yet since the hub started; what it said "
		    "at %s is used",
		    when);
	} else if (copy->awaited) {
		snprintf(text, sizeof(text), "has not been read yet");
	} else if (copy->file.path != NULL) {
		snprintf(text, sizeof(text),
		    "%.480s; what it said at %s is used", copy->problem, when);
	} else {
		snprintf(text, sizeof(text), "%.500s", copy->problem);
		p.warning = false;
	}
	catalog_view_problem(w->view, s->text, &p);
}

static void read_copy(
    struct walk *w, const struct stop *s, const struct source_file *f)
{
	CLEANUP(mem_free) char *dir = directory_of(f->path);
	CLEANUP(mem_free) char *name = address(f, "blob", f->path);
	CLEANUP(mem_free) char *tree = address(f, "tree", dir);
	CLEANUP(mem_free) char *location = mem_printf("url:%s", tree);
	const struct ground g = {.name = name, .file = f, .depth = s->depth};

	if (see(w, name)) /* one file may have several addresses */
		take_text(w, &g, &f->text, location);
}

static void visit_url(struct walk *w, const struct stop *s)
{
	CLEANUP(remote_copy_fini) struct remote_copy copy = {0};
	CLEANUP(location_fini) struct location at = {0};
	CLEANUP(mem_free) char *key = mem_printf("url:%s", s->text);
	struct err err = ERR_INIT;

	if (!see(w, key))
		return;
	if (location_parse(s->text, sources_hosts(w->c->sources), &at, &err) <
	    0) {
		complain(w, s->from, "%s", err.msg);
		return;
	}
	if (at.kind != LOCATION_GITHUB) {
		complain(w, s->from, "%.300s is no address at GitHub", s->text);
		return;
	}
	if (remote_look(w->c, s->text, &at, &copy, &err) < 0) {
		complain(w, s->from, "%s", err.msg);
		return;
	}
	w->view->missing +=
	    copy.file.path == NULL && (copy.awaited || copy.unavailable);
	w->view->stale += copy.awaited || copy.problem != NULL;
	if (copy.awaited || copy.problem != NULL)
		say_state(w, s, &copy);
	if (copy.file.path != NULL)
		read_copy(w, s, &copy.file);
}

void catalog_walk(struct catalog *c, struct catalog_view *ret)
{
	struct walk w = {.c = c, .view = ret};

	for (size_t i = 0; i < c->nplaces; i++)
		push(&w, mem_strdup(c->places[i].text), c->places[i].is_url, 0,
		    c->places[i].where);
	while (w.next < w.n) {
		struct stop s = w.queue[w.next++];

		if (s.is_url)
			visit_url(&w, &s);
		else
			visit_path(&w, &s);
		mem_free(s.text);
		mem_free(s.from);
	}
	mem_free(w.queue);
	forget(&w);
}
