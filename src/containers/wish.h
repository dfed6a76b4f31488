/*
 * A container as a workflow describes it: the fields in which GitHub's runner
 * hands it to container hooks, and in which sessions take it. Missing and
 * null fields are absent, unknown ones are passed over, names of fields match
 * in any case, keys of maps are kept as they are.
 */
#ifndef CONTAINERS_WISH_H
#define CONTAINERS_WISH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "containers/words.h"

struct wish_mount {
	const char *user;   /* "src:dst:ro" as a workflow has it, or NULL */
	const char *source; /* path of the runner's, volume name, or NULL */
	const char *target;
	bool read_only;
};

/* A container, or a step in one. Texts are borrowed from the JSON; lists
 * end with NULL and are never NULL themselves. */
struct container_wish {
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
	struct wish_mount *system_mounts, *user_mounts;
	size_t nsystem_mounts, nuser_mounts;
	bool has_registry;
	const char *registry_user, *registry_password, *registry_server;
};

/* ERR_INVALID "bad_request" names the field. On failure, too, what was filled
 * is left to container_wish_fini; a zeroed one is fine. */
int container_wish_read(const json_t *object, struct container_wish *ret,
    struct err *err) MUST_CHECK;
void container_wish_fini(struct container_wish *w);
static inline void container_wish_fini_guard(struct container_wish *w)
{
	container_wish_fini(w);
}

/* -- for readers of what stands around it ------------------------------ */
/* NULL when absent or null. The exact name wins over one in another case. */
json_t *wish_field(const json_t *object, const char *name);
int wish_wrong_type(const char *name, const char *wanted, struct err *err);
/* *ret NULL: absent. wish_name: or "". */
int wish_text(const json_t *object, const char *name, const char **ret,
    struct err *err) MUST_CHECK;
int wish_name(const json_t *object, const char *name, const char **ret,
    struct err *err) MUST_CHECK;

#endif
