/*
 * Reads the runner's request: see envelope.h. Called once, by conversation.c;
 * pure. Secrets are in here (environments, registry passwords): no message
 * of this file quotes a value.
 */
#include "hook/envelope.h"

#include <string.h>

#include "base/mem.h"

#define SERVICES_MAX 256

static const char *const command_names[] = {
    [HOOK_PREPARE_JOB] = "prepare_job",
    [HOOK_RUN_SCRIPT_STEP] = "run_script_step",
    [HOOK_RUN_CONTAINER_STEP] = "run_container_step",
    [HOOK_CLEANUP_JOB] = "cleanup_job",
};

const char *hook_command_name(enum hook_command command)
{
	return command_names[command];
}

static int get_services(
    const json_t *args, struct hook_envelope *e, struct err *err)
{
	const json_t *list = wish_field(args, "services");
	size_t n = json_array_size(list);

	if (list != NULL && (!json_is_array(list) || n > SERVICES_MAX))
		return wish_wrong_type("services", "a list of containers", err);
	e->services = mem_calloc(n + 1, sizeof(*e->services));
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_is_object(item))
			return wish_wrong_type(
			    "services", "a list of containers", err);
		e->nservices = i + 1;
		TRY(container_wish_read(item, &e->services[i], err));
	}
	return 0;
}

static int get_job(const json_t *args, struct hook_envelope *e, struct err *err)
{
	const json_t *container = wish_field(args, "container");

	if (container != NULL && !json_is_object(container))
		return wish_wrong_type("container", "an object", err);
	TRY(get_services(args, e, err));
	e->has_container = container != NULL;
	return container != NULL
		   ? container_wish_read(container, &e->container, err)
		   : 0;
}

/* -- the whole --------------------------------------------------------- */

static int get_command(struct hook_envelope *e, struct err *err)
{
	const char *name;

	TRY(wish_text(e->doc, "command", &name, err));
	for (size_t i = 0; name != NULL && i < ARRAY_LEN(command_names); i++)
		if (strcmp(name, command_names[i]) == 0) {
			e->command = (enum hook_command)i;
			return 0;
		}
	return err_set(err, ERR_INVALID, "unknown_command",
	    "the runner asks for the command \"%.64s\", which this version "
	    "does not know",
	    name != NULL ? name : "");
}

static int get_all(struct hook_envelope *e, struct err *err)
{
	const json_t *args = wish_field(e->doc, "args");

	TRY(get_command(e, err));
	TRY(wish_name(e->doc, "responseFile", &e->response_file, err));
	e->state = wish_field(e->doc, "state");
	if (e->state != NULL && !json_is_object(e->state))
		return wish_wrong_type("state", "an object", err);
	if (args != NULL && !json_is_object(args))
		return wish_wrong_type("args", "an object", err);
	switch (e->command) {
	case HOOK_PREPARE_JOB:
		return get_job(args, e, err);
	case HOOK_RUN_SCRIPT_STEP:
	case HOOK_RUN_CONTAINER_STEP:
		e->has_container = true;
		return container_wish_read(args, &e->container, err);
	case HOOK_CLEANUP_JOB:
		return 0;
	}
	WRONG("a hook_command out of range");
}

int envelope_parse(
    const char *text, size_t len, struct hook_envelope *ret, struct err *err)
{
	CLEANUP(envelope_fini) struct hook_envelope e = {.doc = NULL};
	json_error_t why;

	if (len > ENVELOPE_MAX)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "the runner's request is longer than %zu bytes",
		    ENVELOPE_MAX);
	e.doc = json_loadb(text, len, JSON_ALLOW_NUL, &why);
	if (e.doc == NULL || !json_is_object(e.doc))
		return err_set(err, ERR_INVALID, "bad_request",
		    "the runner's request (%zu bytes on stdin) is not a JSON "
		    "object",
		    len);
	TRY(get_all(&e, err));
	*ret = e;
	e = (struct hook_envelope){.doc = NULL};
	return 0;
}

void envelope_fini(struct hook_envelope *e)
{
	container_wish_fini(&e->container);
	for (size_t i = 0; i < e->nservices; i++)
		container_wish_fini(&e->services[i]);
	mem_free(e->services);
	json_decref(e->doc);
	*e = (struct hook_envelope){.doc = NULL};
}
