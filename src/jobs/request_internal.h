/* What the files that validate a delegation share: request*.c. */
#ifndef JOBS_REQUEST_INTERNAL_H
#define JOBS_REQUEST_INTERNAL_H

#include <jansson.h>

#include "jobs/request.h"

enum {
	NAME_MAX_BYTES = 256,
	TEXT_MAX_BYTES = 1024,
	ENV_TOTAL_MAX = 400 * 1024, /* one frame to the agent is 1 MiB */
};

/* Of the variables and twice the secrets, which the agent also gets as what to
 * mask: all of it goes in one frame of 1 MiB. */
#define JOB_ENV_MAX ((size_t)960 * 1024)

/* The state of one parse. */
struct request_parser {
	const struct request_limits *limits;
	json_t *warnings;
	struct err *err;
};

/* -- request_fields.c: one field --------------------------------------- */
/* Sets ERR_INVALID: Field "steps[0].run": expected ... Returns -1. */
int request_bad(
    struct request_parser *p, const char *field, const char *expected);
/* A string of 1..max bytes. 1 found, 0 absent or null, -1 wrong. */
int request_string(struct request_parser *p, const json_t *obj, const char *key,
    const char *field, size_t max, const char **ret);
/* The same, at the top, and it must be there. */
int request_need_string(struct request_parser *p, const json_t *obj,
    const char *key, size_t max, const char **ret);
/* 1 found, 0 absent or null (*ret stays), -1 wrong. */
int request_int(struct request_parser *p, const json_t *obj, const char *key,
    const char *field, int64_t min, int64_t max, int64_t *ret);
int request_bool(struct request_parser *p, const json_t *obj, const char *key,
    const char *field, bool *ret);
/* Of a variable, at most NAME_MAX_BYTES. */
bool request_is_env_name(const char *s);
/* Notes keys of obj that are not in known (ends with NULL). */
void request_warn_unknown(struct request_parser *p, const json_t *obj,
    const char *const *known, const char *where);
/* Names and values of variables; *ret_bytes: all of them together. */
int request_check_map(struct request_parser *p, const json_t *map,
    const char *field, size_t *ret_bytes);
/* Copies a checked "env" of `from` into `to`; absent: nothing. */
int request_take_env(struct request_parser *p, const json_t *from,
    const char *field, json_t *to);

/* -- request_steps.c --------------------------------------------------- */
/* Copies "steps", checked, into the spec. None: the job is a session. */
int request_take_steps(struct request_parser *p, const json_t *body,
    json_t *spec, bool *ret_session);

/* -- request_session.c ------------------------------------------------- */
/* container, services, nested, profile, keepLog: into spec, r->registries and
 * r->secrets. *ret_env_bytes: variables of its container. */
int request_take_session(struct request_parser *p, const json_t *body,
    json_t *spec, struct request *r, size_t *ret_env_bytes);

/* -- request_named.c --------------------------------------------------- */
/* "namedSecrets", checked, into the spec. */
int request_take_named(struct request_parser *p, const json_t *body,
    json_t *spec, bool is_session);

/* -- request.c --------------------------------------------------------- */
bool request_is_image(const char *s);

#endif
