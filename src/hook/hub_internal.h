/*
 * The pieces of the hub backend, for its own files only:
 *   hub.c          the object, what a session is delegated as, cleanup_job
 *   hub_prepare.c  prepare_job
 *   hub_step.c     run_script_step, run_container_step
 *   hub_wish.c     a container's description as JSON
 */
#ifndef HOOK_HUB_INTERNAL_H
#define HOOK_HUB_INTERNAL_H

#include "client/session.h"
#include "hook/hub.h"
#include "hook/output.h"

/* The runner's patience after a cancel is 10 s in all. */
#define HUB_UNDO_MS INT64_C(8000)

struct hub_mode {
	const struct hook_settings *settings;
	struct client *client;
};

/* The delegation of a session without its containers: which job this is. Two
 * calls never name the same, for legs of a matrix have the same run, job and
 * attempt, and may come to the same runner one after another. */
int hub_delegation(
    const struct hub_mode *h, json_t **ret, struct err *err) MUST_CHECK;
/* Ends it within the runner's patience, whatever has become of ctx. */
void hub_undo(struct session *s, const char *status, const char *why);

/* -- hub_wish.c -------------------------------------------------------- */
/* For the body of a call. Sources of mounts lose their links: the runner's
 * own directories may be links, the hub follows none. */
json_t *hub_wish_json(const struct container_wish *w);
json_t *hub_env_json(const struct words *env);

/* -- the operations ---------------------------------------------------- */
int hub_prepare_job(void *self, const struct ctx *ctx,
    const struct hook_envelope *job, struct hook_prepared *ret,
    struct err *err);
int hub_run_script_step(void *self, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, int *ret_exit_code,
    struct err *err);
int hub_run_container_step(void *self, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, int *ret_exit_code,
    struct err *err);

#endif
