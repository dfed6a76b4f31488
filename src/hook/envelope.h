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
#include "hook/words.h"

#define ENVELOPE_MAX ((size_t)16 * 1024 * 1024)

enum hook_command {
	HOOK_PREPARE_JOB,
	HOOK_RUN_SCRIPT_STEP,
	HOOK_RUN_CONTAINER_STEP,
	HOOK_CLEANUP_JOB,
};
const char *hook_command_name(enum hook_command command);

struct hook_mount {
	const char *user;   /* "src:dst:ro" as a workflow has it, or NULL */
	const char *source; /* path of the runner's, volume name, or NULL */
	const char *target;
	bool read_only;
};

/* A container, or a step in one. Texts are borrowed from the envelope; lists
 * end with NULL and are never NULL themselves. */
struct hook_container {
	const char *image;      /* NULL: none */
	const char *dockerfile; /* NULL: none; a path of the runner's */
	const char *entry_point;
	const char *working_dir;
	const char *create_options;
	const char *alias; /* the service's name, when the runner tells it */
	struct words entry_args;   /* pieces: see words_split_pieces */
	struct words prepend_path; /* directories */
	struct words env;          /* "NAME=value" */
	struct words ports;
	struct hook_mount *system_mounts, *user_mounts;
	size_t nsystem_mounts, nuser_mounts;
	bool has_registry;
	const char *registry_user, *registry_password, *registry_server;
};

struct hook_envelope {
	enum hook_command command;
	const char *response_file; /* NULL: none */
	json_t *state;             /* borrowed; NULL or an object */
	/* prepare_job: the job's container and its services. The step
	 * commands: the step is in container. */
	bool has_container;
	struct hook_container container;
	struct hook_container *services;
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
