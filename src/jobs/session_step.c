/*
 * The JSON of a session's step: checked field by field as a delegation's
 * steps are, and brought to the fields that are known. Handler threads.
 */
#include "jobs/session_step.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/secret.h"
#include "jobs/request_internal.h"

enum {
	KEY_MAX_BYTES = 64,
	SCRIPT_MAX = 512 * 1024,
	ARGS_MAX = 4096, /* the agent takes no more */
	ENV_MAX = 2000,
	DIRECTORIES_MAX = 256,
	DEPTH_MAX = 16,
};

static bool is_key(const char *s)
{
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr("._-", *s) == NULL)
			return false;
	return true;
}

static int take_key(struct request_parser *p, const json_t *body, json_t *out)
{
	const char *key;

	TRY(request_need_string(p, body, "key", KEY_MAX_BYTES, &key));
	if (!is_key(key))
		return request_bad(p, "key",
		    "1 to 64 of letters, digits, \".\", \"_\", \"-\"");
	return json_object_set_new(out, "key", json_string(key));
}

/* Arguments may be empty, the program not. */
static int take_command(
    struct request_parser *p, const json_t *body, json_t *out)
{
	json_t *command = json_object_get(body, "command"), *arg;
	size_t i;

	if (!json_is_array(command) || json_array_size(command) == 0 ||
	    json_array_size(command) > ARGS_MAX)
		return request_bad(
		    p, "command", "an array of 1 to 4096 strings");
	json_array_foreach(command, i, arg)
	{
		if (!json_is_string(arg))
			return request_bad(
			    p, "command", "an array of 1 to 4096 strings");
		if (i == 0 && json_string_length(arg) == 0)
			return request_bad(
			    p, "command", "a program as the first string");
	}
	return json_object_set(out, "command", command);
}

static int take_run(struct request_parser *p, const json_t *body, json_t *out)
{
	json_t *run = json_object_get(body, "run");
	const char *shell;

	if (!json_is_string(run) || json_string_length(run) == 0 ||
	    json_string_length(run) > SCRIPT_MAX)
		return request_bad(p, "run", "a script of 1 byte to 512 KiB");
	TRY(request_string(p, body, "shell", "shell", NAME_MAX_BYTES, &shell));
	if (shell != NULL)
		json_object_set_new(out, "shell", json_string(shell));
	return json_object_set(out, "run", run);
}

/* What runs: one of three. */
static int take_work(struct request_parser *p, const json_t *body, json_t *out)
{
	json_t *command = json_object_get(body, "command");
	json_t *run = json_object_get(body, "run");
	json_t *container = json_object_get(body, "container");
	int given = (command != NULL && !json_is_null(command)) +
		    (run != NULL && !json_is_null(run)) +
		    (container != NULL && !json_is_null(container));

	if (given != 1)
		return request_bad(p, "command",
		    "exactly one of \"command\", \"run\" and \"container\"");
	if (command != NULL && !json_is_null(command))
		return take_command(p, body, out);
	if (run != NULL && !json_is_null(run))
		return take_run(p, body, out);
	if (!json_is_object(container))
		return request_bad(p, "container", "an object");
	return json_object_set(out, "container", container);
}

/* Not only names that a shell can say: an action's inputs have others
 * (INPUT_FETCH-DEPTH). */
static int take_env(struct request_parser *p, const json_t *body, json_t *out)
{
	json_t *env = json_object_get(body, "env"), *v;
	const char *key;

	if (env == NULL || json_is_null(env))
		return 0;
	if (!json_is_object(env) || json_object_size(env) > ENV_MAX)
		return request_bad(p, "env",
		    "an object of at most 2000 names and string values");
	json_object_foreach(env, key, v)
	{
		if (key[0] == '\0' || strlen(key) > TEXT_MAX_BYTES ||
		    strchr(key, '=') != NULL)
			return err_set(p->err, ERR_INVALID, "invalid_field",
			    "Field \"env\": \"%.64s\" is no variable name",
			    key);
		if (!json_is_string(v))
			return err_set(p->err, ERR_INVALID, "invalid_field",
			    "Field \"env.%.64s\": expected a string", key);
	}
	return json_object_set(out, "env", env);
}

static int take_directories(
    struct request_parser *p, const json_t *body, json_t *out)
{
	json_t *list = json_object_get(body, "prependPath"), *dir;
	size_t i;

	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > DIRECTORIES_MAX)
		return request_bad(
		    p, "prependPath", "an array of at most 256 directories");
	json_array_foreach(list, i,
	    dir) if (!json_is_string(dir) ||
		     json_string_length(dir) == 0) return request_bad(p,
	    "prependPath", "an array of at most 256 directories");
	return json_object_set(out, "prependPath", list);
}

static int take_input(struct request_parser *p, const json_t *body, json_t *out)
{
	bool input = false, pipes = false;

	TRY(request_bool(p, body, "input", "input", &input));
	TRY(request_bool(p, body, "pipes", "pipes", &pipes));
	if (pipes && json_object_get(out, "command") == NULL)
		return request_bad(
		    p, "pipes", "\"command\" with it, for {in} and {out}");
	if (input && pipes)
		return request_bad(p, "input", "not both, input and pipes");
	if (input)
		json_object_set_new(out, "input", json_true());
	if (pipes)
		json_object_set_new(out, "pipes", json_true());
	return 0;
}

static int take_text(struct request_parser *p, const json_t *body,
    const char *key, size_t max, json_t *out)
{
	const char *text;

	TRY(request_string(p, body, key, key, max, &text));
	if (text != NULL)
		json_object_set_new(out, key, json_string(text));
	return 0;
}

static int take_all(struct request_parser *p, const json_t *body, json_t *out)
{
	int64_t timeout;
	int r;

	TRY(take_key(p, body, out));
	TRY(take_work(p, body, out));
	TRY(take_text(p, body, "name", NAME_MAX_BYTES, out));
	TRY(take_text(p, body, "workingDirectory", TEXT_MAX_BYTES * 4, out));
	r = request_int(p, body, "timeoutSeconds", "timeoutSeconds", 1,
	    p->limits->timeout_max_s, &timeout);
	TRY(r);
	if (r > 0)
		json_object_set_new(
		    out, "timeoutSeconds", json_integer(timeout));
	TRY(take_env(p, body, out));
	TRY(take_directories(p, body, out));
	return take_input(p, body, out);
}

static json_t *load(const char *body, size_t len, struct err *err)
{
	json_error_t why;
	json_t *root = NULL;

	if (parse_json_depth(body, len, DEPTH_MAX) < 0)
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body nests deeper than %d levels", DEPTH_MAX));
	else if ((root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &why)) ==
		 NULL)
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body is not valid JSON: line %d column %d", why.line,
		    why.column)); /* its text may be a secret */
	else if (!json_is_object(root))
		IGNORE(err_set(err, ERR_INVALID, "invalid_json",
		    "The body must be a JSON object"));
	else
		return root;
	session_step_free(root);
	return NULL;
}

json_t *session_step_parse(const char *body, size_t len,
    const struct request_limits *limits, struct err *err)
{
	struct request_parser p = {.limits = limits, .err = err};
	json_t *root = load(body, len, err), *out;

	if (root == NULL)
		return NULL;
	out = json_object();
	if (take_all(&p, root, out) < 0) {
		json_decref(out); /* shares its strings with root */
		out = NULL;
	}
	if (out == NULL)
		session_step_free(root);
	else
		json_decref(root);
	return out;
}

static void wipe(json_t *v)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_string(v))
		secret_wipe(
		    (char *)json_string_value(v), json_string_length(v));
	json_object_foreach(v, key, inner) wipe(inner);
	json_array_foreach(v, i, inner) wipe(inner);
}

void session_step_free(json_t *step)
{
	wipe(step);
	json_decref(step);
}
