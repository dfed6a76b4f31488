/*
 * The hub's containers, as /api/containers shows them. Only those that bear
 * the hub's own label exist here: an id that somebody names is looked for
 * among them, and never given to the engine.
 */
#ifndef API_CONTAINERS_H
#define API_CONTAINERS_H

#include "api/api_internal.h"
#include "engine/engine.h"

enum container_kind {
	CONTAINER_JOB,      /* a job's or session's own */
	CONTAINER_SANDBOX,  /* the same without a job: warm, or about to go */
	CONTAINER_SERVICE,  /* beside a session */
	CONTAINER_STEP,     /* a session's step that has its own */
	CONTAINER_INSTANCE, /* of a component */
	CONTAINER_RUNNER,   /* a proxy that the hub keeps */
	CONTAINER_OTHER,    /* a helper that is gone in a moment */
};

/* One of them; strings borrow from the list. */
struct container_view {
	const struct engine_container *c;
	enum container_kind kind;
	char job[UUID_TEXT_LEN]; /* "": none */
	const char *instance, *component, *runner, *repository;
};

/* Those of the moment, and the jobs that run or start in them. */
struct container_set {
	struct engine_container_list list;
	struct job_list running, starting;
};
void container_set_free(struct container_set *s);
static inline void container_set_free_guard(struct container_set *s)
{
	container_set_free(s);
}
int container_set_read(struct call *c, const struct ctx *ctx,
    struct container_set *ret, struct err *err) MUST_CHECK;
void container_look(const struct container_set *s,
    const struct engine_container *c, struct container_view *ret);
/* That of the path: a whole id, or 12 digits or more of its begin.
 * ERR_NOT_FOUND "container_not_found". */
int container_find(struct call *c, const struct ctx *ctx,
    struct container_set *ret, struct container_view *ret_view,
    struct err *err) MUST_CHECK;
/* How long a handler waits for the engine. */
#define CONTAINER_ASK_MS 20000

#endif
