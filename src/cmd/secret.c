/*
 * `secret set|list|delete`: what the hub keeps for components and jobs. A value
 * comes from a file, a pipe or a prompt, never from the command line, which
 * everybody on the machine can read. Main thread.
 */
#include "cmd/secret.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "cmd/client.h"
#include "cmd/hidden.h"
#include "cmd/ui.h"
#include "net/http_client.h"

static char *secret_path(const char *name)
{
	struct buf out = {.max = 4096};

	IGNORE(buf_append_str(&out, "/api/secrets/"));
	http_encode(&out, name);
	return buf_steal(&out, NULL);
}

/* -- set --------------------------------------------------------------- */

/* Whom it is for, if that is said. */
static void add_rule(const struct args *a, json_t *body)
{
	const char *use = args_get(a, "use"), *one;
	json_t *list = json_array();

	if (use != NULL)
		json_object_set_new(body, "use", json_string(use));
	for (size_t i = 0; (one = args_nth(a, "repository", i)) != NULL; i++)
		if (strcmp(one, "all") != 0)
			json_array_append_new(list, json_string(one));
	if (args_has(a, "repository"))
		json_object_set(body, "repositories", list);
	json_decref(list);
}

static int put(struct client *c, const struct invocation *inv, const char *name,
    const struct hidden *v, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *body = json_object();
	CLEANUP(mem_free) char *path = secret_path(name);
	json_t *text = json_stringn(v->bytes, v->len);
	int rc;

	if (text == NULL)
		return err_set(err, ERR_INVALID, NULL,
		    "the secret's value is no UTF-8 text: encode it, as with "
		    "base64");
	json_object_set_new(body, "value", text);
	add_rule(&inv->args, body);
	rc = client_call(c, &inv->ctx, "PUT", path, body, ret, err);
	secret_wipe((char *)json_string_value(text), json_string_length(text));
	return rc;
}

static int set_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(hidden_wipe) struct hidden value = {.len = 0};
	CLEANUP(mem_free) char *prompt = NULL;
	struct err err = ERR_INIT;
	const char *name;
	int rc;

	if (!invocation_begin(&v, &command_secret_set, argc, argv, &rc))
		return rc;
	name = args_operand(&v.args, 0);
	prompt = mem_printf("Value of %.128s", name);
	if (command_client(&c, v.o, &err) < 0 ||
	    hidden_take("the secret's value", prompt, args_get(&v.args, "file"),
		&value, &err) < 0 ||
	    put(c, &v, name, &value, &reply, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(reply, false);
	return EXIT_OK;
}

static const struct command_option set_options[] = {
    {"file", 'F', "FILE", "holds the value, - for standard input", NULL},
    {"use", 0, "WHO", "who may have it [components]", "components jobs both"},
    {"repository", 0, "OWNER/REPO",
	"its jobs may have it, also OWNER/*, or all; repeatable [all]", NULL},
    {0},
};

const struct command command_secret_set = {
    .name = "secret set",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "keep a secret for components and jobs, or change it",
    .details =
	"The value comes from standard input (on a terminal it is asked "
	"for and not shown) or a file, never from the command line. One "
	"newline at its end is taken off. What runs keeps the value that "
	"it was started with. Whom a secret is for stays as it is unless "
	"it is said again.",
    .options = set_options,
    .run = set_run,
};

/* -- list -------------------------------------------------------------- */

/* Patterns as one cell of the table; "-": none. */
static char *repositories_of(const json_t *one)
{
	struct buf out = {.max = 4096};
	const json_t *pattern;
	size_t i;

	json_array_foreach(json_object_get(one, "repositories"), i, pattern)
	    IGNORE(buf_printf(
		&out, "%s%s", i > 0 ? " " : "", json_string_value(pattern)));
	if (out.len == 0)
		IGNORE(buf_append_str(&out, "-"));
	return buf_steal(&out, NULL);
}

static void print_table(const json_t *secrets)
{
	struct ui_table t;
	const json_t *one;
	char ago[32];
	size_t i;

	ui_table_init(&t, 5);
	ui_table_cell(&t, UI_BOLD, "NAME");
	ui_table_cell(&t, UI_BOLD, "USE");
	ui_table_cell(&t, UI_BOLD, "REPOSITORIES");
	ui_table_cell(&t, UI_BOLD, "CREATED");
	ui_table_cell(&t, UI_BOLD, "CHANGED");
	json_array_foreach(secrets, i, one)
	{
		CLEANUP(mem_free) char *repositories = repositories_of(one);

		ui_table_cell(&t, UI_PLAIN, reply_str(one, "name", "?"));
		ui_table_cell(&t, UI_PLAIN, reply_str(one, "use", "?"));
		ui_table_cell(&t, UI_PLAIN, repositories);
		ui_table_cell(
		    &t, UI_DIM, ui_ago(reply_str(one, "createdAt", NULL), ago));
		ui_table_cell(
		    &t, UI_DIM, ui_ago(reply_str(one, "updatedAt", NULL), ago));
	}
	ui_table_print(&t);
	ui_table_fini(&t);
}

static int list_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *secrets = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_secret_list, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    client_read_pages(c, &v.ctx, "/api/secrets?", "after", "name",
		&secrets, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(secrets, false);
	else
		print_table(secrets);
	return EXIT_OK;
}

const struct command command_secret_list = {
    .name = "secret list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "names of the secrets that the hub keeps, and whom they are for",
    .run = list_run,
};

/* -- delete ------------------------------------------------------------ */

static int delete_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(mem_free) char *path = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_secret_delete, argc, argv, &rc))
		return rc;
	path = secret_path(args_operand(&v.args, 0));
	if (command_client(&c, v.o, &err) < 0 ||
	    client_call(c, &v.ctx, "DELETE", path, NULL, &reply, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(reply, false);
	return EXIT_OK;
}

const struct command command_secret_delete = {
    .name = "secret delete",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "delete a secret",
    .run = delete_run,
};
