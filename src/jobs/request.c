/*
 * Validates a delegation: see request.h. Called by the API on a handler
 * thread. jansson refuses bad UTF-8, duplicates, NUL and deep nesting.
 */
#include "jobs/request.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"

enum {
	NAME_MAX_BYTES = 256,
	TEXT_MAX_BYTES = 1024,
	LABELS_MAX = 100,
	STEPS_MAX = 1000,
	SCRIPT_MAX = 512 * 1024,
	ARGS_MAX = 1000,
	ENV_MAX = 1000,
	ENV_VALUE_MAX = 120 * 1024, /* the kernel takes 128 KiB a string */
	ENV_TOTAL_MAX = 400 * 1024, /* one frame to the agent is 1 MiB */
	ATTEMPT_MAX = 1000000,
	PIDS_MAX = 4194304,
};
#define MEMORY_MIN (INT64_C(6) << 20) /* below it no engine starts one */

/* The state of one parse; `path` says where we are, for messages. */
struct parser {
	const struct request_limits *limits;
	json_t *warnings;
	struct err *err;
};

static int bad(struct parser *p, const char *field, const char *expected)
{
	return err_set(p->err, ERR_INVALID, "invalid_field",
	    "Field \"%s\": expected %s", field, expected);
}

/* -- small validators -------------------------------------------------------
 */

/* A string of 1..max bytes. 1 found, 0 absent or null, -1 wrong. */
static int get_string(struct parser *p, const json_t *obj, const char *key,
    const char *field, size_t max, const char **ret)
{
	const json_t *v = json_object_get(obj, key);
	char expected[64];
	size_t len;

	*ret = NULL;
	if (v == NULL || json_is_null(v))
		return 0;
	len = json_is_string(v) ? json_string_length(v) : 0;
	if (len == 0 || len > max) {
		snprintf(expected, sizeof(expected),
		    "a string of 1 to %zu bytes", max);
		return bad(p, field, expected);
	}
	*ret = json_string_value(v);
	return 1;
}

static int need_string(struct parser *p, const json_t *obj, const char *key,
    size_t max, const char **ret)
{
	int r = get_string(p, obj, key, key, max, ret);

	if (r == 0)
		return err_set(p->err, ERR_INVALID, "missing_field",
		    "Missing required field: %s", key);
	return r;
}

/* 1 found, 0 absent, -1 wrong. */
static int get_int(struct parser *p, const json_t *obj, const char *key,
    const char *field, int64_t min, int64_t max, int64_t *ret)
{
	const json_t *v = json_object_get(obj, key);
	char expected[80];

	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < min ||
	    json_integer_value(v) > max) {
		snprintf(expected, sizeof(expected),
		    "an integer from %lld to %lld", (long long)min,
		    (long long)max);
		return bad(p, field, expected);
	}
	*ret = json_integer_value(v);
	return 1;
}

static int get_bool(struct parser *p, const json_t *obj, const char *key,
    const char *field, bool *ret)
{
	const json_t *v = json_object_get(obj, key);

	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_boolean(v))
		return bad(p, field, "true or false");
	*ret = json_is_true(v);
	return 1;
}

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

static bool is_env_name(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (s++; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

/* No whitespace or control characters: [registry/]name[:tag][@digest]. */
static bool is_image(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if (!is_name_char(*p) && strchr("/:@+", *p) == NULL)
			return false;
	return isalnum((unsigned char)*s);
}

static void warn_unknown(struct parser *p, const json_t *obj,
    const char *const *known, const char *where)
{
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach((json_t *)obj, key, v)
	{
		for (i = 0; known[i] != NULL && strcmp(known[i], key) != 0;)
			i++;
		if (known[i] == NULL && json_array_size(p->warnings) < 20)
			json_array_append_new(p->warnings,
			    json_sprintf(
				"unknown field \"%s%.64s\" was ignored", where,
				key));
	}
}

/* -- env and secrets ----------------------------------------------------------
 */

static int check_map(struct parser *p, const json_t *map, const char *field)
{
	const char *key;
	size_t total = 0;
	json_t *v;

	if (!json_is_object(map) || json_object_size(map) > ENV_MAX)
		return bad(p, field,
		    "an object of at most 1000 names and string values");
	json_object_foreach((json_t *)map, key, v)
	{
		if (!is_env_name(key) || strlen(key) > NAME_MAX_BYTES)
			return err_set(p->err, ERR_INVALID, "invalid_field",
			    "Field \"%s\": \"%.64s\" is no variable name "
			    "(letters, digits and _)",
			    field, key);
		if (!json_is_string(v) || json_string_length(v) > ENV_VALUE_MAX)
			return err_set(p->err, ERR_INVALID, "invalid_field",
			    "Field \"%s.%.64s\": expected a string of at most "
			    "120 KiB",
			    field, key);
		total += strlen(key) + json_string_length(v);
	}
	if (total > ENV_TOTAL_MAX)
		return bad(p, field, "at most 400 KiB altogether");
	return 0;
}

/* Copies a checked map into spec under key; absent: nothing. */
static int take_env(
    struct parser *p, const json_t *from, const char *field, json_t *to)
{
	json_t *map = json_object_get(from, "env");

	if (map == NULL || json_is_null(map))
		return 0;
	TRY(check_map(p, map, field));
	return json_object_set(to, "env", map);
}

/* -- steps
 * ------------------------------------------------------------------------ */

static int take_command(
    struct parser *p, const json_t *step, const char *prefix, json_t *out)
{
	json_t *command = json_object_get(step, "command"), *arg;
	char field[64];
	size_t i, total = 0;

	snprintf(field, sizeof(field), "%s.command", prefix);
	if (!json_is_array(command) || json_array_size(command) == 0 ||
	    json_array_size(command) > ARGS_MAX)
		return bad(p, field, "an array of 1 to 1000 strings");
	json_array_foreach(command, i, arg)
	{
		if (!json_is_string(arg))
			return bad(p, field, "an array of 1 to 1000 strings");
		total += json_string_length(arg) + 8;
	}
	if (total > ENV_TOTAL_MAX)
		return bad(p, field, "at most 400 KiB altogether");
	return json_object_set(out, "command", command);
}

static int take_run(
    struct parser *p, const json_t *step, const char *prefix, json_t *out)
{
	json_t *run = json_object_get(step, "run");
	const char *shell;
	char field[64];

	snprintf(field, sizeof(field), "%s.run", prefix);
	if (!json_is_string(run) || json_string_length(run) == 0 ||
	    json_string_length(run) > SCRIPT_MAX)
		return bad(p, field, "a script of 1 byte to 512 KiB");
	snprintf(field, sizeof(field), "%s.shell", prefix);
	TRY(get_string(p, step, "shell", field, NAME_MAX_BYTES, &shell));
	if (shell != NULL)
		json_object_set_new(out, "shell", json_string(shell));
	return json_object_set(out, "run", run);
}

static int take_condition(
    struct parser *p, const json_t *step, const char *prefix, json_t *out)
{
	const char *when;
	char field[64];

	snprintf(field, sizeof(field), "%s.if", prefix);
	TRY(get_string(p, step, "if", field, NAME_MAX_BYTES, &when));
	if (when == NULL)
		return 0;
	if (strcmp(when, "success") != 0 && strcmp(when, "always") != 0 &&
	    strcmp(when, "failure") != 0)
		return bad(p, field, "\"success\", \"always\" or \"failure\"");
	return json_object_set_new(out, "if", json_string(when));
}

static int take_step_options(
    struct parser *p, const json_t *step, const char *prefix, json_t *out)
{
	bool go_on = false;
	int64_t timeout;
	const char *text;
	char field[64];
	int r;

	snprintf(field, sizeof(field), "%s.name", prefix);
	TRY(get_string(p, step, "name", field, NAME_MAX_BYTES, &text));
	if (text != NULL)
		json_object_set_new(out, "name", json_string(text));
	snprintf(field, sizeof(field), "%s.workingDirectory", prefix);
	TRY(get_string(
	    p, step, "workingDirectory", field, TEXT_MAX_BYTES, &text));
	if (text != NULL)
		json_object_set_new(out, "workingDirectory", json_string(text));
	snprintf(field, sizeof(field), "%s.timeoutSeconds", prefix);
	r = get_int(p, step, "timeoutSeconds", field, 1,
	    p->limits->timeout_max_s, &timeout);
	TRY(r);
	if (r > 0)
		json_object_set_new(
		    out, "timeoutSeconds", json_integer(timeout));
	snprintf(field, sizeof(field), "%s.continueOnError", prefix);
	TRY(get_bool(p, step, "continueOnError", field, &go_on));
	if (go_on)
		json_object_set_new(out, "continueOnError", json_true());
	snprintf(field, sizeof(field), "%s.env", prefix);
	return take_env(p, step, field, out);
}

static int take_step(
    struct parser *p, const json_t *step, size_t index, json_t *steps)
{
	static const char *const known[] = {"name", "run", "shell", "command",
	    "env", "workingDirectory", "timeoutSeconds", "continueOnError",
	    "if", NULL};
	json_t *out = json_object();
	char prefix[32], where[34];

	json_array_append_new(steps, out);
	snprintf(prefix, sizeof(prefix), "steps[%zu]", index);
	snprintf(where, sizeof(where), "%s.", prefix);
	if (!json_is_object(step))
		return bad(p, prefix, "an object with \"run\" or \"command\"");
	if ((json_object_get(step, "run") != NULL) ==
	    (json_object_get(step, "command") != NULL))
		return bad(p, prefix, "either \"run\" or \"command\"");
	if (json_object_get(step, "run") != NULL)
		TRY(take_run(p, step, prefix, out));
	else
		TRY(take_command(p, step, prefix, out));
	TRY(take_condition(p, step, prefix, out));
	TRY(take_step_options(p, step, prefix, out));
	warn_unknown(p, step, known, where);
	return 0;
}

static int take_steps(
    struct parser *p, const json_t *body, json_t *spec, bool *ret_session)
{
	json_t *steps = json_object_get(body, "steps"), *step;
	json_t *out;
	size_t i;

	*ret_session = steps == NULL || json_is_null(steps);
	if (*ret_session)
		return 0;
	if (!json_is_array(steps) || json_array_size(steps) == 0 ||
	    json_array_size(steps) > STEPS_MAX)
		return bad(p, "steps",
		    "an array of 1 to 1000 steps, or no such field for a "
		    "session");
	out = json_array();
	json_object_set_new(spec, "steps", out);
	json_array_foreach(steps, i, step) TRY(take_step(p, step, i, out));
	return 0;
}

/* -- resources
 * --------------------------------------------------------------------- */

static int take_memory(struct parser *p, const json_t *from, json_t *out)
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
		return bad(p, "resources.memory",
		    "bytes or a size such as \"512m\" or \"4g\", at least 6m");
	if (p->limits->memory_max_bytes > 0 &&
	    bytes > p->limits->memory_max_bytes) {
		snprintf(expected, sizeof(expected),
		    "at most %lldm, the memory this hub may hand out",
		    (long long)(p->limits->memory_max_bytes >> 20));
		return bad(p, "resources.memory", expected);
	}
	return json_object_set_new(out, "memory", json_integer(bytes));
}

static int take_cpus(struct parser *p, const json_t *from, json_t *out)
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
		return bad(p, "resources.cpus", expected);
	}
	return json_object_set_new(out, "cpus", json_real(cpus));
}

static int take_resources(struct parser *p, const json_t *body, json_t *spec)
{
	static const char *const known[] = {"cpus", "memory", "pids", NULL};
	json_t *from = json_object_get(body, "resources"), *out;
	int64_t pids;
	int r;

	if (from == NULL || json_is_null(from))
		return 0;
	if (!json_is_object(from))
		return bad(p, "resources", "an object with cpus, memory, pids");
	out = json_object();
	json_object_set_new(spec, "resources", out);
	TRY(take_cpus(p, from, out));
	TRY(take_memory(p, from, out));
	r = get_int(p, from, "pids", "resources.pids", 1, PIDS_MAX, &pids);
	TRY(r);
	if (r > 0)
		json_object_set_new(out, "pids", json_integer(pids));
	warn_unknown(p, from, known, "resources.");
	return 0;
}

/* -- the whole
 * ------------------------------------------------------------------------ */

static int take_labels(struct parser *p, const json_t *body, struct request *r)
{
	json_t *labels = json_object_get(body, "labels"), *label;
	size_t i;

	if (labels == NULL || json_is_null(labels)) {
		r->labels = mem_strdup("[]");
		return 0;
	}
	if (!json_is_array(labels) || json_array_size(labels) > LABELS_MAX)
		return bad(p, "labels", "an array of at most 100 strings");
	json_array_foreach(labels, i,
	    label) if (!json_is_string(label) ||
		       json_string_length(label) == 0 ||
		       json_string_length(label) > NAME_MAX_BYTES) return bad(p,
	    "labels", "strings of 1 to 256 bytes in the array");
	r->labels = json_dumps(labels, JSON_COMPACT);
	return 0;
}

static int take_metadata(
    struct parser *p, const json_t *body, struct request *r)
{
	static const char *const keys[] = {"sha", "ref", "eventName", "actor"};
	json_t *meta = json_object();
	const char *text;
	int got = 0;

	for (size_t i = 0; got >= 0 && i < ARRAY_LEN(keys); i++) {
		got = get_string(
		    p, body, keys[i], keys[i], TEXT_MAX_BYTES, &text);
		if (text != NULL)
			json_object_set_new(meta, keys[i], json_string(text));
	}
	r->metadata = json_dumps(meta, JSON_COMPACT);
	json_decref(meta);
	return got < 0 ? -1 : 0;
}

static int take_names(struct parser *p, const json_t *body, struct request *r)
{
	const char *text;

	TRY(need_string(p, body, "jobId", NAME_MAX_BYTES, &text));
	r->external_id = mem_strdup(text);
	r->has_github_job_id =
	    parse_int(text, 0, INT64_MAX, &r->github_job_id) == 0;
	TRY(need_string(p, body, "runId", NAME_MAX_BYTES, &text));
	r->run_id = mem_strdup(text);
	TRY(need_string(p, body, "repository", NAME_MAX_BYTES, &text));
	if (!is_repository(text))
		return bad(p, "repository",
		    "\"owner/repo\" of letters, digits, \".\", \"_\", \"-\"");
	r->repository = mem_strdup(text);
	TRY(get_string(p, body, "workflow", "workflow", TEXT_MAX_BYTES, &text));
	r->workflow = mem_strdup_or_null(text);
	TRY(get_string(
	    p, body, "runnerName", "runnerName", NAME_MAX_BYTES, &text));
	r->runner_name = mem_strdup_or_null(text);
	TRY(get_int(
	    p, body, "attempt", "attempt", 1, ATTEMPT_MAX, &r->attempt));
	return get_int(p, body, "priority", "priority", 0, 100, &r->priority);
}

static int take_spec_fields(
    struct parser *p, const json_t *body, json_t *spec, struct request *r)
{
	const char *text;
	int64_t timeout;
	int got;

	TRY(get_string(p, body, "image", "image", TEXT_MAX_BYTES, &text));
	if (text != NULL && !is_image(text))
		return bad(p, "image", "an image reference such as alpine:3");
	if (text != NULL)
		json_object_set_new(spec, "image", json_string(text));
	TRY(get_string(p, body, "network", "network", NAME_MAX_BYTES, &text));
	if (text != NULL)
		json_object_set_new(spec, "network", json_string(text));
	got = get_int(p, body, "timeoutSeconds", "timeoutSeconds", 1,
	    p->limits->timeout_max_s, &timeout);
	TRY(got);
	if (got > 0)
		json_object_set_new(
		    spec, "timeoutSeconds", json_integer(timeout));
	TRY(take_env(p, body, "env", spec));
	TRY(take_steps(p, body, spec, &r->is_session));
	return take_resources(p, body, spec);
}

static int take_secrets(struct parser *p, const json_t *body, struct request *r)
{
	const json_t *map = json_object_get(body, "secrets");
	char *text;

	if (map == NULL || json_is_null(map))
		return 0;
	TRY(check_map(p, map, "secrets"));
	if (json_object_size(map) == 0)
		return 0;
	text = json_dumps(map, JSON_COMPACT);
	r->secrets = secret_new(text, strlen(text));
	secret_wipe(text, strlen(text));
	mem_free(text);
	return 0;
}

static int take_all(
    struct parser *p, const json_t *body, json_t *spec, struct request *r)
{
	static const char *const known[] = {"jobId", "runId", "repository",
	    "workflow", "runnerName", "labels", "sha", "ref", "eventName",
	    "actor", "attempt", "image", "steps", "env", "secrets",
	    "timeoutSeconds", "priority", "resources", "network", NULL};

	TRY(take_names(p, body, r));
	TRY(take_labels(p, body, r));
	TRY(take_metadata(p, body, r));
	TRY(take_spec_fields(p, body, spec, r));
	TRY(take_secrets(p, body, r));
	warn_unknown(p, body, known, "");
	return 0;
}

static json_t *load(const char *body, size_t len, struct err *err)
{
	json_error_t why;
	json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &why);

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
	struct parser p = {.limits = limits, .err = err};
	json_t *root = load(body, len, err), *spec;
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

void request_set_id(struct request *r, const char *request_id)
{
	json_t *meta = json_loads(r->metadata, 0, NULL);

	json_object_set_new(meta, "requestId", json_string(request_id));
	mem_free(r->metadata);
	r->metadata = json_dumps(meta, JSON_COMPACT);
	json_decref(meta);
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
	if (r->canonical != NULL)
		secret_wipe(r->canonical, strlen(r->canonical));
	mem_free(r->canonical);
	mem_free(r->warnings);
	*r = (struct request){0};
}
