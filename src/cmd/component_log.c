/*
 * `component logs`: what an instance says, whole or as it comes; and
 * `component errors`: what went wrong lately. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "cmd/component.h"

/* -- logs -------------------------------------------------------------- */

struct sink {
	bool terminal;
	struct ui_filter filter;
};

static int take(void *arg, const char *data, size_t len, struct err *err)
{
	struct sink *s = arg;

	(void)err;
	if (s->terminal) {
		CLEANUP(buf_fini) struct buf safe = {.max = len * 2 + 64};

		ui_filter_feed(&s->filter, data, len, &safe);
		ui_print(&safe);
	} else {
		ui_write(data, len);
	}
	return 0;
}

/* One that has ended is streamed as well: a log may be larger than one answer
 * should be. */
static char *log_target(
    const struct invocation *v, const json_t *instance, bool stream)
{
	CLEANUP(buf_fini) struct buf suffix = {.max = 1024};
	const char *tail = args_get(&v->args, "tail");

	IGNORE(
	    buf_printf(&suffix, "/logs?follow=%s", stream ? "true" : "false"));
	if (tail != NULL)
		IGNORE(buf_printf(&suffix, "&tail=%s", tail));
	if (args_has(&v->args, "build"))
		IGNORE(buf_append_str(&suffix, "&build=true"));
	return component_instance_target(
	    v->o, reply_str(instance, "id", ""), buf_str(&suffix));
}

static bool has_ended(const json_t *instance)
{
	const char *status = reply_str(instance, "status", "");

	return strcmp(status, "stopped") == 0 || strcmp(status, "error") == 0;
}

static int print_logs(
    struct client *c, const struct invocation *v, struct err *err)
{
	struct sink sink = {.terminal = ui_stdout_is_terminal() && !v->json};
	CLEANUP(json_decref) json_t *instance = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *target = NULL;
	bool stream = args_has(&v->args, "follow");
	const json_t *text;

	TRY(component_find(
	    c, &v->ctx, v->o, args_operand(&v->args, 0), &instance, err));
	stream |= !v->json && has_ended(instance);
	target = log_target(v, instance, stream);
	if (stream)
		return client_stream(
		    c, &v->ctx, target, NULL, take, &sink, err);
	TRY(client_call(c, &v->ctx, "GET", target, NULL, &reply, err));
	text = json_object_get(reply, "logs");
	if (v->json)
		reply_print(reply, false);
	else if (json_is_string(text))
		TRY(take(&sink, json_string_value(text),
		    json_string_length(text), err));
	return 0;
}

static int check_options(const struct invocation *v, struct err *err)
{
	const char *tail = args_get(&v->args, "tail");
	int64_t n;

	if (tail != NULL && parse_int(tail, 1, INT32_MAX, &n) < 0)
		return err_set(err, ERR_INVALID, "usage",
		    "--tail: expected a number of lines, from 1");
	if (v->json && args_has(&v->args, "follow"))
		return err_set(err, ERR_INVALID, "usage",
		    "--follow gives the log's own bytes, not JSON");
	return 0;
}

static int logs_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_component_logs, argc, argv, &rc))
		return rc;
	if (check_options(&v, &err) < 0)
		return command_usage_error(&command_component_logs, &err);
	if (command_client(&c, v.o, &err) < 0 || print_logs(c, &v, &err) < 0)
		return command_fail(&err);
	return EXIT_OK;
}

static const struct command_option logs_options[] = {
    {"follow", 'f', NULL, "go on until it has ended", NULL},
    {"tail", 'n', "N", "only the last N lines", NULL},
    {"build", 'b', NULL, "begin with the log of its build", NULL},
    {0},
};

const struct command command_component_logs = {
    .name = "component logs",
    .operands = "ID|REF",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "print what a component says",
    .details =
	"Both its streams; also after it has ended. Before it runs, and for a "
	"start that failed earlier, the build's. On a terminal, colours pass "
	"and "
	"every other escape sequence is left out; into a pipe or file go its "
	"own "
	"bytes. REF means its newest instance.",
    .options = logs_options,
    .run = logs_run,
};

/* -- errors ------------------------------------------------------------ */

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

static char *errors_target(const struct invocation *v)
{
	const char *id = args_operand(&v->args, 0);
	const char *limit = args_get(&v->args, "limit");
	CLEANUP(mem_free)
	char *suffix = mem_printf("/errors%s%s", limit != NULL ? "?limit=" : "",
	    limit != NULL ? limit : "");

	return id != NULL ? component_instance_target(v->o, id, suffix)
			  : component_target(v->o, suffix);
}

static int print_errors(
    struct client *c, const struct invocation *v, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.max = 16 << 20};
	CLEANUP(mem_free) char *target = errors_target(v);
	CLEANUP(json_decref) json_t *reply = NULL;
	const json_t *errors, *one;
	size_t i;

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
    .operands = "[ID]",
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "what went wrong lately, and what to do",
    .details = "Oldest first, of all components or of one instance; since the "
	       "hub was started.",
    .options = errors_options,
    .run = errors_run,
};
