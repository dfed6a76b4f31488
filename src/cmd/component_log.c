/*
 * `component logs`: what an instance says, whole or as it comes. A stream that
 * breaks is taken up again at the byte where it broke. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "cmd/component.h"
#include "cmd/follow.h"

struct sink {
	int64_t skip;   /* seen before: of a stream that begins anew */
	uint64_t bytes; /* shown */
	bool terminal;
	struct ui_filter filter;
};

static int take(void *arg, const char *data, size_t len, struct err *err)
{
	struct sink *s = arg;
	size_t seen = (int64_t)len < s->skip ? len : (size_t)s->skip;

	(void)err;
	s->skip -= (int64_t)seen;
	data += seen;
	len -= seen;
	s->bytes += len;
	ui_show(s->terminal ? &s->filter : NULL, data, len);
	return 0;
}

/* -- what is there ----------------------------------------------------- */

static char *log_target(const struct invocation *v, const char *id,
    const char *follow, int64_t since)
{
	CLEANUP(buf_fini) struct buf suffix = {.max = 1024};
	const char *tail = args_get(&v->args, "tail");

	IGNORE(buf_printf(&suffix, "/logs?follow=%s", follow));
	if (since >= 0)
		IGNORE(buf_printf(&suffix, "&since=%lld", (long long)since));
	else if (tail != NULL)
		IGNORE(buf_printf(&suffix, "&tail=%s", tail));
	if (args_has(&v->args, "build"))
		IGNORE(buf_append_str(&suffix, "&build=true"));
	return component_instance_target(v->o, id, buf_str(&suffix));
}

static bool has_ended(const json_t *instance)
{
	const char *status = reply_str(instance, "status", "");

	return strcmp(status, "stopped") == 0 || strcmp(status, "error") == 0;
}

/* One JSON answer, which has a limit. *ret_next: where it ends. */
static int print_answer(struct client *c, const struct invocation *v,
    const char *id, struct sink *sink, int64_t *ret_next, struct err *err)
{
	CLEANUP(mem_free) char *target = log_target(v, id, "false", -1);
	CLEANUP(json_decref) json_t *reply = NULL;
	const json_t *text;

	TRY(client_call(c, &v->ctx, "GET", target, NULL, &reply, err));
	*ret_next = reply_int(reply, "next", -1);
	text = json_object_get(reply, "logs");
	if (v->json)
		reply_print(reply, false);
	else if (json_is_string(text))
		TRY(take(sink, json_string_value(text),
		    json_string_length(text), err));
	return 0;
}

/* One that has ended is streamed: a log may be larger than one answer. */
static int print_log(struct client *c, const struct invocation *v,
    const json_t *instance, struct sink *sink, struct err *err)
{
	const char *id = reply_str(instance, "id", "");
	CLEANUP(mem_free) char *target = NULL;
	int64_t next;

	if (v->json || !has_ended(instance))
		return print_answer(c, v, id, sink, &next, err);
	target = log_target(v, id, "true", -1);
	return client_stream(c, &v->ctx, target, NULL, take, sink, err);
}

/* -- as it comes ------------------------------------------------------- */

/* 1 it has ended, 0 it goes on, -1. */
static int ask_ended(struct client *c, const struct invocation *v,
    const char *id, struct err *err)
{
	CLEANUP(mem_free) char *target =
	    component_instance_target(v->o, id, "");
	CLEANUP(json_decref) json_t *instance = NULL;

	TRY(client_call(c, &v->ctx, "GET", target, NULL, &instance, err));
	return has_ended(instance);
}

/* Then its own output has a beginning. */
static bool has_run(const json_t *instance)
{
	return reply_str(instance, "containerId", NULL) != NULL ||
	       strcmp(reply_str(instance, "status", ""), "starting") != 0;
}

/*
 * The offset in its whole log that we begin at; -1 where only the hub knows
 * (the component's own beginning): then a stream that is made anew begins
 * there as well, and what was seen is passed over.
 */
static int find_base(struct client *c, const struct invocation *v,
    const json_t *instance, struct sink *sink, int64_t *ret, struct err *err)
{
	*ret = -1;
	if (args_has(&v->args, "tail")) {
		TRY(print_answer(
		    c, v, reply_str(instance, "id", ""), sink, ret, err));
		sink->bytes = 0;
	} else if (args_has(&v->args, "build") || !has_run(instance)) {
		*ret = 0;
	}
	return 0;
}

struct follow {
	struct client *client;
	const struct invocation *v;
	const char *id;
	int64_t base; /* find_base */
	struct sink *sink;
};

static enum follow_step follow_once(void *arg, struct err *err)
{
	struct follow *f = arg;
	struct sink *sink = f->sink;
	CLEANUP(mem_free)
	char *target = log_target(f->v, f->id, "true",
	    f->base >= 0 ? f->base + (int64_t)sink->bytes : -1);
	int rc;

	sink->skip = f->base >= 0 ? 0 : (int64_t)sink->bytes;
	rc =
	    client_stream(f->client, &f->v->ctx, target, NULL, take, sink, err);
	if (rc == 0)
		rc = ask_ended(f->client, f->v, f->id, err);
	if (rc < 0)
		return FOLLOW_BROKEN;
	return rc > 0 ? FOLLOW_ENDED : FOLLOW_GOES_ON;
}

static int follow(struct client *c, const struct invocation *v,
    const json_t *instance, struct sink *sink, struct err *err)
{
	struct follow f = {.client = c,
	    .v = v,
	    .id = reply_str(instance, "id", ""),
	    .sink = sink};
	const struct following how = {
	    .once = follow_once, .arg = &f, .seen = &sink->bytes};

	TRY(find_base(c, v, instance, sink, &f.base, err));
	return follow_patiently(&how, &v->ctx, err);
}

/* -- the command ------------------------------------------------------- */

static int print_logs(
    struct client *c, const struct invocation *v, struct err *err)
{
	struct sink sink = {.terminal = ui_stdout_is_terminal() && !v->json};
	CLEANUP(json_decref) json_t *instance = NULL;

	TRY(component_find(
	    c, &v->ctx, v->o, args_operand(&v->args, 0), &instance, err));
	return args_has(&v->args, "follow")
		   ? follow(c, v, instance, &sink, err)
		   : print_log(c, v, instance, &sink, err);
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
