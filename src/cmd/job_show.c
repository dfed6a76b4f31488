/*
 * `job show` and `job cancel`: one job, all that is known of it. Main
 * thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/job.h"
#include "cmd/ui.h"

#define TEXT_MAX 400

static void print_field(
    struct buf *out, const char *name, enum ui_style style, const char *value)
{
	char clean[TEXT_MAX];

	if (value == NULL || *value == '\0')
		return;
	IGNORE(buf_printf(out, "  %-12s %s%s%s\n", name, ui_on(style),
	    ui_clean(value, clean, sizeof(clean)),
	    style != UI_PLAIN ? ui_off() : ""));
}

static void print_labels(struct buf *out, const json_t *labels)
{
	CLEANUP(buf_fini) struct buf b = {.max = 64 * 1024};
	const json_t *label;
	size_t i;

	json_array_foreach(labels, i, label) if (json_is_string(label))
	    IGNORE(buf_printf(
		&b, "%s%s", i > 0 ? ", " : "", json_string_value(label)));
	print_field(out, "labels", UI_PLAIN, buf_str(&b));
}

static void print_status(struct buf *out, const json_t *job)
{
	const json_t *waiting = json_object_get(job, "waiting");
	const char *status = reply_str(job, "status", "?");
	char text[TEXT_MAX];

	print_field(out, "status", ui_status_style(status), status);
	if (json_is_object(waiting)) {
		snprintf(text, sizeof(text), "%s (%s)",
		    reply_str(waiting, "reason", "?"),
		    reply_str(waiting, "code", "?"));
		print_field(out, "waits for", UI_YELLOW, text);
	}
	if (json_is_integer(json_object_get(job, "exitCode"))) {
		snprintf(text, sizeof(text), "%lld",
		    (long long)reply_int(job, "exitCode", 0));
		print_field(out, "exit code", UI_PLAIN, text);
	}
	print_field(out, "error", UI_RED, reply_str(job, "error", NULL));
}

static void print_identity(struct buf *out, const json_t *job)
{
	static const struct {
		const char *name, *key;
	} fields[] = {{"repository", "repository"}, {"workflow", "workflow"},
	    {"run", "runId"}, {"job", "jobId"}, {"proxy", "runnerName"},
	    {"image", "image"}, {"container", "containerId"},
	    {"inside of", "parentId"}};
	char text[32];

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		print_field(out, fields[i].name, UI_PLAIN,
		    reply_str(job, fields[i].key, NULL));
	if (json_is_integer(json_object_get(job, "attempt"))) {
		snprintf(text, sizeof(text), "%lld",
		    (long long)reply_int(job, "attempt", 1));
		print_field(out, "attempt", UI_PLAIN, text);
	}
	if (json_is_integer(json_object_get(job, "priority"))) {
		snprintf(text, sizeof(text), "%lld",
		    (long long)reply_int(job, "priority", 50));
		print_field(out, "priority", UI_PLAIN, text);
	}
	print_labels(out, json_object_get(job, "labels"));
}

/* "db, postgres, svc0: postgres:16". */
static void print_service(struct buf *out, const json_t *service, bool first)
{
	CLEANUP(buf_fini) struct buf b = {.max = 64 * 1024};
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(service, "names"), i, name)
	    IGNORE(buf_printf(&b, "%s%s", i > 0 ? ", " : "",
		json_is_string(name) ? json_string_value(name) : "?"));
	IGNORE(buf_printf(&b, ": %s", reply_str(service, "image", "?")));
	print_field(out, first ? "services" : "", UI_PLAIN, buf_str(&b));
}

static void print_session(struct buf *out, const json_t *job)
{
	const json_t *session = json_object_get(job, "session"), *service;
	size_t i;

	print_field(
	    out, "network", UI_PLAIN, reply_str(session, "network", NULL));
	json_array_foreach(json_object_get(session, "services"), i, service)
	    print_service(out, service, i == 0);
	if (strcmp(reply_str(job, "status", ""), "running") == 0)
		print_field(out, "lease until", UI_PLAIN,
		    reply_str(session, "leaseUntil", NULL));
}

static void print_step(struct ui_table *t, const json_t *step, size_t number)
{
	const json_t *code = json_object_get(step, "exitCode");
	const json_t *ms = json_object_get(step, "durationMs");
	const char *status = reply_str(step, "status", "-");
	/* of a plain failure the exit code says it all */
	const char *error =
	    strcmp(reply_str(step, "code", ""), "step_failed") != 0
		? reply_str(step, "error", NULL)
		: NULL;
	char n[24], exit[24] = "-", took[32] = "-", name[256];

	snprintf(n, sizeof(n), "  %zu", number);
	if (json_is_integer(code))
		snprintf(exit, sizeof(exit), "%lld",
		    (long long)json_integer_value(code));
	if (json_is_number(ms))
		ui_duration(json_number_value(ms), took);
	ui_table_cell(t, UI_PLAIN, n);
	ui_table_cell(t, ui_status_style(status), status);
	ui_table_cell(t, UI_PLAIN, exit);
	ui_table_cell(t, UI_PLAIN, took);
	snprintf(name, sizeof(name), "%s%s%s", reply_str(step, "name", "-"),
	    error != NULL ? ": " : "", error != NULL ? error : "");
	ui_table_cell(t, UI_PLAIN, name);
}

static void print_steps(const json_t *job)
{
	static const char *const heads[] = {
	    "  STEP", "STATUS", "EXIT", "TIME", "NAME"};
	const json_t *steps = json_object_get(job, "steps"), *step;
	struct ui_table t;
	size_t i;

	if (json_array_size(steps) == 0)
		return;
	ui_write("\n", 1);
	ui_table_init(&t, ARRAY_LEN(heads));
	for (i = 0; i < ARRAY_LEN(heads); i++)
		ui_table_cell(&t, UI_BOLD, heads[i]);
	json_array_foreach(steps, i, step) print_step(&t, step, i + 1);
	ui_table_print(&t);
	ui_table_fini(&t);
}

/* Each moment of its life. */
static void print_phases(struct buf *out, const json_t *job)
{
	static const struct {
		const char *key, *words;
	} phases[] = {{"queued", "queued"}, {"assigned", "taken by a worker"},
	    {"created", "container created"}, {"started", "container ready"},
	    {"firstOutput", "first output"}, {"ended", "last step ended"},
	    {"removed", "container removed"}};
	const json_t *times = json_object_get(job, "phases");
	char clean[40];

	if (!json_is_object(times))
		return;
	IGNORE(buf_printf(out, "\n  %sTIME%s\n", ui_on(UI_BOLD), ui_off()));
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		const char *iso = reply_str(times, phases[i].key, NULL);

		if (iso == NULL)
			continue;
		IGNORE(buf_printf(out, "  %s  %s\n",
		    ui_clean(iso, clean, sizeof(clean)), phases[i].words));
	}
}

static void print_durations(struct buf *out, const json_t *job)
{
	static const struct {
		const char *key, *words;
	} spans[] = {{"queuedMs", "waited in the queue"},
	    {"preparedMs", "sandbox made ready"},
	    {"firstOutputMs", "until the first output"}, {"ranMs", "ran"},
	    {"removedMs", "sandbox removed"}, {"totalMs", "all together"}};
	const json_t *durations = json_object_get(job, "durations");
	char took[32];

	if (!json_is_object(durations))
		return;
	IGNORE(buf_printf(out, "\n  %sDURATION%s\n", ui_on(UI_BOLD), ui_off()));
	for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
		const json_t *ms = json_object_get(durations, spans[i].key);

		if (json_is_number(ms))
			IGNORE(buf_printf(out, "  %-24s  %s\n", spans[i].words,
			    ui_duration(json_number_value(ms), took)));
	}
}

static void print_job(const json_t *job)
{
	CLEANUP(buf_fini) struct buf head = {.max = 1 << 20};
	CLEANUP(buf_fini) struct buf tail = {.max = 1 << 20};
	char id[80];

	IGNORE(buf_printf(&head, "%sJob %s%s\n", ui_on(UI_BOLD),
	    ui_clean(reply_str(job, "id", "?"), id, sizeof(id)), ui_off()));
	print_status(&head, job);
	print_identity(&head, job);
	print_session(&head, job);
	ui_print(&head);
	print_steps(job);
	print_phases(&tail, job);
	print_durations(&tail, job);
	ui_print(&tail);
}

/* -- sessions opened inside of this one -------------------------------- */

static void print_inside(const json_t *children)
{
	static const char *const heads[] = {"  INSIDE", "STATUS", "JOB"};
	const json_t *child;
	struct ui_table t;
	size_t i;

	if (json_array_size(children) == 0)
		return;
	ui_write("\n", 1);
	ui_table_init(&t, ARRAY_LEN(heads));
	for (i = 0; i < ARRAY_LEN(heads); i++)
		ui_table_cell(&t, UI_BOLD, heads[i]);
	json_array_foreach(children, i, child)
	{
		CLEANUP(mem_free)
		char *id = mem_printf("  %s", reply_str(child, "id", "?"));
		const char *status = reply_str(child, "status", "?");

		ui_table_cell(&t, UI_PLAIN, id);
		ui_table_cell(&t, ui_status_style(status), status);
		ui_table_cell(&t, UI_PLAIN, reply_str(child, "jobId", "?"));
	}
	ui_table_print(&t);
	ui_table_fini(&t);
}

static int read_inside(struct client *c, const struct ctx *ctx,
    const json_t *job, json_t **ret, struct err *err)
{
	char target[128];

	if (!json_is_object(json_object_get(job, "session")))
		return 0; /* it has steps of its own */
	snprintf(target, sizeof(target), "/api/jobs?limit=100&parentId=%.40s",
	    reply_str(job, "id", ""));
	return client_get(c, ctx, target, ret, err);
}

static int show_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *job = NULL, *inside = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_job_show, argc, argv, &rc))
		return rc;
	path = client_job_path(args_operand(&v.args, 0), "");
	if (command_client(&c, v.o, &err) < 0 ||
	    client_get(c, &v.ctx, path, &job, &err) < 0 ||
	    (!v.json && read_inside(c, &v.ctx, job, &inside, &err) < 0))
		return command_fail(&err);
	if (v.json) {
		reply_print(job, false);
		return EXIT_OK;
	}
	print_job(job);
	print_inside(inside);
	return EXIT_OK;
}

const struct command command_job_show = {
    .name = "job show",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "show a job: status, why it waits, steps, times",
    .run = show_run,
};

static int cancel_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_job_cancel, argc, argv, &rc))
		return rc;
	path = client_job_path(args_operand(&v.args, 0), "/cancel");
	if (command_client(&c, v.o, &err) < 0 ||
	    client_call(c, &v.ctx, "POST", path, NULL, &reply, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(reply, false);
	else
		printf("Cancel asked for. See how it ends: runnerhub job wait "
		       "%.80s\n",
		    args_operand(&v.args, 0));
	return EXIT_OK;
}

const struct command command_job_cancel = {
    .name = "job cancel",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "cancel a job",
    .details = "A job that waits ends at once, one that runs within its "
	       "grace time. Cancelling a job that has ended changes nothing.",
    .run = cancel_run,
};
