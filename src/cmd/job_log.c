/*
 * `job logs`: what a job printed, whole or as it comes. Main thread. A
 * stream that breaks is taken up again at the byte where it broke.
 */
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/mem.h"
#include "base/parse.h"
#include "cmd/follow.h"
#include "cmd/job.h"
#include "cmd/ui.h"

struct sink {
	uint64_t bytes; /* received so far */
	bool terminal;
	struct ui_filter filter;
};

static int take(void *arg, const char *data, size_t len, struct err *err)
{
	struct sink *s = arg;

	(void)err;
	s->bytes += len;
	ui_show(s->terminal ? &s->filter : NULL, data, len);
	return 0;
}

static char *log_path(const char *id, const struct job_log_options *lo,
    const char *mode, uint64_t offset)
{
	CLEANUP(mem_free) char *base = client_job_path(id, "/logs");
	CLEANUP(buf_fini) struct buf b = {.max = 64 * 1024};
	char sep = '?';

	IGNORE(buf_append_str(&b, base));
#define PARAM(...)                                                             \
	do {                                                                   \
		IGNORE(buf_append_char(&b, sep));                              \
		IGNORE(buf_printf(&b, __VA_ARGS__));                           \
		sep = '&';                                                     \
	} while (0)
	if (mode != NULL)
		PARAM("%s=true", mode);
	if (offset > 0)
		PARAM("offset=%llu", (unsigned long long)offset);
	else if (lo->tail != NULL)
		PARAM("tail=%s", lo->tail);
	if (lo->timestamps)
		PARAM("timestamps=true");
	if (lo->json)
		PARAM("format=json");
#undef PARAM
	return buf_steal(&b, NULL);
}

/* Offsets count the job's own bytes: only a plain, whole log can be taken
 * up again. */
static bool can_resume(const struct job_log_options *lo)
{
	return lo->tail == NULL && !lo->timestamps && !lo->json;
}

/* After a stream ended: 1 the job has ended as well, 0 go on, -1. */
static int has_ended(
    struct client *c, const struct ctx *ctx, const char *id, struct err *err)
{
	CLEANUP(mem_free) char *path = client_job_path(id, "");
	CLEANUP(json_decref) json_t *job = NULL;

	TRY(client_get(c, ctx, path, &job, err));
	return job_is_final(job);
}

struct follow {
	struct client *client;
	const struct ctx *ctx;
	const char *id;
	const struct job_log_options *lo;
	struct sink sink;
};

static enum follow_step follow_once(void *arg, struct err *err)
{
	struct follow *f = arg;
	CLEANUP(mem_free)
	char *path = log_path(f->id, f->lo, "follow", f->sink.bytes);
	int rc =
	    client_stream(f->client, f->ctx, path, NULL, take, &f->sink, err);

	if (rc == 0)
		rc = has_ended(f->client, f->ctx, f->id, err);
	if (rc < 0)
		return f->sink.bytes > 0 && !can_resume(f->lo) ? FOLLOW_HOPELESS
							       : FOLLOW_BROKEN;
	return rc > 0 || !can_resume(f->lo) ? FOLLOW_ENDED : FOLLOW_GOES_ON;
}

int job_follow_log(struct client *c, const struct ctx *ctx, const char *id,
    const struct job_log_options *lo, struct err *err)
{
	struct follow f = {.client = c,
	    .ctx = ctx,
	    .id = id,
	    .lo = lo,
	    .sink = {.terminal = ui_stdout_is_terminal() && !lo->json}};
	const struct following how = {
	    .once = follow_once, .arg = &f, .seen = &f.sink.bytes};

	return follow_patiently(&how, ctx, err);
}

/* The last lines of a job that goes on: one JSON answer, which has a limit. */
static int print_tail(struct client *c, const struct ctx *ctx, const char *id,
    const struct job_log_options *lo, struct sink *sink, struct err *err)
{
	CLEANUP(mem_free) char *path = log_path(id, lo, NULL, 0);
	CLEANUP(json_decref) json_t *data = NULL;
	const json_t *text, *entry;
	size_t i;

	TRY(client_get(c, ctx, path, &data, err));
	json_array_foreach(json_object_get(data, "entries"), i, entry)
	    reply_print(entry, true);
	text = json_object_get(data, "logs");
	if (json_is_string(text))
		TRY(take(sink, json_string_value(text),
		    json_string_length(text), err));
	if (json_is_true(json_object_get(data, "truncated")))
		fprintf(stderr, "runnerhub: the rest is left out, it is too "
				"long for one answer; use --follow\n");
	return 0;
}

/* What is there now, streamed wherever the hub can: a log may be larger than
 * what one answer should hold. */
static int print_log(struct client *c, const struct ctx *ctx, const char *id,
    const struct job_log_options *lo, struct err *err)
{
	CLEANUP(mem_free) char *path = NULL;
	struct sink sink = {.terminal = ui_stdout_is_terminal() && !lo->json};
	int ended = has_ended(c, ctx, id, err);

	TRY(ended);
	if (!ended && lo->tail != NULL)
		return print_tail(c, ctx, id, lo, &sink, err);
	path = log_path(id, lo, ended ? "follow" : "download", 0);
	return client_stream(c, ctx, path, NULL, take, &sink, err);
}

static int read_options(
    const struct invocation *v, struct job_log_options *lo, struct err *err)
{
	const char *format = args_get(&v->args, "format");
	int64_t n;

	lo->tail = args_get(&v->args, "tail");
	lo->timestamps = args_has(&v->args, "timestamps");
	lo->json = v->json;
	if (lo->tail != NULL && parse_int(lo->tail, 0, INT32_MAX, &n) < 0)
		return err_set(err, ERR_INVALID, "usage",
		    "--tail: expected a number of lines");
	if (format != NULL && strcmp(format, "json") == 0)
		lo->json = true;
	else if (format != NULL && strcmp(format, "text") != 0)
		return err_set(err, ERR_INVALID, "usage",
		    "--format: expected text or json");
	return 0;
}

static int logs_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	struct job_log_options lo = {0};
	struct err err = ERR_INIT;
	const char *id;
	int rc;

	if (!invocation_begin(&v, &command_job_logs, argc, argv, &rc))
		return rc;
	if (read_options(&v, &lo, &err) < 0)
		return command_usage_error(&command_job_logs, &err);
	if (command_client(&c, v.o, &err) < 0)
		return command_fail(&err);
	id = args_operand(&v.args, 0);
	rc = args_has(&v.args, "follow")
		 ? job_follow_log(c, &v.ctx, id, &lo, &err)
		 : print_log(c, &v.ctx, id, &lo, &err);
	return rc < 0 ? command_fail(&err) : EXIT_OK;
}

static const struct command_option logs_options[] = {
    {"follow", 'f', NULL, "go on until the job has ended", NULL},
    {"tail", 'n', "N", "only the last N lines", NULL},
    {"timestamps", 't', NULL, "the time before each line", NULL},
    {"format", 0, "FORMAT", "text, or json: also streams and step marks",
	"text json"},
    {0},
};

const struct command command_job_logs = {
    .name = "job logs",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "print what a job printed",
    .details = "On a terminal, colours pass and every other escape sequence "
	       "of the job is left out; into a pipe or file go its own bytes.",
    .options = logs_options,
    .run = logs_run,
};
