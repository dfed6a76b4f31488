/*
 * A delegation as it comes from outside (jobs-api §2): validated field by
 * field, every length bounded, and split into what the store keeps: columns,
 * a normalised spec without secrets, the secrets apart.
 */
#ifndef JOBS_REQUEST_H
#define JOBS_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/* What a request may ask for at most, and the defaults. */
struct request_limits {
	double cpus_max;          /* of the engine's host; 0: not known */
	int64_t memory_max_bytes; /* the budget; 0: not known */
	int64_t timeout_max_s;
	const char *network; /* the one besides "none"; NULL: any name */
};

#define REQUEST_ATTEMPT_MAX 1000000 /* that "attempt" may be */

struct request {
	char *external_id, *run_id, *repository;
	char *workflow, *runner_name; /* NULL: not given */
	char *labels;                 /* JSON array text */
	char *metadata;               /* JSON object text */
	char *spec;                   /* JSON object text */
	struct secret *secrets;       /* JSON object text, NULL: none */
	char *canonical; /* the whole request, keys sorted: its content */
	int64_t attempt, priority;
	bool is_session;
	bool has_github_job_id;
	int64_t github_job_id;
	char *warnings; /* JSON array text, NULL: none */
	/* Sessions: {"container":{...},"services":[{...}]} with the registries'
	 * credentials alone, in memory only; NULL: none. */
	struct secret *registries;
	/* Set by the caller after request_parse, from who asks. Borrowed. */
	const char *runner_id; /* a runner's token opens it; NULL: no */
	const char *parent_id; /* opened inside that nested session; NULL: no */
};
void request_fini(struct request *r);
static inline void request_fini_guard(struct request *r)
{
	request_fini(r);
}

/* The JSON object in a body, the caller's; NULL: ERR_INVALID "invalid_json"
 * says where it is none. Bounded in depth; a name given twice is refused. */
struct json_t *request_json(const char *body, size_t len, struct err *err);

/* ERR_INVALID names the field and what was expected. Any thread. */
int request_parse(struct request *ret, const char *body, size_t len,
    const struct request_limits *limits, struct err *err) MUST_CHECK;
/* Who delegates it, as the audit log names them. */
void request_set_actor(struct request *r, const char *actor);

/* Notes which request of the API brought it, and the trace that it belongs to,
 * for the log lines to come. */
struct trace;
void request_set_origin(
    struct request *r, const char *request_id, const struct trace *trace);
/* What of it the metadata of a stored job tells; span is the job's own. Without
 * id: nothing, as of jobs before there were traces. */
struct json_t;
void request_trace(const struct json_t *metadata, struct trace *ret);

#endif
