/*
 * The document that creates a container: what the runner wants, the flags of
 * the workflow over it, everything that is a mount judged by policy. Touches
 * the file system only to resolve the sources of mounts in direct mode.
 */
#ifndef CONTAINERS_BODY_H
#define CONTAINERS_BODY_H

#include "base/buf.h"
#include "containers/create_options.h"
#include "containers/grounds.h"
#include "containers/mounts.h"

struct body_label {
	const char *key, *value;
};

/*
 * What a container of a session has beside, or may not: the capabilities
 * NET_RAW and MKNOD are dropped, to add them needs the grant.
 */
struct body_session {
	const struct policy *policy;
	const struct grounds *grounds;
	const char *volume_prefix; /* namespaces named volumes */
	/* The environment is told apart and not in the document, which whoever
	 * may ask the engine can read. */
	bool env_apart;
	/* Address for ports that are published without one: "127.0.0.1". NULL:
	 * all of the engine's host. */
	const char *publish_on;
	/* The engine is on another machine, of this name: no directory can be
	 * mounted there. NULL: it is here. */
	const char *remote_engine;
	/* What the workflow may only lower: ERR_INVALID "over_limit" names the
	 * hub's option. 0: no limit. */
	int64_t memory_bytes, nano_cpus, pids;
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
	/* Where mounts come from. Direct mode: the runner's file system. */
	const struct mount_rules *rules;
	/* Sessions: work directories and nothing else. */
	const struct body_session *session;
};

struct body_made {
	char *json;       /* mem; the document */
	char *platform;   /* mem; NULL: the engine's */
	json_t *env;      /* of env_apart: ["NAME=value"]; else NULL */
	struct buf links; /* sessions: a tar to unpack at /, or empty */
	bool socket_dropped;
};
void body_made_fini(struct body_made *m);
static inline void body_made_fini_guard(struct body_made *m)
{
	body_made_fini(m);
}

int body_make(
    const struct body *body, struct body_made *ret, struct err *err) MUST_CHECK;

/* For body.c: what a session's container may not have, in its HostConfig
 * (body_confine.c). */
int body_confine(
    json_t *host, const struct body_session *s, struct err *err) MUST_CHECK;

/* Directories before a PATH, joined by ":"; to mem_free. Pure. */
char *body_path(const struct words *prepend, const char *path);

#endif
