/*
 * The pieces of the direct backend, for its own files only:
 *   direct.c          the object, its label, removing what bears it
 *   self.c            is the runner in a container of this engine?
 *   images.c          an image that is there, or pulled
 *   containers.c      one container made and started; documents about it
 *   prepare.c         prepare_job
 *   health.c          waiting until all containers are well
 *   step.c            run_script_step
 *   container_step.c  run_container_step
 */
#ifndef HOOK_DIRECT_INTERNAL_H
#define HOOK_DIRECT_INTERNAL_H

#include "containers/body.h"
#include "containers/document.h"
#include "engine/engine.h"
#include "engine/run.h"
#include "hook/direct.h"
#include "hook/ending.h"
#include "hook/output.h"

#define DIRECT_LABEL "runnerhub.hook"

struct direct {
	const struct hook_settings *settings;
	struct engine *engine;
	struct paths paths;
	bool paths_known;
	/* Which runner this is, on this engine: 16 hex digits of its name
	 * and work directory. */
	char id[17];
	char label[40];         /* "runnerhub.hook=<id>" */
	char volume_prefix[40]; /* of named volumes of workflows */
};

struct direct_labels {
	struct body_label body[4];
	struct engine_pair pairs[4];
};
/* Borrows from d. */
struct direct_labels direct_labels(const struct direct *d);
/* Removes every container, network and built image of this runner. Goes on
 * after a failure and returns the first. */
int direct_remove_all(
    struct direct *d, const struct ctx *ctx, struct err *err) MUST_CHECK;

/* -- self.c ------------------------------------------------------------ */
int direct_find_paths(
    struct direct *d, const struct ctx *ctx, struct err *err) MUST_CHECK;

/* -- images.c ---------------------------------------------------------- */
int direct_image(struct direct *d, const struct ctx *ctx,
    const struct container_wish *c, struct err *err) MUST_CHECK;

/* A network of its own for a job, or for a step without one: nobody else's
 * containers are on it. */
#define DIRECT_NETWORK_LEN 40
int direct_network(struct direct *d, const struct ctx *ctx,
    char ret_name[DIRECT_NETWORK_LEN], struct err *err) MUST_CHECK;

/* -- containers.c ------------------------------------------------------ */
struct direct_container {
	const struct container_wish *container;
	const char *image;
	const char *kind; /* "job", "svc0", "step": ends its name */
	const char *network;
	const char *const *aliases;
	const char *path;
	const struct wish_mount *roots; /* see mount_rules */
	size_t nroots;
	bool keep_alive, with_ports;
};
int direct_create(struct direct *d, const struct ctx *ctx,
    const struct direct_container *wanted, char ret_id[ENGINE_ID_LEN],
    struct err *err) MUST_CHECK;
/* What the engine knows about it, as JSON with all numbers real; to
 * json_decref. */
int direct_document(struct direct *d, const struct ctx *ctx, const char *id,
    json_t **ret, struct err *err) MUST_CHECK;
/* Prints the last lines of both streams, folded under a title. */
void direct_print_logs(
    struct direct *d, const struct ctx *ctx, const char *id, const char *title);
/* Runs a small command inside and collects what it says. */
int direct_ask(struct direct *d, const struct ctx *ctx, const char *id,
    const char *const *argv, const char *user, struct buf *out,
    int *ret_exit_code, struct err *err) MUST_CHECK;

/* -- prepare.c, step.c, container_step.c: the operations --------------- */
int direct_prepare_job(void *self, const struct ctx *ctx,
    const struct hook_envelope *job, struct hook_prepared *ret,
    struct err *err);
int direct_run_script_step(void *self, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, int *ret_exit_code,
    struct err *err);
int direct_run_container_step(void *self, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, int *ret_exit_code,
    struct err *err);

/* -- health.c ---------------------------------------------------------- */
struct health_watch {
	const char *id, *image;
	bool is_job; /* must run, with or without a health check */
	bool well;
};
/* Looks each second until all are well; prints the logs of the one that is
 * not, and fails. */
int direct_await_health(struct direct *d, const struct ctx *ctx,
    struct health_watch *watches, size_t n, struct err *err) MUST_CHECK;

#endif
