/*
 * Validates the steps of a delegation and copies what is known of them into
 * the normalised spec. Handler threads.
 */
#include <stdio.h>
#include <string.h>

#include "jobs/request_internal.h"

enum { STEPS_MAX = 1000, SCRIPT_MAX = 512 * 1024, ARGS_MAX = 1000 };

static int take_command(struct request_parser *p, const json_t *step,
    const char *prefix, json_t *out)
{
	json_t *command = json_object_get(step, "command"), *arg;
	char field[64];
	size_t i, total = 0;

	snprintf(field, sizeof(field), "%s.command", prefix);
	if (!json_is_array(command) || json_array_size(command) == 0 ||
	    json_array_size(command) > ARGS_MAX)
		return request_bad(p, field, "an array of 1 to 1000 strings");
	json_array_foreach(command, i, arg)
	{
		if (!json_is_string(arg))
			return request_bad(
			    p, field, "an array of 1 to 1000 strings");
		if (i == 0 && json_string_length(arg) == 0)
			return request_bad(
			    p, field, "a program as the first string");
		total += json_string_length(arg) + 8;
	}
	if (total > ENV_TOTAL_MAX)
		return request_bad(p, field, "at most 400 KiB altogether");
	return json_object_set(out, "command", command);
}

static int take_run(struct request_parser *p, const json_t *step,
    const char *prefix, json_t *out)
{
	json_t *run = json_object_get(step, "run");
	const char *shell;
	char field[64];

	snprintf(field, sizeof(field), "%s.run", prefix);
	if (!json_is_string(run) || json_string_length(run) == 0 ||
	    json_string_length(run) > SCRIPT_MAX)
		return request_bad(p, field, "a script of 1 byte to 512 KiB");
	snprintf(field, sizeof(field), "%s.shell", prefix);
	TRY(request_string(p, step, "shell", field, NAME_MAX_BYTES, &shell));
	if (shell != NULL)
		json_object_set_new(out, "shell", json_string(shell));
	return json_object_set(out, "run", run);
}

static int take_condition(struct request_parser *p, const json_t *step,
    const char *prefix, json_t *out)
{
	const char *when;
	char field[64];

	snprintf(field, sizeof(field), "%s.if", prefix);
	TRY(request_string(p, step, "if", field, NAME_MAX_BYTES, &when));
	if (when == NULL)
		return 0;
	if (strcmp(when, "success") != 0 && strcmp(when, "always") != 0 &&
	    strcmp(when, "failure") != 0)
		return request_bad(
		    p, field, "\"success\", \"always\" or \"failure\"");
	return json_object_set_new(out, "if", json_string(when));
}

static int take_step_options(struct request_parser *p, const json_t *step,
    const char *prefix, json_t *out)
{
	bool go_on = false;
	int64_t timeout;
	const char *text;
	char field[64];
	int r;

	snprintf(field, sizeof(field), "%s.name", prefix);
	TRY(request_string(p, step, "name", field, NAME_MAX_BYTES, &text));
	if (text != NULL)
		json_object_set_new(out, "name", json_string(text));
	snprintf(field, sizeof(field), "%s.workingDirectory", prefix);
	TRY(request_string(
	    p, step, "workingDirectory", field, TEXT_MAX_BYTES, &text));
	if (text != NULL)
		json_object_set_new(out, "workingDirectory", json_string(text));
	snprintf(field, sizeof(field), "%s.timeoutSeconds", prefix);
	r = request_int(p, step, "timeoutSeconds", field, 1,
	    p->limits->timeout_max_s, &timeout);
	TRY(r);
	if (r > 0)
		json_object_set_new(
		    out, "timeoutSeconds", json_integer(timeout));
	snprintf(field, sizeof(field), "%s.continueOnError", prefix);
	TRY(request_bool(p, step, "continueOnError", field, &go_on));
	if (go_on)
		json_object_set_new(out, "continueOnError", json_true());
	snprintf(field, sizeof(field), "%s.env", prefix);
	return request_take_env(p, step, field, out);
}

static int take_step(
    struct request_parser *p, const json_t *step, size_t index, json_t *steps)
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
		return request_bad(
		    p, prefix, "an object with \"run\" or \"command\"");
	if ((json_object_get(step, "run") != NULL) ==
	    (json_object_get(step, "command") != NULL))
		return request_bad(p, prefix, "either \"run\" or \"command\"");
	if (json_object_get(step, "run") != NULL)
		TRY(take_run(p, step, prefix, out));
	else
		TRY(take_command(p, step, prefix, out));
	TRY(take_condition(p, step, prefix, out));
	TRY(take_step_options(p, step, prefix, out));
	request_warn_unknown(p, step, known, where);
	return 0;
}

int request_take_steps(struct request_parser *p, const json_t *body,
    json_t *spec, bool *ret_session)
{
	json_t *steps = json_object_get(body, "steps"), *step;
	json_t *out;
	size_t i;

	*ret_session = steps == NULL || json_is_null(steps);
	if (*ret_session)
		return 0;
	if (!json_is_array(steps) || json_array_size(steps) == 0 ||
	    json_array_size(steps) > STEPS_MAX)
		return request_bad(p, "steps",
		    "an array of 1 to 1000 steps, or no such field for a "
		    "session");
	out = json_array();
	json_object_set_new(spec, "steps", out);
	json_array_foreach(steps, i, step) TRY(take_step(p, step, i, out));
	return 0;
}
