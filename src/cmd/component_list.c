/*
 * `component list` and `component status`: what can run, what does, and how
 * one is. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/component.h"
#include "net/http_client.h"

static bool is_active(const json_t *instance)
{
	const char *status = reply_str(instance, "status", "");

	return strcmp(status, "stopped") != 0 && strcmp(status, "error") != 0;
}

/* "20123, 20124"; "-": none. */
static void ports_of(const json_t *instance, struct buf *out)
{
	const json_t *ports = json_object_get(instance, "ports"), *port;
	size_t i;

	json_array_foreach(ports, i, port) IGNORE(buf_printf(out, "%s%lld",
	    i > 0 ? ", " : "", (long long)json_integer_value(port)));
	if (out->len == 0)
		IGNORE(buf_append_char(out, '-'));
}

/* -- what can run ------------------------------------------------------ */

/* The newest, which the list has last. */
static json_t *newest_of(const json_t *instances, const char *ref)
{
	json_t *one, *newest = NULL;
	size_t i;

	json_array_foreach(instances, i, one) if (component_is_ref(one, ref))
	    newest = one;
	return newest;
}

/* What the hub's catalog says that is wrong, as editors can follow. */
static void warn_of_problems(const json_t *page)
{
	const json_t *problem;
	char file[300], text[500];
	size_t i;

	json_array_foreach(json_object_get(page, "problems"), i, problem)
	{
		int64_t line = reply_int(problem, "line", 0);
		int64_t column = reply_int(problem, "column", 0);

		fputs("runnerhub: ", stderr);
		fputs(ui_clean(
			  reply_str(problem, "file", "?"), file, sizeof(file)),
		    stderr);
		if (line > 0)
			fprintf(stderr, ":%lld", (long long)line);
		if (line > 0 && column > 0)
			fprintf(stderr, ":%lld", (long long)column);
		fprintf(stderr, ": %s\n",
		    ui_clean(
			reply_str(problem, "text", "?"), text, sizeof(text)));
	}
}

/* The page behind cursor (NULL: the first). */
static int read_page(struct client *c, const struct invocation *v,
    const char *cursor, json_t **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf suffix = {.max = 64 * 1024};
	CLEANUP(mem_free) char *target = NULL;

	IGNORE(buf_append_str(&suffix, "/components"));
	if (cursor != NULL) {
		IGNORE(buf_append_str(&suffix, "?cursor="));
		http_encode(&suffix, cursor);
	}
	target = component_target(v->o, buf_str(&suffix));
	return client_call(c, &v->ctx, "GET", target, NULL, ret, err);
}

/* All pages; the caller's. */
static int read_catalog(
    struct client *c, const struct invocation *v, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *page = NULL;

	TRY(read_page(c, v, NULL, &page, err));
	warn_of_problems(page); /* every page has them */
	*ret = json_array();
	for (;;) {
		CLEANUP(json_decref) json_t *last = NULL;
		const char *cursor = reply_str(page, "nextCursor", NULL);

		json_array_extend(*ret, json_object_get(page, "items"));
		if (cursor == NULL)
			return 0;
		last = STEAL(page);
		TRY(read_page(c, v, cursor, &page, err));
	}
}

/* The components, each with its newest instance; the caller's. */
static int read_components(
    struct client *c, const struct invocation *v, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *instances = NULL;
	json_t *item, *newest;
	size_t i;

	TRY(read_catalog(c, v, ret, err));
	TRY(component_read_instances(c, &v->ctx, v->o, &instances, err));
	json_array_foreach(*ret, i, item)
	{
		newest =
		    newest_of(instances, reply_str(item, "componentRef", ""));
		if (newest != NULL)
			json_object_set(item, "instance", newest);
	}
	return 0;
}

static void add_component(struct ui_table *t, const json_t *component)
{
	CLEANUP(buf_fini) struct buf ports = {.max = 64 * 1024};
	const json_t *instance = json_object_get(component, "instance");
	const char *status = reply_str(instance, "status", "-");
	const char *about = reply_str(
	    component, "description", reply_str(component, "title", "-"));

	if (instance != NULL && is_active(instance))
		ports_of(instance, &ports);
	ui_table_cell(t, UI_BOLD, reply_str(component, "componentRef", "?"));
	ui_table_cell(t, component_style(status), status);
	ui_table_cell(t, UI_PLAIN, ports.len > 0 ? buf_str(&ports) : "-");
	ui_table_cell(t, UI_PLAIN, reply_str(component, "owner", "-"));
	ui_table_cell(t, UI_DIM, about);
}

static void print_components(const json_t *components)
{
	static const char *const heads[] = {
	    "COMPONENT", "STATUS", "PORTS", "OWNER", "DESCRIPTION"};
	struct ui_table t;
	const json_t *one;
	size_t i;

	ui_table_init(&t, ARRAY_LEN(heads));
	for (i = 0; i < ARRAY_LEN(heads); i++)
		ui_table_cell(&t, UI_BOLD, heads[i]);
	json_array_foreach(components, i, one) add_component(&t, one);
	ui_table_print(&t);
	ui_table_fini(&t);
	if (json_array_size(components) == 0)
		fputs("The catalog has no component that can be run: see "
		      "RUNNERHUB_CATALOG in docs/COMPONENTS.md\n",
		    stderr);
}

static int list_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *components = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_component_list, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    read_components(c, &v, &components, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(components, false);
	else
		print_components(components);
	return EXIT_OK;
}

const struct command command_component_list = {
    .name = "component list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "list components that can be run, and what runs",
    .run = list_run,
};

/* -- instances --------------------------------------------------------- */

static void add_instance(struct ui_table *t, const json_t *instance)
{
	CLEANUP(buf_fini) struct buf ports = {.max = 64 * 1024};
	const char *status = reply_str(instance, "status", "?");
	char ago[32];

	ports_of(instance, &ports);
	ui_table_cell(t, UI_PLAIN, reply_str(instance, "id", "?"));
	ui_table_cell(t, UI_BOLD, reply_str(instance, "componentRef", "?"));
	ui_table_cell(t, component_style(status), status);
	ui_table_cell(t, UI_PLAIN, buf_str(&ports));
	ui_table_cell(
	    t, UI_DIM, ui_ago(reply_str(instance, "startedAt", NULL), ago));
}

/* Newest first, as people look for the last. */
static void print_instances(const json_t *instances)
{
	static const char *const heads[] = {
	    "ID", "COMPONENT", "STATUS", "PORTS", "STARTED"};
	struct ui_table t;

	ui_table_init(&t, ARRAY_LEN(heads));
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		ui_table_cell(&t, UI_BOLD, heads[i]);
	for (size_t i = json_array_size(instances); i > 0; i--)
		add_instance(&t, json_array_get(instances, i - 1));
	ui_table_print(&t);
	ui_table_fini(&t);
}

/* Those that have not ended, unless all are wished for. */
static int read_instances(
    struct client *c, const struct invocation *v, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *all = NULL;
	json_t *one;
	size_t i;

	TRY(component_read_instances(c, &v->ctx, v->o, &all, err));
	*ret = json_array();
	json_array_foreach(
	    all, i, one) if (args_has(&v->args, "all") || is_active(one))
	    json_array_append(*ret, one);
	return 0;
}

/* -- one instance ------------------------------------------------------ */

static void print_line(struct buf *out, const char *name, const char *value)
{
	char clean[800];

	if (value != NULL)
		IGNORE(buf_printf(out, "  %-12s %s\n", name,
		    ui_clean(value, clean, sizeof(clean))));
}

/* "2 min ago (2026-01-31T12:00:00.000Z)" */
static void print_time(struct buf *out, const char *name, const char *iso)
{
	char ago[32];
	CLEANUP(mem_free)
	char *line =
	    iso != NULL ? mem_printf("%s (%s)", ui_ago(iso, ago), iso) : NULL;

	print_line(out, name, line);
}

/* Where it stands, or where it failed. */
static void print_step(struct buf *out, const json_t *instance)
{
	const json_t *progress =
	    json_object_get(instance, "deploymentProgress");
	const char *current = reply_str(progress, "currentStep", "");
	const json_t *step;
	size_t i;

	if (strcmp(reply_str(instance, "status", ""), "running") == 0)
		return;
	json_array_foreach(json_object_get(progress, "steps"), i, step)
	{
		CLEANUP(mem_free) char *line = NULL;
		const char *status = reply_str(step, "status", "");

		if (strcmp(reply_str(step, "type", ""), current) != 0 ||
		    strcmp(status, "completed") == 0)
			continue;
		line = mem_printf("%s (%s)", reply_str(step, "title", "?"),
		    strcmp(status, "in_progress") == 0 ? "in progress"
						       : status);
		print_line(out, "step", line);
	}
}

static void print_end(struct buf *out, const json_t *instance)
{
	const json_t *code = json_object_get(instance, "exitCode");
	const char *sig = reply_str(instance, "signal", NULL);
	char number[64];

	print_time(out, "ended", reply_str(instance, "stoppedAt", NULL));
	print_line(out, "error", reply_str(instance, "error", NULL));
	if (json_is_integer(code)) {
		if (json_is_true(json_object_get(instance, "outOfMemory")))
			sig = "out of memory";
		snprintf(number, sizeof(number), "%lld%s%.30s%s",
		    (long long)json_integer_value(code),
		    sig != NULL ? " (" : "", sig != NULL ? sig : "",
		    sig != NULL ? ")" : "");
		print_line(out, "exit code", number);
	}
}

/* What a running one uses and how its checks go; what the hub cannot tell is
 * left out. */
static void print_figures(struct client *c, const struct invocation *v,
    const char *id, struct buf *out)
{
	CLEANUP(mem_free)
	char *health_target = component_instance_target(v->o, id, "/health");
	CLEANUP(mem_free)
	char *stats_target = component_instance_target(v->o, id, "/stats");
	CLEANUP(json_decref) json_t *health = NULL;
	CLEANUP(json_decref) json_t *stats = NULL;
	struct err err = ERR_INIT;
	const json_t *figures;

	if (client_call(
		c, &v->ctx, "GET", health_target, NULL, &health, &err) == 0)
		print_line(out, "health",
		    reply_str(
			json_object_get(health, "health"), "status", NULL));
	err_clear(&err);
	if (client_call(c, &v->ctx, "GET", stats_target, NULL, &stats, &err) <
	    0)
		return;
	figures = json_object_get(stats, "stats");
	print_line(out, "CPU", reply_str(figures, "CPUPerc", NULL));
	print_line(out, "memory", reply_str(figures, "MemUsage", NULL));
}

static void print_instance(
    struct client *c, const struct invocation *v, const json_t *instance)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};
	const char *id = reply_str(instance, "id", "");
	char clean[300];

	IGNORE(buf_printf(&out, "%s%s%s\n", ui_on(UI_BOLD),
	    ui_clean(
		reply_str(instance, "componentRef", "?"), clean, sizeof(clean)),
	    ui_off()));
	print_line(&out, "status", reply_str(instance, "status", NULL));
	print_step(&out, instance);
	print_end(&out, instance);
	if (is_active(instance))
		component_links(c, instance, "  address      ", &out);
	print_time(&out, "started", reply_str(instance, "startedAt", NULL));
	print_line(&out, "owner", reply_str(instance, "owner", NULL));
	print_line(&out, "started by", reply_str(instance, "startedBy", NULL));
	if (strcmp(reply_str(instance, "status", ""), "running") == 0)
		print_figures(c, v, id, &out);
	print_line(&out, "id", id);
	print_line(&out, "container", reply_str(instance, "containerId", NULL));
	ui_print(&out);
}

static int status(struct client *c, const struct invocation *v, struct err *err)
{
	CLEANUP(json_decref) json_t *found = NULL;
	const char *which = args_operand(&v->args, 0);

	if (which == NULL)
		TRY(read_instances(c, v, &found, err));
	else
		TRY(component_find(c, &v->ctx, v->o, which, &found, err));
	if (v->json)
		reply_print(found, false);
	else if (which == NULL)
		print_instances(found);
	else
		print_instance(c, v, found);
	return 0;
}

static int status_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_component_status, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 || status(c, &v, &err) < 0)
		return command_fail(&err);
	return EXIT_OK;
}

static const struct command_option status_options[] = {
    {"all", 'a', NULL, "also instances that have ended", NULL},
    {0},
};

const struct command command_component_status = {
    .name = "component status",
    .operands = "[ID|REF]",
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "what runs, or how one instance is",
    .details = "Without an operand, the instances that have not ended, newest "
	       "first. REF means the newest instance of a component.",
    .options = status_options,
    .run = status_run,
};
