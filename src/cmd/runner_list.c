/* `runner list`, `runner show`: the registry as people read it. Main thread. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/runner.h"
#include "cmd/ui.h"
#include "net/http_client.h"

char *runner_path(const char *name, const char *suffix)
{
	struct buf out = {.max = 4096};

	IGNORE(buf_append_str(&out, "/api/runners/"));
	http_encode(&out, name);
	IGNORE(buf_append_str(&out, suffix));
	return buf_steal(&out, NULL);
}

int runner_find(struct client *c, const struct ctx *ctx, const char *name,
    json_t **ret, struct err *err)
{
	CLEANUP(mem_free) char *path = runner_path(name, "");

	if (client_get(c, ctx, path, ret, err) < 0)
		return err->kind != ERR_NOT_FOUND
			   ? -1
			   : err_set(err, ERR_NOT_FOUND, NULL,
				 "the hub knows no runner %.80s: runnerhub "
				 "runner list shows all",
				 name);
	if (reply_str(*ret, "id", NULL) != NULL)
		return 0;
	json_decref(STEAL(*ret));
	return err_set(err, ERR_INTERNAL, "bad_reply",
	    "the hub's answer about %.80s names no id", name);
}

static enum ui_style style_of(const char *status)
{
	if (strcmp(status, "idle") == 0)
		return UI_GREEN;
	if (strcmp(status, "busy") == 0)
		return UI_BOLD;
	return strcmp(status, "offline") == 0 ? UI_RED : UI_YELLOW;
}

static void labels_of(const json_t *runner, struct buf *out)
{
	const json_t *list = json_object_get(runner, "labels"), *item;
	size_t i;

	json_array_foreach(list, i, item) IGNORE(
	    buf_printf(out, "%s%s", i > 0 ? "," : "", json_string_value(item)));
	if (out->len == 0)
		IGNORE(buf_append_str(out, "-"));
}

static const char *scope_of(const json_t *runner)
{
	return reply_str(
	    runner, "repository", reply_str(runner, "organization", "-"));
}

static void add_row(struct ui_table *t, const json_t *runner)
{
	CLEANUP(buf_fini) struct buf labels = {.max = 64 * 1024};
	const char *status = reply_str(runner, "status", "?");
	char ago[32];

	labels_of(runner, &labels);
	ui_table_cell(t, UI_PLAIN, reply_str(runner, "name", "?"));
	ui_table_cell(t, style_of(status), status);
	ui_table_cell(t, UI_PLAIN, reply_str(runner, "jobId", "-"));
	ui_table_cell(t, UI_PLAIN, scope_of(runner));
	ui_table_cell(t, UI_PLAIN, buf_str(&labels));
	ui_table_cell(
	    t, UI_DIM, ui_ago(reply_str(runner, "lastHeartbeat", NULL), ago));
}

static void print_table(const json_t *runners)
{
	static const char *const heads[] = {
	    "NAME", "STATUS", "JOB", "FOR", "LABELS", "LAST HEARTBEAT"};
	struct ui_table t;
	const json_t *runner;
	size_t i;

	ui_table_init(&t, ARRAY_LEN(heads));
	for (i = 0; i < ARRAY_LEN(heads); i++)
		ui_table_cell(&t, UI_BOLD, heads[i]);
	json_array_foreach(runners, i, runner) add_row(&t, runner);
	ui_table_print(&t);
	ui_table_fini(&t);
}

/* Why some do not start. */
static void print_problems(const json_t *runners)
{
	const json_t *runner;
	char name[128], why[300];
	size_t i;

	json_array_foreach(runners, i, runner)
	{
		const char *problem = reply_str(runner, "problem", NULL);

		if (problem != NULL)
			printf("%s: %s\n",
			    ui_clean(reply_str(runner, "name", "?"), name,
				sizeof(name)),
			    ui_clean(problem, why, sizeof(why)));
	}
}

/* All pages: there are few runners. */
static int read_all(struct client *c, const struct ctx *ctx, const char *status,
    json_t **ret, struct err *err)
{
	*ret = json_array();
	for (int64_t page = 1, pages = 1; page <= pages; page++) {
		CLEANUP(json_decref) json_t *reply = NULL;
		char target[128];

		snprintf(target, sizeof(target),
		    "/api/runners?limit=100&page=%lld%s%.40s", (long long)page,
		    status != NULL ? "&status=" : "",
		    status != NULL ? status : "");
		TRY(client_call(c, ctx, "GET", target, NULL, &reply, err));
		json_array_extend(*ret, json_object_get(reply, "data"));
		pages = reply_int(
		    json_object_get(reply, "pagination"), "totalPages", 1);
	}
	return 0;
}

static int list_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *runners = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_runner_list, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    read_all(c, &v.ctx, args_get(&v.args, "status"), &runners, &err) <
		0)
		return command_fail(&err);
	if (v.json)
		reply_print(runners, false);
	else {
		print_table(runners);
		print_problems(runners);
	}
	return EXIT_OK;
}

static const struct command_option list_options[] = {
    {"status", 's', "STATUS", "only in this status",
	"idle busy offline starting stopping"},
    {0},
};

const struct command command_runner_list = {
    .name = "runner list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "list runners: status, job, last heartbeat",
    .options = list_options,
    .run = list_run,
};

/* -- one --------------------------------------------------------------- */

static void print_line(struct buf *out, const char *name, const char *value)
{
	char clean[300];

	if (value != NULL)
		IGNORE(buf_printf(out, "  %-12s %s\n", name,
		    ui_clean(value, clean, sizeof(clean))));
}

static void print_roots(struct buf *out, const json_t *runner)
{
	const json_t *root;
	size_t i;

	json_array_foreach(json_object_get(runner, "roots"), i, root)
	{
		CLEANUP(mem_free) char *line =
		    mem_printf("%s (%s%s)", reply_str(root, "here", "?"),
			reply_str(root, "volume", reply_str(root, "host", "?")),
			json_is_true(json_object_get(root, "readOnly"))
			    ? ", read only"
			    : "");

		print_line(out, i == 0 ? "mounts" : "", line);
	}
}

static void print_runner(const json_t *runner)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};
	CLEANUP(buf_fini) struct buf labels = {.max = 64 * 1024};
	char clean[128], ago[32];

	labels_of(runner, &labels);
	IGNORE(buf_printf(&out, "%sRunner %s%s\n", ui_on(UI_BOLD),
	    ui_clean(reply_str(runner, "name", "?"), clean, sizeof(clean)),
	    ui_off()));
	print_line(&out, "status", reply_str(runner, "status", NULL));
	print_line(&out, "problem", reply_str(runner, "problem", NULL));
	print_line(&out, "job", reply_str(runner, "jobId", NULL));
	print_line(&out, "id", reply_str(runner, "id", NULL));
	print_line(&out, "for", scope_of(runner));
	print_line(&out, "labels", buf_str(&labels));
	print_line(&out, "container", reply_str(runner, "containerId", NULL));
	print_line(&out, "made from",
	    reply_str(json_object_get(runner, "made"), "image", NULL));
	print_roots(&out, runner);
	print_line(&out, "heartbeat",
	    ui_ago(reply_str(runner, "lastHeartbeat", NULL), ago));
	ui_print(&out);
}

/* Its last jobs: what it opened. */
static int read_history(struct client *c, const struct ctx *ctx,
    const char *runner_id, json_t **ret, struct err *err)
{
	char target[128];

	snprintf(target, sizeof(target), "/api/jobs?limit=5&runnerId=%.40s",
	    runner_id);
	return client_get(c, ctx, target, ret, err);
}

static void print_history(const json_t *jobs)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};
	const json_t *job;
	char ago[32];
	size_t i;

	json_array_foreach(jobs, i, job)
	{
		CLEANUP(mem_free) char *line = mem_printf("%s  %s  %s",
		    reply_str(job, "id", "?"), reply_str(job, "status", "?"),
		    ui_ago(reply_str(job, "createdAt", NULL), ago));

		print_line(&out, i == 0 ? "last jobs" : "", line);
	}
	ui_print(&out);
}

static int show_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *runner = NULL;
	CLEANUP(json_decref) json_t *jobs = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_runner_show, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    runner_find(c, &v.ctx, args_operand(&v.args, 0), &runner, &err) <
		0 ||
	    read_history(c, &v.ctx, reply_str(runner, "id", ""), &jobs, &err) <
		0)
		return command_fail(&err);
	if (v.json) {
		reply_print(runner, false);
	} else {
		print_runner(runner);
		print_history(jobs);
	}
	return EXIT_OK;
}

const struct command command_runner_show = {
    .name = "runner show",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "show a runner: what it may mount, its job, its last jobs",
    .run = show_run,
};
