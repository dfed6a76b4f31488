/*
 * `queue`: how the queue stands, and pause, resume, drain. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/ui.h"

static const char *mode_of(const json_t *q)
{
	if (json_is_true(json_object_get(q, "draining")))
		return "draining: nothing starts, new jobs are refused";
	if (json_is_true(json_object_get(q, "paused")))
		return "paused: nothing starts, new jobs wait";
	return "open";
}

static void print_mode(const json_t *q)
{
	char ago[32];
	bool open = !json_is_true(json_object_get(q, "paused"));

	printf(
	    "%s%s%s", ui_on(open ? UI_GREEN : UI_YELLOW), mode_of(q), ui_off());
	if (!open)
		printf(" (since %s)", ui_ago(reply_str(q, "since", NULL), ago));
	printf("\n%lld of %lld slots in use, %lld waiting",
	    (long long)reply_int(q, "running", 0),
	    (long long)reply_int(q, "capacity", 0),
	    (long long)reply_int(q, "waiting", 0));
	if (reply_int(q, "waiting", 0) > 0)
		printf(", the longest for %s",
		    ui_duration(
			(double)reply_int(q, "oldestWaitSeconds", 0) * 1e3,
			ago));
	printf("\n");
	fflush(stdout);
}

static void print_count(struct ui_table *t, const json_t *one, const char *key)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)reply_int(one, key, 0));
	ui_table_cell(t, UI_PLAIN, text);
}

static void print_repositories(const json_t *list)
{
	struct ui_table t;
	const json_t *one;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	ui_table_init(&t, 3);
	ui_table_cell(&t, UI_BOLD, "REPOSITORY");
	ui_table_cell(&t, UI_BOLD, "WAITING");
	ui_table_cell(&t, UI_BOLD, "RUNNING");
	json_array_foreach(list, i, one)
	{
		ui_table_cell(&t, UI_PLAIN, reply_str(one, "repository", "?"));
		print_count(&t, one, "waiting");
		print_count(&t, one, "running");
	}
	ui_table_print(&t);
	ui_table_fini(&t);
}

/* The call behind a word of the command line. */
static int ask(struct client *c, const struct invocation *v, const char *word,
    json_t **ret, struct err *err)
{
	static const char *const changes[] = {"pause", "resume", "drain"};
	char target[32];

	if (strcmp(word, "status") == 0)
		return client_call(
		    c, &v->ctx, "GET", "/api/queue", NULL, ret, err);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		if (strcmp(word, changes[i]) == 0) {
			snprintf(target, sizeof(target), "/api/queue/%s", word);
			return client_call(
			    c, &v->ctx, "POST", target, NULL, ret, err);
		}
	return err_set(err, ERR_INVALID, "usage",
	    "expected status, pause, resume or drain, got \"%.40s\"", word);
}

static int queue_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	const char *word;
	int rc;

	if (!invocation_begin(&v, &command_queue, argc, argv, &rc))
		return rc;
	word = args_operand(&v.args, 0);
	if (command_client(&c, v.o, &err) < 0 ||
	    ask(c, &v, word != NULL ? word : "status", &reply, &err) < 0)
		return strcmp(err.code, "usage") == 0
			   ? command_usage_error(&command_queue, &err)
			   : command_fail(&err);
	if (v.json) {
		reply_print(json_object_get(reply, "data"), false);
		return EXIT_OK;
	}
	print_mode(json_object_get(reply, "data"));
	print_repositories(
	    json_object_get(json_object_get(reply, "data"), "byRepository"));
	return EXIT_OK;
}

const struct command command_queue = {
    .name = "queue",
    .operands = "[ACTION]",
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "what waits; pause, resume or drain it",
    .details =
	"Without an action, or with status: how the queue stands. pause: what "
	"waits stays, new jobs are accepted and wait as well. drain: new jobs "
	"are refused, too, as before the hub is taken away. Both leave alone "
	"what runs, outlive a restart of the hub, and end with resume.",
    .words = "status pause resume drain",
    .run = queue_run,
};
