/* Reads a stored spec: see spec.h. Any thread. */
#include "jobs/spec.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

int spec_load(struct spec *ret, const char *text, struct err *err)
{
	json_error_t why;
	json_t *root = json_loads(text, 0, &why);
	const json_t *res;

	if (root == NULL)
		return err_set(err, ERR_INTERNAL, "damaged_spec",
		    "the stored content of the job is damaged: %s", why.text);
	res = json_object_get(root, "resources");
	*ret = (struct spec){.root = root,
	    .image = json_string_value(json_object_get(root, "image")),
	    .network = json_string_value(json_object_get(root, "network")),
	    .profile = json_string_value(json_object_get(root, "profile")),
	    .timeout_s =
		json_integer_value(json_object_get(root, "timeoutSeconds")),
	    .memory_bytes = json_integer_value(json_object_get(res, "memory")),
	    .pids = json_integer_value(json_object_get(res, "pids")),
	    .cpus = json_number_value(json_object_get(res, "cpus")),
	    .nsteps = json_array_size(json_object_get(root, "steps"))};
	return 0;
}

void spec_fini(struct spec *s)
{
	json_decref(s->root);
	*s = (struct spec){0};
}

const char *spec_nested_work(const struct spec *s)
{
	return json_string_value(
	    json_object_get(json_object_get(s->root, "nested"), "work"));
}

bool spec_keeps_log(const struct spec *s)
{
	return !json_is_false(json_object_get(s->root, "keepLog"));
}

/* At most n bytes of text, cut between characters. */
static size_t whole_characters(const char *text, size_t n)
{
	size_t used = 0, len;

	while (used < n && (len = utf8_sequence(text + used, n - used)) > 0)
		used += len;
	return used;
}

/* As a person would call it: the first line that says something. */
static void name_from(const char *text, char *out, size_t size)
{
	size_t n;

	text += strspn(text, " \t\r\n");
	n = strcspn(text, "\r\n");
	if (n >= size - 4)
		n = size - 5;
	snprintf(out, size, "%.*s%s", (int)whole_characters(text, n), text,
	    text[strcspn(text, "\r\n")] != '\0' ? " ..." : "");
}

static void name_given(const char *text, char *out, size_t size)
{
	size_t n = strnlen(text, size - 1);

	snprintf(out, size, "%.*s", (int)whole_characters(text, n), text);
}

static enum step_when when_of(const char *text)
{
	if (text != NULL && strcmp(text, "always") == 0)
		return STEP_ALWAYS;
	if (text != NULL && strcmp(text, "failure") == 0)
		return STEP_ON_FAILURE;
	return STEP_ON_SUCCESS;
}

void spec_step(const struct spec *s, size_t index, struct step_spec *ret)
{
	spec_step_read(
	    json_array_get(json_object_get(s->root, "steps"), index), ret);
}

void spec_step_read(const json_t *step, struct step_spec *ret)
{
	const char *name = json_string_value(json_object_get(step, "name"));

	*ret = (struct step_spec){
	    .run = json_string_value(json_object_get(step, "run")),
	    .shell = json_string_value(json_object_get(step, "shell")),
	    .command = json_object_get(step, "command"),
	    .env = json_object_get(step, "env"),
	    .working_directory =
		json_string_value(json_object_get(step, "workingDirectory")),
	    .timeout_s =
		json_integer_value(json_object_get(step, "timeoutSeconds")),
	    .continue_on_error =
		json_is_true(json_object_get(step, "continueOnError")),
	    .when = when_of(json_string_value(json_object_get(step, "if")))};
	if (name != NULL)
		name_given(name, ret->name, sizeof(ret->name));
	else if (ret->run != NULL)
		name_from(ret->run, ret->name, sizeof(ret->name));
	else if (ret->command != NULL)
		name_from(json_string_value(json_array_get(ret->command, 0)),
		    ret->name, sizeof(ret->name));
}
