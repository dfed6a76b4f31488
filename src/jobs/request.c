/*
 * Validates a delegation: see request.h. Called by the API on a handler
 * thread. jansson refuses bad UTF-8, duplicates and NUL.
 */
#include "jobs/request.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/trace.h"
#include "jobs/request_internal.h"

enum {
	LABELS_MAX = 100,
	PIDS_MAX = 4194304,
	DEPTH_MAX = 32, /* known fields stand at 4 at most */
};
#define MEMORY_MIN (INT64_C(6) << 20) /* below it no engine starts one */

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

/* "owner/repo", each 1 to 100 of [A-Za-z0-9._-], not "." or "..". */
static bool is_repository(const char *s)
{
	for (int part = 0; part < 2; part++) {
		size_t n = 0;

		while (is_name_char(s[n]))
			n++;
		if (n < 1 || n > 100 ||
		    (n <= 2 && s[0] == '.' && s[n - 1] == '.'))
			return false;
		s += n;
		if (*s != (part == 0 ? '/' : '\0'))
			return false;
		s++;
	}
	return true;
}

/* No whitespace or control characters: [registry/]name[:tag][@digest]. */
bool request_is_image(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if (!is_name_char(*p) && strchr("/:@+", *p) == NULL)
			return false;
	return isalnum((unsigned char)*s);
}

/* -- resources --------------------------------------------------------- */

static int take_memory(
    struct request_parser *p, const json_t *from, json_t *out)
{
	const json_t *v = json_object_get(from, "memory");
	int64_t bytes = -1;
	char expected[128];

	if (v == NULL || json_is_null(v))
		return 0;
	if (json_is_integer(v))
		bytes = json_integer_value(v);
	else if (json_is_string(v) &&
		 parse_size(json_string_value(v), &bytes) < 0)
		bytes = -1;
	if (bytes < MEMORY_MIN)
		return request_bad(p, "resources.memory",
		    "bytes or a size such as \"512m\" or \"4g\", at least 6m");
	if (p->limits->memory_max_bytes > 0 &&
	    bytes > p->limits->memory_max_bytes) {
		snprintf(expected, sizeof(expected),
		    "at most %lldm, the memory this hub may hand out",
		    (long long)(p->limits->memory_max_bytes >> 20));
		return request_bad(p, "resources.memory", expected);
	}
	return json_object_set_new(out, "memory", json_integer(bytes));
}

static int take_cpus(struct request_parser *p, const json_t *from, json_t *out)
{
	const json_t *v = json_object_get(from, "cpus");
	char expected[64];
	double cpus, max = p->limits->cpus_max > 0 ? p->limits->cpus_max : 1024;

	if (v == NULL || json_is_null(v))
		return 0;
	cpus = json_is_number(v) ? json_number_value(v) : -1;
	if (!(cpus >= 0.01 && cpus <= max)) {
		snprintf(expected, sizeof(expected), "a number from 0.01 to %g",
		    max);
		return request_bad(p, "resources.cpus", expected);
	}
	return json_object_set_new(out, "cpus", json_real(cpus));
}

static int take_resources(
    struct request_parser *p, const json_t *body, json_t *spec)
{
	static const char *const known[] = {"cpus", "memory", "pids", NULL};
	json_t *from = json_object_get(body, "resources"), *out;
	int64_t pids;
	int r;

	if (from == NULL || json_is_null(from))
		return 0;
	if (!json_is_object(from))
		return request_bad(
		    p, "resources", "an object with cpus, memory, pids");
	out = json_object();
	json_object_set_new(spec, "resources", out);
	TRY(take_cpus(p, from, out));
	TRY(take_memory(p, from, out));
	r = request_int(p, from, "pids", "resources.pids", 1, PIDS_MAX, &pids);
	TRY(r);
	if (r > 0)
		json_object_set_new(out, "pids", json_integer(pids));
	request_warn_unknown(p, from, known, "resources.");
	return 0;
}

/* -- the whole --------------------------------------------------------- */

static int take_labels(
    struct request_parser *p, const json_t *body, struct request *r)
{
	json_t *labels = json_object_get(body, "labels"), *label;
	size_t i;

	if (labels == NULL || json_is_null(labels)) {
		r->labels = mem_strdup("[]");
		return 0;
	}
	if (!json_is_array(labels) || json_array_size(labels) > LABELS_MAX)
		return request_bad(
		    p, "labels", "an array of at most 100 strings");
	json_array_foreach(
	    labels, i, label) if (!json_is_string(label) ||
				  json_string_length(label) == 0 ||
				  json_string_length(label) >
				      NAME_MAX_BYTES) return request_bad(p,
	    "labels", "strings of 1 to 256 bytes in the array");
	r->labels = json_dumps(labels, JSON_COMPACT);
	return 0;
}

static int take_metadata(
    struct request_parser *p, const json_t *body, struct request *r)
{
	static const char *const keys[] = {"sha", "ref", "eventName", "actor"};
	json_t *meta = json_object();
	const char *text;
	int got = 0;

	for (size_t i = 0; got >= 0 && i < ARRAY_LEN(keys); i++) {
		got = request_string(
		    p, body, keys[i], keys[i], TEXT_MAX_BYTES, &text);
		if (text != NULL)
			json_object_set_new(meta, keys[i], json_string(text));
	}
	r->metadata = json_dumps(meta, JSON_COMPACT);
	json_decref(meta);
	return got < 0 ? -1 : 0;
}

static int take_names(
    struct request_parser *p, const json_t *body, struct request *r)
{
	const char *text;

	TRY(request_need_string(p, body, "jobId", NAME_MAX_BYTES, &text));
	r->external_id = mem_strdup(text);
	r->has_github_job_id =
	    parse_int(text, 0, INT64_MAX, &r->github_job_id) == 0;
	TRY(request_need_string(p, body, "runId", NAME_MAX_BYTES, &text));
	r->run_id = mem_strdup(text);
	TRY(request_need_string(p, body, "repository", NAME_MAX_BYTES, &text));
	if (!is_repository(text))
		return request_bad(p, "repository",
		    "\"owner/repo\" of letters, digits, \".\", \"_\", \"-\"");
	r->repository = mem_strdup(text);
	TRY(request_string(
	    p, body, "workflow", "workflow", TEXT_MAX_BYTES, &text));
	r->workflow = mem_strdup_or_null(text);
	TRY(request_string(
	    p, body, "runnerName", "runnerName", NAME_MAX_BYTES, &text));
	r->runner_name = mem_strdup_or_null(text);
	TRY(request_int(p, body, "attempt", "attempt", 1, REQUEST_ATTEMPT_MAX,
	    &r->attempt));
	return request_int(
	    p, body, "priority", "priority", 0, 100, &r->priority);
}

static int take_network(
    struct request_parser *p, const json_t *body, json_t *spec)
{
	const char *text, *allowed = p->limits->network;
	char expected[NAME_MAX_BYTES + 64];

	TRY(request_string(
	    p, body, "network", "network", NAME_MAX_BYTES, &text));
	if (text == NULL)
		return 0;
	if (allowed != NULL && strcmp(text, "none") != 0 &&
	    strcmp(text, allowed) != 0) {
		snprintf(expected, sizeof(expected),
		    "\"none\" or \"%s\", the network of this hub", allowed);
		return request_bad(p, "network", expected);
	}
	return json_object_set_new(spec, "network", json_string(text));
}

static int take_spec_fields(struct request_parser *p, const json_t *body,
    json_t *spec, struct request *r)
{
	const char *text;
	int64_t timeout;
	int got;

	TRY(request_string(p, body, "image", "image", TEXT_MAX_BYTES, &text));
	if (text != NULL && !request_is_image(text))
		return request_bad(
		    p, "image", "an image reference such as alpine:3");
	if (text != NULL)
		json_object_set_new(spec, "image", json_string(text));
	TRY(take_network(p, body, spec));
	got = request_int(p, body, "timeoutSeconds", "timeoutSeconds", 1,
	    p->limits->timeout_max_s, &timeout);
	TRY(got);
	if (got > 0)
		json_object_set_new(
		    spec, "timeoutSeconds", json_integer(timeout));
	TRY(request_take_env(p, body, "env", spec));
	TRY(request_take_steps(p, body, spec, &r->is_session));
	return take_resources(p, body, spec);
}

static bool is_given(const json_t *value)
{
	return value != NULL && !json_is_null(value);
}

/* more: bytes of variables beside those of env. */
static int check_room(struct request_parser *p, const json_t *body, size_t more)
{
	const json_t *map = json_object_get(body, "secrets");
	const json_t *env = json_object_get(body, "env");
	size_t bytes = 0, env_bytes = 0;

	if (is_given(map))
		TRY(request_check_map(p, map, "secrets", &bytes));
	if (is_given(env))
		TRY(request_check_map(p, env, "env", &env_bytes));
	if (more + env_bytes + 2 * bytes > JOB_ENV_MAX)
		return request_bad(p, "secrets",
		    "less: env and twice the secrets may have 960 KiB");
	return 0;
}

static void take_secrets(const json_t *body, struct request *r)
{
	const json_t *map = json_object_get(body, "secrets");
	char *text;

	if (json_object_size(map) == 0)
		return;
	text = json_dumps(map, JSON_COMPACT);
	r->secrets = secret_new(text, strlen(text));
	secret_wipe(text, strlen(text));
	mem_free(text);
}

static int take_all(struct request_parser *p, const json_t *body, json_t *spec,
    struct request *r)
{
	static const char *const known[] = {"jobId", "runId", "repository",
	    "workflow", "runnerName", "labels", "sha", "ref", "eventName",
	    "actor", "attempt", "image", "steps", "env", "secrets",
	    "namedSecrets", "timeoutSeconds", "priority", "resources",
	    "network", "container", "services", "nested", "profile", "keepLog",
	    NULL};
	size_t more;

	TRY(take_names(p, body, r));
	TRY(take_labels(p, body, r));
	TRY(take_metadata(p, body, r));
	TRY(take_spec_fields(p, body, spec, r));
	take_secrets(body, r);
	TRY(request_take_named(p, body, spec, r->is_session));
	TRY(request_take_session(p, body, spec, r, &more));
	TRY(check_room(p, body, more));
	request_warn_unknown(p, body, known, "");
	return 0;
}

json_t *request_json(const char *body, size_t len, struct err *err)
{
	json_error_t why;
	json_t *root;

	/* jansson recurses, and deeper than a thread's stack allows. */
	if (parse_json_depth(body, len, DEPTH_MAX) < 0) {
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body nests deeper than %d levels", DEPTH_MAX));
		return NULL;
	}
	root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL) {
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body is not valid JSON: line %d column %d: %s",
		    why.line, why.column, why.text));
		return NULL;
	}
	if (!json_is_object(root)) {
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body must be a JSON object"));
		json_decref(root);
		return NULL;
	}
	return root;
}

int request_parse(struct request *ret, const char *body, size_t len,
    const struct request_limits *limits, struct err *err)
{
	struct request_parser p = {.limits = limits, .err = err};
	json_t *root = request_json(body, len, err), *spec;
	int r;

	*ret = (struct request){.attempt = 1, .priority = 50};
	if (root == NULL)
		return -1;
	spec = json_object();
	p.warnings = json_array();
	r = take_all(&p, root, spec, ret);
	if (r == 0) {
		ret->spec = json_dumps(spec, JSON_COMPACT);
		ret->canonical =
		    json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
		if (json_array_size(p.warnings) > 0)
			ret->warnings = json_dumps(p.warnings, JSON_COMPACT);
	}
	json_decref(p.warnings);
	json_decref(spec);
	json_decref(root);
	if (r < 0)
		request_fini(ret);
	return r;
}

static void put_text(json_t *meta, const char *key, const char *text)
{
	json_object_set_new(meta, key, json_string(text));
}

void request_set_origin(
    struct request *r, const char *request_id, const struct trace *trace)
{
	json_t *meta = json_loads(r->metadata, 0, NULL);
	char own[TRACE_PARENT_LEN];

	put_text(meta, "requestId", request_id);
	put_text(meta, "traceId", trace->id);
	if (*trace->parent != '\0')
		put_text(meta, "traceParent", trace->parent);
	put_text(meta, "traceContext", trace_call(trace, own));
	mem_free(r->metadata);
	r->metadata = json_dumps(meta, JSON_COMPACT);
	json_decref(meta);
}

void request_set_actor(struct request *r, const char *actor)
{
	json_t *meta = json_loads(r->metadata, 0, NULL);

	put_text(meta, "delegatedBy", actor);
	mem_free(r->metadata);
	r->metadata = json_dumps(meta, JSON_COMPACT);
	json_decref(meta);
}

void request_trace(const json_t *metadata, struct trace *ret)
{
	const char *own =
	    json_string_value(json_object_get(metadata, "traceContext"));

	*ret = (struct trace){0};
	if (own != NULL)
		IGNORE(trace_parse(own, ret)); /* else as without */
}

void request_fini(struct request *r)
{
	mem_free(r->external_id);
	mem_free(r->run_id);
	mem_free(r->repository);
	mem_free(r->workflow);
	mem_free(r->runner_name);
	mem_free(r->labels);
	mem_free(r->metadata);
	mem_free(r->spec);
	secret_free(r->secrets);
	secret_free(r->registries);
	if (r->canonical != NULL)
		secret_wipe(r->canonical, strlen(r->canonical));
	mem_free(r->canonical);
	mem_free(r->warnings);
	*r = (struct request){0};
}
