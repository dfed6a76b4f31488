/*
 * The seam between the conversation with the runner and what makes
 * containers and runs steps. conversation.c knows the runner's protocol and
 * nothing of engines; a backend knows nothing of envelopes and response
 * files. direct.h makes the one that speaks to an engine itself.
 *
 * Every call blocks until done or until ctx is cancelled by a signal; then it
 * ends what it started inside containers before it returns. Output of steps
 * and log lines go through hook/output.h. The state is an object of the
 * backend's own making that the runner keeps between the commands of a job;
 * it may be NULL (nothing was prepared) and is not to be trusted further
 * than the runner is.
 */
#ifndef HOOK_BACKEND_H
#define HOOK_BACKEND_H

#include "base/ctx.h"
#include "hook/envelope.h"

/* One container as the answer to prepare_job tells of it. Owned texts. */
struct hook_made {
	char id[65];
	char *image;
	json_t *ports; /* {"6379":"32768"}: container's to host's */
};

struct hook_prepared {
	json_t *state; /* NULL: keep none */
	char *network; /* NULL: nothing was made */
	bool has_container;
	struct hook_made container;
	struct hook_made *services; /* in the order of the request */
	size_t nservices;
	bool is_alpine;
};
void hook_prepared_fini(struct hook_prepared *p);
static inline void hook_prepared_fini_guard(struct hook_prepared *p)
{
	hook_prepared_fini(p);
}

struct backend_ops {
	int (*prepare_job)(void *self, const struct ctx *ctx,
	    const struct hook_envelope *job, struct hook_prepared *ret,
	    struct err *err);
	/* 0 with the step's exit code, whatever that is. */
	int (*run_script_step)(void *self, const struct ctx *ctx,
	    const struct container_wish *step, const json_t *state,
	    int *ret_exit_code, struct err *err);
	int (*run_container_step)(void *self, const struct ctx *ctx,
	    const struct container_wish *step, const json_t *state,
	    int *ret_exit_code, struct err *err);
	/* May be called at any time and any number of times. */
	int (*cleanup_job)(void *self, const struct ctx *ctx,
	    const json_t *state, struct err *err);
};

struct backend {
	const struct backend_ops *ops;
	void *self;
};

#endif
