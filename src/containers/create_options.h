/*
 * A workflow's `options:` (flags of `docker create`) as fields of the Engine
 * API, by an allow-list: a flag that is not in the table is refused, one that
 * reaches beyond the job's containers needs a grant of policy.h. Pure.
 */
#ifndef CONTAINERS_CREATE_OPTIONS_H
#define CONTAINERS_CREATE_OPTIONS_H

#include <jansson.h>

#include "base/err.h"
#include "containers/policy.h"

struct create_options {
	json_t *config;   /* fields of the create document's top level */
	json_t *host;     /* fields of its HostConfig */
	json_t *bindings; /* PortBindings */
	json_t *aliases;  /* names on the job's network */
	json_t *mounts;   /* wishes: see mount_wish in mounts.h */
	char *platform;   /* NULL: the engine's */
};

/* text may be NULL. Errors name the flag. */
int create_options_parse(const char *text, const struct policy *policy,
    struct create_options *ret, struct err *err) MUST_CHECK;
void create_options_fini(struct create_options *o);
static inline void create_options_fini_guard(struct create_options *o)
{
	create_options_fini(o);
}

/* -- for the files of the parser only ---------------------------------- */
struct option_input {
	struct create_options *out;
	const struct policy *policy;
	const char *flag;  /* "--cap-add", for messages */
	const char *field; /* of the table's row */
	const char *value; /* "true" of a flag that stands alone */
};
typedef int option_fn(const struct option_input *in, struct err *err);

/* ERR_INVALID "bad_option": "<flag> <value>: why". */
int option_bad(const struct option_input *in, struct err *err, const char *why);
/* The list or object `key` of parent, made when absent. Borrowed. */
json_t *option_list(json_t *parent, const char *key);
json_t *option_object(json_t *parent, const char *key);

/* create_special.c: what needs more than one field, or a grant. */
option_fn option_privileged, option_cap_add, option_security_opt, option_device,
    option_gpus, option_namespace, option_granted_text, option_oom_score,
    option_ulimit, option_log_driver, option_log_opt, option_restart,
    option_volume, option_mount, option_tmpfs;

#endif
