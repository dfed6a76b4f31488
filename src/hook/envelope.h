/*
 * What the runner says on stdin: one JSON line with a command, its
 * arguments, the state of the last answer and the file for the next one.
 * Missing and null fields are absent, unknown ones are passed over, names of
 * fields match in any case, keys of maps are kept as they are.
 */
#ifndef HOOK_ENVELOPE_H
#define HOOK_ENVELOPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "containers/wish.h"

#define ENVELOPE_MAX ((size_t)16 * 1024 * 1024)

enum hook_command {
	HOOK_PREPARE_JOB,
	HOOK_RUN_SCRIPT_STEP,
	HOOK_RUN_CONTAINER_STEP,
	HOOK_CLEANUP_JOB,
};
const char *hook_command_name(enum hook_command command);

struct hook_envelope {
	enum hook_command command;
	const char *response_file; /* NULL: none */
	json_t *state;             /* borrowed; NULL or an object */
	/* prepare_job: the job's container and its services. The step
	 * commands: the step is in container. */
	bool has_container;
	struct container_wish container;
	struct container_wish *services;
	size_t nservices;
	json_t *doc; /* owns the texts */
};

int envelope_parse(const char *text, size_t len, struct hook_envelope *ret,
    struct err *err) MUST_CHECK;
void envelope_fini(struct hook_envelope *e);
static inline void envelope_fini_guard(struct hook_envelope *e)
{
	envelope_fini(e);
}

#endif
