/*
 * `container list|stats|logs`: what the hub has on its engine. Main thread.
 */
#include "cmd/container.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/ui.h"
#include "net/http_client.h"

enum { SHORT_ID = 12 };

char *container_path(const char *id, const char *suffix)
{
	struct buf out = {.max = 4096};

	IGNORE(buf_append_str(&out, "/api/containers/"));
	http_encode(&out, id);
	IGNORE(buf_append_str(&out, suffix));
	return buf_steal(&out, NULL);
}

/* GET of the one that is named: its "data" is the caller's. */
static int ask(const struct invocation *v, const char *suffix, json_t **ret,
    struct err *err)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(mem_free)
	char *path = container_path(args_operand(&v->args, 0), suffix);

	TRY(command_client(&c, v->o, err));
	return client_get(c, &v->ctx, path, ret, err);
}

/* -- list -------------------------------------------------------------- */

/* What is in it, by whatever names it best. */
static const char *content_of(const json_t *one)
{
	static const char *const keys[] = {
	    "jobId", "component", "instanceId", "runnerId"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (reply_str(one, keys[i], NULL) != NULL)
			return reply_str(one, keys[i], NULL);
	return "-";
}

static void print_table(const json_t *list)
{
	static const char *const heads[] = {
	    "ID", "KIND", "STATE", "IMAGE", "OF", "CREATED"};
	struct ui_table t;
	const json_t *one;
	char id[SHORT_ID + 1], ago[32];
	size_t i;

	ui_table_init(&t, ARRAY_LEN(heads));
	for (i = 0; i < ARRAY_LEN(heads); i++)
		ui_table_cell(&t, UI_BOLD, heads[i]);
	json_array_foreach(list, i, one)
	{
		snprintf(id, sizeof(id), "%s", reply_str(one, "id", "?"));
		ui_table_cell(&t, UI_PLAIN, id);
		ui_table_cell(&t, UI_PLAIN, reply_str(one, "kind", "?"));
		ui_table_cell(&t, UI_PLAIN, reply_str(one, "state", "?"));
		ui_table_cell(&t, UI_PLAIN, reply_str(one, "image", "?"));
		ui_table_cell(&t, UI_PLAIN, content_of(one));
		ui_table_cell(
		    &t, UI_DIM, ui_ago(reply_str(one, "createdAt", NULL), ago));
	}
	ui_table_print(&t);
	ui_table_fini(&t);
}

static int list_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *list = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_container_list, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    client_get(c, &v.ctx, "/api/containers", &list, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(list, false);
	else
		print_table(list);
	return EXIT_OK;
}

const struct command command_container_list = {
    .name = "container list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "the hub's containers and what is in them",
    .run = list_run,
};

/* -- stats ------------------------------------------------------------- */

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void print_stats(const json_t *s)
{
	const double mib = 1024 * 1024;

	printf("cpu       %.1f s\n", number(s, "cpuSeconds"));
	printf("memory    %.1f of %.0f MiB\n", number(s, "memoryBytes") / mib,
	    number(s, "memoryLimitBytes") / mib);
	printf("processes %.0f\n", number(s, "pids"));
	printf("network   %.1f MiB received, %.1f MiB sent\n",
	    number(s, "receivedBytes") / mib, number(s, "sentBytes") / mib);
	printf("disk      %.1f MiB read, %.1f MiB written\n",
	    number(s, "readBytes") / mib, number(s, "writtenBytes") / mib);
}

static int stats_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(json_decref) json_t *stats = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_container_stats, argc, argv, &rc))
		return rc;
	if (ask(&v, "/stats", &stats, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(stats, false);
	else
		print_stats(stats);
	return EXIT_OK;
}

const struct command command_container_stats = {
    .name = "container stats",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "what a container uses",
    .details = "ID: at least its first 12 digits.",
    .run = stats_run,
};

/* -- logs -------------------------------------------------------------- */

static void print_log(const json_t *data)
{
	struct ui_filter filter = {.state = 0};
	const json_t *text = json_object_get(data, "logs");

	ui_show(ui_stdout_is_terminal() ? &filter : NULL,
	    json_string_value(text), json_string_length(text));
	if (json_is_true(json_object_get(data, "truncated")))
		fprintf(stderr, "runnerhub: only the last MiB is shown\n");
}

static int logs_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(json_decref) json_t *data = NULL;
	CLEANUP(buf_fini) struct buf suffix = {.max = 256};
	struct err err = ERR_INIT;
	const char *tail;
	int rc;

	if (!invocation_begin(&v, &command_container_logs, argc, argv, &rc))
		return rc;
	tail = args_get(&v.args, "tail");
	IGNORE(buf_append_str(&suffix, "/logs"));
	if (tail != NULL) {
		IGNORE(buf_append_str(&suffix, "?tail="));
		http_encode(&suffix, tail);
	}
	if (ask(&v, buf_str(&suffix), &data, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(data, false);
	else
		print_log(data);
	return EXIT_OK;
}

static const struct command_option logs_options[] = {
    {"tail", 'n', "N", "the last N lines [200]", NULL},
    {0},
};

const struct command command_container_logs = {
    .name = "container logs",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "what the engine kept of a container's output",
    .details = "Of services, steps in containers of their own, components and "
	       "proxies; not masked, so for admins. What a job prints is in "
	       "its log: job logs.",
    .options = logs_options,
    .run = logs_run,
};
