/* `job list`: newest first, one page. Main thread. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/job.h"
#include "cmd/ui.h"
#include "net/http_client.h"

/* The filters are query parameters of the same meaning. */
static const struct {
	const char *flag, *param;
} filters[] = {{"repo", "repository"}, {"status", "status"},
    {"since", "startDate"}, {"until", "endDate"}, {"page", "page"},
    {"limit", "limit"}};

static void build_target(const struct args *a, struct buf *out)
{
	char sep = '?';

	IGNORE(buf_append_str(out, "/api/jobs"));
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const char *value = args_get(a, filters[i].flag);

		if (value == NULL)
			continue;
		IGNORE(buf_printf(out, "%c%s=", sep, filters[i].param));
		http_encode(out, value);
		sep = '&';
	}
}

/* From its container's start to its end, or until now. */
static const char *run_time(const json_t *job, char out[32])
{
	const char *from = reply_str(job, "startedAt", NULL);
	const char *to = reply_str(job, "completedAt", NULL);
	int64_t a, b = clock_wall_ns();

	if (from == NULL || clock_parse_iso(from, &a) < 0 ||
	    (to != NULL && clock_parse_iso(to, &b) < 0))
		return "-";
	return ui_duration((double)(b - a) / 1e6, out);
}

static void add_row(struct ui_table *t, const json_t *job)
{
	const char *status = reply_str(job, "status", "?");
	char ago[32], time[32], exit[16] = "-";
	const json_t *code = json_object_get(job, "exitCode");

	if (json_is_integer(code))
		snprintf(
		    exit, sizeof(exit), "%d", (int)json_integer_value(code));
	ui_table_cell(t, UI_PLAIN, reply_str(job, "id", "?"));
	ui_table_cell(t, ui_status_style(status), status);
	ui_table_cell(t, UI_PLAIN, exit);
	ui_table_cell(t, UI_PLAIN, reply_str(job, "repository", "-"));
	ui_table_cell(t, UI_PLAIN, reply_str(job, "jobId", "-"));
	ui_table_cell(t, UI_PLAIN, run_time(job, time));
	ui_table_cell(
	    t, UI_DIM, ui_ago(reply_str(job, "createdAt", NULL), ago));
}

static void print_table(const json_t *jobs)
{
	static const char *const heads[] = {
	    "ID", "STATUS", "EXIT", "REPOSITORY", "JOB", "TIME", "DELEGATED"};
	struct ui_table t;
	const json_t *job;
	size_t i;

	ui_table_init(&t, ARRAY_LEN(heads));
	for (i = 0; i < ARRAY_LEN(heads); i++)
		ui_table_cell(&t, UI_BOLD, heads[i]);
	json_array_foreach(jobs, i, job) add_row(&t, job);
	ui_table_print(&t);
	ui_table_fini(&t);
}

static void say_more(const json_t *reply)
{
	const json_t *p = json_object_get(reply, "pagination");
	int64_t page = reply_int(p, "page", 1);
	int64_t pages = reply_int(p, "totalPages", 1);

	if (pages > page && ui_stderr_is_terminal())
		fprintf(stderr, "page %lld of %lld, %lld jobs; --page %lld\n",
		    (long long)page, (long long)pages,
		    (long long)reply_int(p, "total", 0), (long long)page + 1);
}

static int list_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(buf_fini) struct buf target = {.max = 64 * 1024};
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_job_list, argc, argv, &rc))
		return rc;
	build_target(&v.args, &target);
	if (command_client(&c, v.o, &err) < 0 ||
	    client_call(
		c, &v.ctx, "GET", buf_str(&target), NULL, &reply, &err) < 0)
		return command_fail(&err);
	if (v.json) {
		reply_print(json_object_get(reply, "data"), false);
	} else {
		print_table(json_object_get(reply, "data"));
		say_more(reply);
	}
	return EXIT_OK;
}

static const struct command_option list_options[] = {
    {"repo", 'r', "OWNER/REPO", "only of this repository", NULL},
    {"status", 's', "STATUS", "only in this status",
	"pending queued assigned running completed failed cancelled"},
    {"since", 0, "TIME", "delegated at or after: 2026-01-31[T12:00:00Z]", NULL},
    {"until", 0, "TIME", "delegated before", NULL},
    {"page", 0, "N", "page [1]", NULL},
    {"limit", 'n', "N", "jobs of a page, at most 100 [20]", NULL},
    {0},
};

const struct command command_job_list = {
    .name = "job list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "list jobs, newest first",
    .options = list_options,
    .run = list_run,
};
