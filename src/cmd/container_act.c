/*
 * `container exec|stop`. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "cmd/container.h"
#include "cmd/ui.h"

/* -- exec -------------------------------------------------------------- */

static int build(const struct args *a, json_t *ret, struct err *err)
{
	const char *timeout = args_get(a, "timeout");
	json_t *words = json_array();
	int64_t seconds;

	json_object_set_new(ret, "command", words);
	for (size_t i = 1; i < a->noperands; i++)
		if (json_array_append_new(words, json_string(a->operands[i])) <
		    0)
			return err_set(err, ERR_INVALID, "usage",
			    "argument %zu of the command is no UTF-8 text", i);
	if (timeout == NULL)
		return 0;
	if (parse_int(timeout, 1, INT32_MAX, &seconds) < 0)
		return err_set(err, ERR_INVALID, "usage",
		    "--timeout: expected a number of seconds");
	json_object_set_new(ret, "timeoutSeconds", json_integer(seconds));
	return 0;
}

/* Its output to stdout; the exit code is the command's own. */
static int show(const json_t *data)
{
	struct ui_filter filter = {.state = 0};
	const json_t *text = json_object_get(data, "output");

	ui_show(ui_stdout_is_terminal() ? &filter : NULL,
	    json_string_value(text), json_string_length(text));
	if (json_is_true(json_object_get(data, "truncated")))
		fprintf(stderr, "runnerhub: the rest of its output is left "
				"out\n");
	if (json_is_true(json_object_get(data, "timedOut"))) {
		fprintf(stderr, "runnerhub: it has not ended in time and may "
				"go on in the container\n");
		return EXIT_FAILED;
	}
	return (int)reply_int(data, "exitCode", EXIT_FAILED);
}

static int exec_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *body = json_object();
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_container_exec, argc, argv, &rc))
		return rc;
	if (build(&v.args, body, &err) < 0)
		return command_usage_error(&command_container_exec, &err);
	path = container_path(args_operand(&v.args, 0), "/exec");
	if (command_client(&c, v.o, &err) < 0 ||
	    client_call(c, &v.ctx, "POST", path, body, &reply, &err) < 0)
		return command_fail(&err);
	if (!v.json)
		return show(json_object_get(reply, "data"));
	reply_print(json_object_get(reply, "data"), false);
	return EXIT_OK;
}

static const struct command_option exec_options[] = {
    {"timeout", 't', "SECONDS", "wait for its end so long, 1 to 60 [30]", NULL},
    {0},
};

const struct command command_container_exec = {
    .name = "container exec",
    .operands = "ID -- COMMAND...",
    .operands_min = 2,
    .operands_max = ARGS_MAX,
    .flags = COMMAND_CLIENT,
    .summary = "run a command in a container of the hub",
    .details = "For admins, to look at what is wrong. Without a shell, input "
	       "or terminal; prints at most 256 KiB of its output and ends "
	       "with its exit code.",
    .options = exec_options,
    .run = exec_run,
};

/* -- stop -------------------------------------------------------------- */

static int stop_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_container_stop, argc, argv, &rc))
		return rc;
	path = container_path(args_operand(&v.args, 0), "/stop");
	if (command_client(&c, v.o, &err) < 0 ||
	    client_call(c, &v.ctx, "POST", path, NULL, &reply, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(reply, false);
	else
		printf("%s\n", reply_str(reply, "message", "Stopping"));
	return EXIT_OK;
}

const struct command command_container_stop = {
    .name = "container stop",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "stop a container of the hub",
    .details = "A job's: the job is cancelled. A component's: its instance "
	       "stops. A service's: it ends alone.",
    .run = stop_run,
};
