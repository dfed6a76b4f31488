/*
 * `component errors`: what went wrong lately, and what to do. Main thread.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/parse.h"
#include "cmd/component.h"

static void print_error(struct buf *out, const json_t *error)
{
	const json_t *context = json_object_get(error, "context");
	char code[64], ref[300], words[800], ago[32];

	IGNORE(buf_printf(out, "%s%s%s  %s  %s\n  %s\n", ui_on(UI_RED),
	    ui_clean(reply_str(error, "code", "?"), code, sizeof(code)),
	    ui_off(),
	    ui_clean(
		reply_str(context, "componentRef", NULL), ref, sizeof(ref)),
	    ui_ago(reply_str(context, "timestamp", NULL), ago),
	    ui_clean(reply_str(error, "userMessage",
			 reply_str(error, "message", NULL)),
		words, sizeof(words))));
	if (reply_str(context, "instanceId", NULL) != NULL)
		IGNORE(buf_printf(out, "  instance %s\n",
		    ui_clean(reply_str(context, "instanceId", NULL), ref,
			sizeof(ref))));
}

/* Of all, of an id, or of the newest instance of a component. */
static int find_target(
    struct client *c, const struct invocation *v, char **ret, struct err *err)
{
	const char *which = args_operand(&v->args, 0);
	const char *limit = args_get(&v->args, "limit");
	CLEANUP(mem_free)
	char *suffix = mem_printf("/errors%s%s", limit != NULL ? "?limit=" : "",
	    limit != NULL ? limit : "");
	CLEANUP(json_decref) json_t *instance = NULL;

	if (which == NULL) {
		*ret = component_target(v->o, suffix);
		return 0;
	}
	TRY(component_find(c, &v->ctx, v->o, which, &instance, err));
	*ret = component_instance_target(
	    v->o, reply_str(instance, "id", which), suffix);
	return 0;
}

static int print_errors(
    struct client *c, const struct invocation *v, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.max = 16 << 20};
	CLEANUP(mem_free) char *target = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	const json_t *errors, *one;
	size_t i;

	TRY(find_target(c, v, &target, err));
	TRY(client_call(c, &v->ctx, "GET", target, NULL, &reply, err));
	errors = json_object_get(reply, "errors");
	if (v->json) {
		reply_print(errors, false);
		return 0;
	}
	json_array_foreach(errors, i, one) print_error(&out, one);
	ui_print(&out);
	return 0;
}

static int errors_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	struct err err = ERR_INIT;
	const char *limit;
	int64_t n;
	int rc;

	if (!invocation_begin(&v, &command_component_errors, argc, argv, &rc))
		return rc;
	limit = args_get(&v.args, "limit");
	if (limit != NULL && parse_int(limit, 1, 1000, &n) < 0) {
		IGNORE(err_set(&err, ERR_INVALID, "usage",
		    "--limit: expected a number from 1 to 1000"));
		return command_usage_error(&command_component_errors, &err);
	}
	if (command_client(&c, v.o, &err) < 0 || print_errors(c, &v, &err) < 0)
		return command_fail(&err);
	return EXIT_OK;
}

static const struct command_option errors_options[] = {
    {"limit", 'n', "N", "only the last N", NULL},
    {0},
};

const struct command command_component_errors = {
    .name = "component errors",
    .operands = "[ID|REF]",
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "what went wrong lately, and what to do",
    .details = "Oldest first, of all components or of one instance; since the "
	       "hub was started.",
    .options = errors_options,
    .run = errors_run,
};
