/*
 * The document that creates a container: what the runner wants, the flags of
 * the workflow over it, everything that is a mount judged by policy. Touches
 * the file system only to resolve the sources of mounts.
 */
#ifndef CONTAINERS_BODY_H
#define CONTAINERS_BODY_H

#include "base/buf.h"
#include "containers/create_options.h"
#include "containers/mounts.h"

struct body_label {
	const char *key, *value;
};

struct body {
	const struct container_wish *container;
	const char *image;
	const char *network;
	const char *alias; /* its name there beside those of options */
	const char *const *more_aliases; /* ends with NULL; NULL: none */
	const char *path;                /* PATH for it; NULL: the image's */
	const struct body_label *labels; /* ends with {NULL} */
	bool keep_alive; /* no entry point: a process that only waits */
	bool with_ports;
	struct mount_rules rules;
};

struct body_made {
	char *json;     /* mem; the document */
	char *platform; /* mem; NULL: the engine's */
	bool socket_dropped;
};
void body_made_fini(struct body_made *m);
static inline void body_made_fini_guard(struct body_made *m)
{
	body_made_fini(m);
}

int body_make(
    const struct body *body, struct body_made *ret, struct err *err) MUST_CHECK;

/* Directories before a PATH, joined by ":"; to mem_free. Pure. */
char *body_path(const struct words *prepend, const char *path);

#endif
