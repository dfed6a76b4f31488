/*
 * Where the containers of one session are made: what they may mount, which
 * rules they keep, on which network they stand, which labels they bear.
 * Carrier's thread, or that of a container step; each has a place of its own.
 */
#ifndef JOBS_PLACE_H
#define JOBS_PLACE_H

#include <jansson.h>

#include "containers/body.h"
#include "containers/grounds.h"
#include "containers/policy.h"
#include "jobs/session.h"
#include "sandbox/session_network.h"

/* Label of everything that is made for a session: the job's id. */
#define PLACE_LABEL "runnerhub.session"

struct place {
	struct carry *carry;
	struct policy policy;
	struct grounds grounds;
	struct sandbox_limits limits;
	char volume_prefix[64]; /* "runnerhub-v-<job id>-" */
	char network[SESSION_NETWORK_LEN];
};
/* Reads what is registered; talks to no engine. */
int place_open(struct place *p, struct carry *c, struct sandbox_limits limits,
    struct err *err) MUST_CHECK;
void place_fini(struct place *p);
static inline void place_fini_guard(struct place *p)
{
	place_fini(p);
}

/* "runnerhub-w-<job id>": the work directory of a nested session. */
#define PLACE_VOLUME_LEN 64
void place_work_volume(const char *job, char ret[PLACE_VOLUME_LEN]);

/* The image of a wish is there, pulled with the credentials of `registry`
 * (NULL: none). promised: the wish came with some. Lines for say. */
struct place_pull {
	const char *image;
	const json_t *registry;
	bool promised;
	void (*say)(void *arg, const char *line);
	void *arg;
};
int place_image(struct place *p, const struct ctx *ctx,
    const struct place_pull *pull, struct err *err) MUST_CHECK;

struct place_container {
	const struct container_wish *wish;
	const char *image;
	const char *kind;             /* "svc0", "step3": ends its name */
	const char *const *aliases;   /* ends with NULL; NULL: none */
	const char *path;             /* PATH for it; NULL: the image's */
	const struct body_label *own; /* labels, ends with {NULL} */
	bool with_ports;
};
/* Creates, with its volumes and links, and does not start it. */
int place_create(struct place *p, const struct ctx *ctx,
    const struct place_container *wanted, char ret_id[ENGINE_ID_LEN],
    struct err *err) MUST_CHECK;
/* The document of the session's own container, for sandbox_start. */
int place_session_body(struct place *p, const struct ctx *ctx,
    const struct container_wish *wish, const char *image, struct body_made *ret,
    struct err *err) MUST_CHECK;

/* What the engine knows about it, with all numbers real; to json_decref. */
int place_document(struct place *p, const struct ctx *ctx, const char *id,
    json_t **ret, struct err *err) MUST_CHECK;

#endif
