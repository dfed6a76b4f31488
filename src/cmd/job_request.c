/*
 * The request of `job delegate`: a JSON or YAML file, and flags over it.
 * Values are checked here only as far as their form goes; what makes a good
 * job is the hub's to say. Main thread.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/uuid.h"
#include "cmd/job.h"
#include "config/yaml_doc.h"

#define FILE_BYTES_MAX   (10 << 20) /* the hub's own limit of a body */
#define SECRET_BYTES_MAX (64 * 1024)
#define DEFAULT_REPO     "local/cli"
#define DEFAULT_JOB      "cli"

static int usage(
    struct err *err, const char *what, const char *value, const char *expected)
{
	return err_set(err, ERR_INVALID, "usage", "%s \"%.80s\": expected %s",
	    what, value, expected);
}

/* -- the file ---------------------------------------------------------- */

/* Plain scalars have YAML's core types; below env, secrets and namedSecrets all
 * is text. */
static json_t *from_scalar(const struct yaml_item *i, bool text_only)
{
	json_t *s;
	int64_t n;
	double d;

	if (i->plain && !text_only) {
		if (yaml_item_is_null(i))
			return json_null();
		if (strcmp(i->text, "true") == 0)
			return json_true();
		if (strcmp(i->text, "false") == 0)
			return json_false();
		if (parse_int(i->text, INT64_MIN + 1, INT64_MAX, &n) == 0)
			return json_integer(n);
		if (parse_num(i->text, -1e300, 1e300, &d) == 0)
			return json_real(d);
	}
	s = json_string(i->text);
	return s != NULL ? s : json_null(); /* libyaml takes UTF-8 only */
}

static json_t *from_yaml(const struct yaml_item *i, bool text_only)
{
	json_t *out;

	if (i->kind == YAML_SCALAR)
		return from_scalar(i, text_only);
	out = i->kind == YAML_MAP ? json_object() : json_array();
	for (const struct yaml_item *k = i->first; k != NULL; k = k->next) {
		bool text =
		    text_only || (k->key != NULL &&
				     (strcmp(k->key, "env") == 0 ||
					 strcmp(k->key, "secrets") == 0 ||
					 strcmp(k->key, "namedSecrets") == 0));

		if (i->kind == YAML_MAP)
			json_object_set_new(out, k->key, from_yaml(k, text));
		else
			json_array_append_new(out, from_yaml(k, text_only));
	}
	return out;
}

static int parse_yaml(
    const char *name, const struct buf *text, json_t **ret, struct err *err)
{
	CLEANUP(yaml_doc_free) struct yaml_doc *doc = NULL;

	TRY(yaml_doc_parse(&doc, name, buf_str(text), text->len, err));
	if (yaml_doc_root(doc) != NULL)
		*ret = from_yaml(yaml_doc_root(doc), false);
	return 0;
}

static int parse_json(
    const char *name, const struct buf *text, json_t **ret, struct err *err)
{
	json_error_t why;

	*ret =
	    json_loadb(buf_str(text), text->len, JSON_REJECT_DUPLICATES, &why);
	if (*ret == NULL)
		return err_set(err, ERR_INVALID, "bad_file", "%s:%d: %s", name,
		    why.line, why.text);
	return 0;
}

static bool looks_like_json(const struct buf *text)
{
	const char *p = buf_str(text);

	while (isspace((unsigned char)*p))
		p++;
	return *p == '{';
}

static int read_file(const char *path, json_t **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = FILE_BYTES_MAX};
	bool in = strcmp(path, "-") == 0;
	const char *name = in ? "standard input" : path;

	TRY(fs_read_file(in ? "/dev/stdin" : path, &text, err));
	if (looks_like_json(&text))
		TRY(parse_json(name, &text, ret, err));
	else
		TRY(parse_yaml(name, &text, ret, err));
	if (!json_is_object(*ret))
		return err_set(err, ERR_INVALID, "bad_file",
		    "%s: expected a map with repository, steps, ...", name);
	return 0;
}

/* -- flags ------------------------------------------------------------- */

/* The object below key, made when it is not there. */
static json_t *object_below(json_t *job, const char *key)
{
	json_t *o = json_object_get(job, key);

	if (!json_is_object(o)) {
		o = json_object();
		json_object_set_new(job, key, o);
	}
	return o;
}

static json_t *array_below(json_t *job, const char *key)
{
	json_t *a = json_object_get(job, key);

	if (!json_is_array(a)) {
		a = json_array();
		json_object_set_new(job, key, a);
	}
	return a;
}

static int set_text(
    json_t *o, const char *key, const char *value, struct err *err)
{
	if (json_object_set_new(o, key, json_string(value)) < 0)
		return usage(err, key, "...", "UTF-8 text");
	return 0;
}

/* "NAME: COMMAND" names a step when NAME is one word; else all is command. */
static int add_step(json_t *job, const char *text, struct err *err)
{
	json_t *steps = array_below(job, "steps"), *step = json_object();
	const char *colon = strstr(text, ": ");
	char name[64];
	size_t n = colon != NULL ? (size_t)(colon - text) : 0;

	json_array_append_new(steps, step);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    strchr("_.-", text[i]) == NULL)
			n = 0;
	if (n == 0 || n >= sizeof(name))
		return set_text(step, "run", text, err);
	memcpy(name, text, n);
	name[n] = '\0';
	TRY(set_text(step, "name", name, err));
	return set_text(step, "run", colon + 2, err);
}

static int split_pair(
    const char *pair, char *name, size_t size, const char **ret_value)
{
	const char *eq = strchr(pair, '=');
	size_t n = eq != NULL ? (size_t)(eq - pair) : strlen(pair);

	if (n == 0 || n >= size)
		return -1;
	memcpy(name, pair, n);
	name[n] = '\0';
	*ret_value = eq != NULL ? eq + 1 : NULL;
	return 0;
}

static int add_env(json_t *job, const char *pair, struct err *err)
{
	char name[256];
	const char *value;

	if (split_pair(pair, name, sizeof(name), &value) < 0 || value == NULL)
		return usage(err, "--env", pair, "NAME=VALUE");
	return set_text(object_below(job, "env"), name, value, err);
}

/* NAME: its value from the environment; NAME=@file: from a file. A value on
 * the command line would be everybody's to read. */
static int add_secret(json_t *job, const char *spec, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = SECRET_BYTES_MAX};
	json_t *secrets = object_below(job, "secrets");
	const char *value;
	char name[256];

	if (split_pair(spec, name, sizeof(name), &value) < 0 ||
	    (value != NULL && *value != '@'))
		return err_set(err, ERR_INVALID, "usage",
		    "--secret: expected NAME (its value is taken from the "
		    "environment) or NAME=@file");
	if (value == NULL) {
		value = getenv(name);
		if (value == NULL)
			return err_set(err, ERR_INVALID, "usage",
			    "--secret %s: there is no such environment "
			    "variable; set it, or use %s=@file",
			    name, name);
		return set_text(secrets, name, value, err);
	}
	TRY(fs_read_file(value + 1, &text, err));
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	if (json_object_set_new(
		secrets, name, json_stringn(buf_str(&text), text.len)) < 0)
		return usage(err, "--secret", name, "a file of UTF-8 text");
	return 0;
}

/* NAME: of the variable and the secret alike. */
static int add_named_secret(json_t *job, const char *spec, struct err *err)
{
	const char *secret;
	char name[256];

	if (split_pair(spec, name, sizeof(name), &secret) < 0)
		return usage(
		    err, "--named-secret", spec, "NAME or NAME=SECRET");
	return set_text(object_below(job, "namedSecrets"), name,
	    secret != NULL ? secret : name, err);
}

static int set_number(json_t *job, const char *flag, const char *key,
    const char *text, int64_t min, int64_t max, struct err *err)
{
	int64_t v;

	if (parse_int(text, min, max, &v) < 0)
		return err_set(err, ERR_INVALID, "usage",
		    "--%s \"%.80s\": expected a whole number from %lld to %lld",
		    flag, text, (long long)min, (long long)max);
	json_object_set_new(job, key, json_integer(v));
	return 0;
}

static int set_limits(const struct args *a, json_t *job, struct err *err)
{
	const char *timeout = args_get(a, "timeout"),
		   *cpus = args_get(a, "cpus"), *memory = args_get(a, "memory");
	int64_t v;
	double d;

	if (timeout != NULL) {
		if (parse_duration(timeout, 1000, &v) < 0 || v < 1)
			return usage(err, "--timeout", timeout,
			    "a duration such as 90s, 10m, 2h");
		json_object_set_new(
		    job, "timeoutSeconds", json_integer((v - 1) / 1000 + 1));
	}
	if (cpus != NULL) {
		if (parse_num(cpus, 0.001, 100000, &d) < 0)
			return usage(err, "--cpus", cpus, "a number like 1.5");
		json_object_set_new(
		    object_below(job, "resources"), "cpus", json_real(d));
	}
	if (memory != NULL) {
		if (parse_size(memory, &v) < 0)
			return usage(
			    err, "--memory", memory, "a size such as 512m");
		json_object_set_new(
		    object_below(job, "resources"), "memory", json_integer(v));
	}
	return 0;
}

static int set_texts(const struct args *a, json_t *job, struct err *err)
{
	static const struct {
		const char *flag, *key;
	} texts[] = {{"repo", "repository"}, {"run-id", "runId"},
	    {"job-id", "jobId"}, {"image", "image"}, {"workflow", "workflow"},
	    {"runner", "runnerName"}, {"ref", "ref"}, {"sha", "sha"}};
	const char *value;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		value = args_get(a, texts[i].flag);
		if (value != NULL)
			TRY(set_text(job, texts[i].key, value, err));
	}
	value = args_get(a, "attempt");
	if (value != NULL)
		TRY(set_number(
		    job, "attempt", "attempt", value, 1, 1000000, err));
	value = args_get(a, "priority");
	if (value != NULL)
		TRY(set_number(
		    job, "priority", "priority", value, 0, 100, err));
	return 0;
}

static int add_lists(const struct args *a, json_t *job, struct err *err)
{
	const char *value;

	for (size_t i = 0; (value = args_nth(a, "step", i)) != NULL; i++)
		TRY(add_step(job, value, err));
	for (size_t i = 0; (value = args_nth(a, "env", i)) != NULL; i++)
		TRY(add_env(job, value, err));
	for (size_t i = 0; (value = args_nth(a, "secret", i)) != NULL; i++)
		TRY(add_secret(job, value, err));
	for (size_t i = 0; (value = args_nth(a, "named-secret", i)) != NULL;
	     i++)
		TRY(add_named_secret(job, value, err));
	for (size_t i = 0; (value = args_nth(a, "label", i)) != NULL; i++)
		if (json_array_append_new(
			array_below(job, "labels"), json_string(value)) < 0)
			return usage(err, "--label", "...", "UTF-8 text");
	return 0;
}

/* A run of its own unless one is named: a repeated (repository, run, job,
 * attempt) would only return the earlier job. */
static void set_defaults(json_t *job)
{
	char id[UUID_TEXT_LEN], run[UUID_TEXT_LEN + 8];

	if (json_object_get(job, "repository") == NULL)
		json_object_set_new(
		    job, "repository", json_string(DEFAULT_REPO));
	if (json_object_get(job, "jobId") == NULL)
		json_object_set_new(job, "jobId", json_string(DEFAULT_JOB));
	if (json_object_get(job, "runId") == NULL) {
		snprintf(run, sizeof(run), "cli-%s", uuid_text(uuid_v7(), id));
		json_object_set_new(job, "runId", json_string(run));
	}
}

int job_request_build(const struct args *a, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *job = NULL;
	const char *file = args_get(a, "file");

	if (file == NULL && !args_has(a, "step") && !args_has(a, "session"))
		return err_set(err, ERR_INVALID, "usage",
		    "expected --step 'command', --file job.yaml or --session");
	if (file != NULL)
		TRY(read_file(file, &job, err));
	else
		job = json_object();
	TRY(set_texts(a, job, err));
	TRY(set_limits(a, job, err));
	TRY(add_lists(a, job, err));
	set_defaults(job);
	*ret = STEAL(job);
	return 0;
}
