/*
 * The `webhook` commands. An address may hold credentials, so unless it is
 * given as an option it comes as secrets do (hidden.h). Main thread.
 */
#include "cmd/webhook.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "cmd/client.h"
#include "cmd/hidden.h"
#include "cmd/ui.h"

/* -- which one --------------------------------------------------------- */

/* The id of the one of that name or id; mem_free. NULL: err says so. */
static char *id_of(
    struct client *c, const struct ctx *ctx, const char *named, struct err *err)
{
	CLEANUP(json_decref) json_t *all = NULL;
	const json_t *one;
	size_t i;

	if (client_get(c, ctx, "/api/webhooks", &all, err) < 0)
		return NULL;
	json_array_foreach(all, i, one)
	{
		const char *id = reply_str(one, "id", "");

		if (strcmp(id, named) == 0 ||
		    strcmp(reply_str(one, "name", ""), named) == 0)
			return mem_strdup(id);
	}
	IGNORE(err_set(err, ERR_NOT_FOUND, NULL,
	    "there is no webhook %.64s (`runnerhub webhook list` shows all)",
	    named));
	return NULL;
}

/* Opens a client and asks `method` of /api/webhooks/ID and what follows. */
static int ask(const struct invocation *v, const char *method, const char *rest,
    json_t **ret, struct err *err)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(mem_free) char *id = NULL;
	CLEANUP(mem_free) char *path = NULL;

	TRY(command_client(&c, v->o, err));
	id = id_of(c, &v->ctx, args_operand(&v->args, 0), err);
	if (id == NULL)
		return -1;
	path = mem_printf("/api/webhooks/%s%s", id, rest);
	if (strcmp(method, "GET") == 0)
		return client_get(c, &v->ctx, path, ret, err);
	return client_call(c, &v->ctx, method, path, NULL, ret, err);
}

/* -- add --------------------------------------------------------------- */

static void put(json_t *body, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(body, key, json_string(value));
}

static json_t *events_of(const char *csv)
{
	json_t *list = json_array();

	for (;; csv++) {
		size_t n = strcspn(csv, ",");

		json_array_append_new(list, json_stringn(csv, n));
		csv += n;
		if (*csv == '\0')
			return list;
	}
}

static int take_url(const struct args *args, json_t *body, struct err *err)
{
	CLEANUP(hidden_wipe) struct hidden url = {.len = 0};
	const char *given = args_get(args, "to");
	json_t *text;

	if (given != NULL) {
		put(body, "url", given);
		return 0;
	}
	TRY(hidden_take("the webhook's address", "Address",
	    args_get(args, "file"), &url, err));
	text = json_stringn(url.bytes, url.len);
	if (text == NULL)
		return err_set(err, ERR_INVALID, NULL,
		    "the webhook's address is no UTF-8 text");
	json_object_set_new(body, "url", text);
	return 0;
}

static int add(const struct invocation *v, json_t **ret, struct err *err)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *body = json_object();
	const char *events = args_get(&v->args, "events");

	TRY(take_url(&v->args, body, err));
	put(body, "name", args_operand(&v->args, 0));
	put(body, "format", args_get(&v->args, "format"));
	put(body, "repository", args_get(&v->args, "repository"));
	if (events != NULL)
		json_object_set_new(body, "events", events_of(events));
	TRY(command_client(&c, v->o, err));
	return client_call(c, &v->ctx, "POST", "/api/webhooks", body, ret, err);
}

static int add_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	const json_t *data;
	const char *secret;
	int rc;

	if (!invocation_begin(&v, &command_webhook_add, argc, argv, &rc))
		return rc;
	if (add(&v, &reply, &err) < 0)
		return command_fail(&err);
	data = json_object_get(reply, "data");
	secret = reply_str(data, "secret", NULL);
	if (v.json)
		reply_print(data, false);
	else if (secret != NULL)
		printf("Its deliveries are signed with this secret, which is "
		       "not shown again:\n%s\n",
		    secret);
	return EXIT_OK;
}

static const struct command_option add_options[] = {
    {"to", 0, "ADDRESS", "where it goes, if that is no secret", NULL},
    {"file", 'F', "FILE", "holds the address, - for standard input", NULL},
    {"format", 0, "FORMAT", "generic (if not given) or slack", "generic slack"},
    {"events", 0, "LIST", "job.failed,runner.*: all if not given", NULL},
    {"repository", 0, "REPO", "only events of owner/repo, or of owner/*", NULL},
    {0},
};

const struct command command_webhook_add = {
    .name = "webhook add",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "tell an address of events",
    .details = "An address that holds credentials, as Slack's do, is read from "
	       "a pipe or a file, or asked for and not shown.",
    .options = add_options,
    .run = add_run,
};

/* -- tables ------------------------------------------------------------ */

static void head(struct ui_table *t, const char *const *heads, size_t n)
{
	ui_table_init(t, n);
	for (size_t i = 0; i < n; i++)
		ui_table_cell(t, UI_BOLD, heads[i]);
}

static void number(struct ui_table *t, const json_t *row, const char *key)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)reply_int(row, key, 0));
	ui_table_cell(t, UI_PLAIN, text);
}

static const char *state_of(const json_t *one)
{
	if (!json_is_true(json_object_get(one, "enabled")))
		return "disabled";
	return strcmp(reply_str(one, "circuit", ""), "closed") == 0 ? "good"
								    : "fails";
}

static void print_list(const json_t *all)
{
	static const char *const heads[] = {"NAME", "TO", "FORMAT", "STATE",
	    "WAITING", "DELIVERED", "FAILED", "DROPPED"};
	struct ui_table t;
	const json_t *one;
	size_t i;

	head(&t, heads, ARRAY_LEN(heads));
	json_array_foreach(all, i, one)
	{
		const char *state = state_of(one);

		ui_table_cell(&t, UI_PLAIN, reply_str(one, "name", "?"));
		ui_table_cell(&t, UI_PLAIN, reply_str(one, "origin", "?"));
		ui_table_cell(&t, UI_DIM, reply_str(one, "format", "?"));
		ui_table_cell(
		    &t, strcmp(state, "fails") == 0 ? UI_RED : UI_PLAIN, state);
		number(&t, one, "waiting");
		number(&t, one, "delivered");
		number(&t, one, "failed");
		number(&t, one, "dropped");
	}
	ui_table_print(&t);
	ui_table_fini(&t);
}

static int list_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *all = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_webhook_list, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    client_get(c, &v.ctx, "/api/webhooks", &all, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(all, false);
	else
		print_list(all);
	return EXIT_OK;
}

const struct command command_webhook_list = {
    .name = "webhook list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "whom the hub tells of events, and does it get through",
    .run = list_run,
};

static void print_deliveries(const json_t *all)
{
	static const char *const heads[] = {
	    "ID", "EVENT", "WHEN", "STATE", "TRIES", "STATUS", "ERROR"};
	struct ui_table t;
	const json_t *one;
	char ago[32];
	size_t i;

	head(&t, heads, ARRAY_LEN(heads));
	json_array_foreach(all, i, one)
	{
		const char *state = reply_str(one, "state", "?");

		ui_table_cell(&t, UI_DIM, reply_str(one, "id", "?"));
		ui_table_cell(&t, UI_PLAIN, reply_str(one, "event", "?"));
		ui_table_cell(
		    &t, UI_DIM, ui_ago(reply_str(one, "createdAt", NULL), ago));
		ui_table_cell(&t,
		    strcmp(state, "failed") == 0 ? UI_RED : UI_PLAIN, state);
		number(&t, one, "attempts");
		number(&t, one, "status");
		ui_table_cell(&t, UI_PLAIN, reply_str(one, "error", "-"));
	}
	ui_table_print(&t);
	ui_table_fini(&t);
}

static int deliveries_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(json_decref) json_t *all = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_webhook_deliveries, argc, argv, &rc))
		return rc;
	if (ask(&v, "GET", "/deliveries?limit=100", &all, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(all, false);
	else
		print_deliveries(all);
	return EXIT_OK;
}

const struct command command_webhook_deliveries = {
    .name = "webhook deliveries",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "what was sent to a webhook, and what waits",
    .run = deliveries_run,
};

/* -- test and remove --------------------------------------------------- */

static int test_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	const json_t *data;
	bool good;
	int rc;

	if (!invocation_begin(&v, &command_webhook_test, argc, argv, &rc))
		return rc;
	if (ask(&v, "POST", "/test", &reply, &err) < 0)
		return command_fail(&err);
	data = json_object_get(reply, "data");
	good = json_is_true(json_object_get(data, "delivered"));
	if (v.json)
		reply_print(data, false);
	else if (good)
		printf("It answered with status %lld.\n",
		    (long long)reply_int(data, "status", 0));
	else
		fprintf(stderr, "runnerhub: not delivered: %s\n",
		    reply_str(data, "error", "?"));
	return good ? EXIT_OK : EXIT_FAILED;
}

const struct command command_webhook_test = {
    .name = "webhook test",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "send a test to a webhook now",
    .run = test_run,
};

static int remove_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_webhook_remove, argc, argv, &rc))
		return rc;
	if (ask(&v, "DELETE", "", &reply, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(reply, false);
	return EXIT_OK;
}

const struct command command_webhook_remove = {
    .name = "webhook remove",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "tell an address no more, with what waits for it",
    .run = remove_run,
};
