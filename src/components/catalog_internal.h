/*
 * Between the files of the catalog.
 *
 *   catalog.c          opened, asked, closed; views
 *   catalog_walk.c     from the configured places to entities
 *   catalog_glob.c     patterns of files of this machine
 *   catalog_remote.c   the copies of files at GitHub, and who fetches them
 *   catalog_copies.c   the same on the disk
 */
#ifndef COMPONENTS_CATALOG_INTERNAL_H
#define COMPONENTS_CATALOG_INTERNAL_H

#include "base/ctx.h"
#include "base/thread.h"
#include "components/catalog.h"
#include "components/source.h"

#define CATALOG_FILE_NAME "catalog-info.yaml"

/* One that the configuration names. */
struct catalog_place {
	char *text;
	bool is_url;
	char *where; /* "components.catalog", "app-config.yaml:12" */
};

/* A file at GitHub. Removed by the catalog's thread alone. */
struct remote_file {
	struct map_node node; /* first; by url */
	char *url;
	struct location at;
	bool told;     /* the log has that it cannot be read; the thread's */
	uint64_t walk; /* the last that met it */
	int64_t due;   /* mono */
	bool tried, unavailable;
	char *problem; /* of the last try, or NULL */
	/* The last good copy; text NULL: there never was one. */
	struct source_file copy;
	bool has_copy;
	int64_t read_at; /* wall */
};

struct catalog {
	struct catalog_place *places;
	size_t nplaces;
	struct sources *sources;
	char *copies; /* the directory of those on the disk; NULL: none */
	int64_t refresh_ms;
	struct ctx ctx;
	struct cancel cancel;
	struct mtx mtx;
	struct cond changed;
	/* guarded by mtx, like all below */
	struct map remote;
	size_t remote_bytes;
	uint64_t walk; /* of the thread */
	bool has_news; /* a file was met that was never tried */
	bool runs, stopping;
	pthread_t thread;
	bool swept; /* the disk, of what nothing names; the thread's */
};

/* -- catalog_walk.c ---------------------------------------------------- */
void catalog_walk(struct catalog *c, struct catalog_view *ret);

/* -- catalog_remote.c -------------------------------------------------- */
/* A copy of what is known about a file; url and at (taken) are its address. */
struct remote_copy {
	bool awaited, unavailable;
	struct source_file file; /* path NULL: there is no copy */
	char *problem;           /* or NULL */
	int64_t read_at;
};
void remote_copy_fini(struct remote_copy *copy);
static inline void remote_copy_fini_guard(struct remote_copy *copy)
{
	remote_copy_fini(copy);
}
/* -1: too many. From now on it is fetched as well. */
int remote_look(struct catalog *c, const char *url, struct location *at,
    struct remote_copy *ret, struct err *err) MUST_CHECK;
void remote_fini(struct catalog *c);

/* -- catalog_copies.c -------------------------------------------------- */
/* False: there is none that is whole. read_at: wall ns, when it was last known
 * to be right. */
bool copies_load(const struct catalog *c, const char *url,
    struct source_file *ret, int64_t *ret_read_at);
void copies_save(
    const struct catalog *c, const char *url, const struct source_file *f);
void copies_touch(const struct catalog *c, const char *url);
void copies_drop(const struct catalog *c, const char *url);
/* Removes the files that is_named does not know. */
void copies_sweep(
    struct catalog *c, bool (*is_named)(struct catalog *c, const char *name));
bool copies_is_name_of(const char *name, const char *url);

#endif
