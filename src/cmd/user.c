/*
 * The `user` and `token` commands: who may use the hub. Passwords come as
 * secrets do (hidden.h). Main thread.
 */
#include "cmd/user.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "cmd/client.h"
#include "cmd/hidden.h"
#include "cmd/ui.h"
#include "net/http_client.h"

enum { PAGE = 1000 };

static char *path_of(const char *base, const char *name)
{
	struct buf out = {.max = 4096};

	IGNORE(buf_append_str(&out, base));
	http_encode(&out, name);
	return buf_steal(&out, NULL);
}

/* -- passwords --------------------------------------------------------- */

/* On a terminal twice: nobody sees what was typed. */
static int take_password(const struct args *args, json_t **ret, struct err *err)
{
	CLEANUP(hidden_wipe) struct hidden first = {.len = 0};
	CLEANUP(hidden_wipe) struct hidden again = {.len = 0};
	const char *file = args_get(args, "file");

	TRY(hidden_take("the password", "Password", file, &first, err));
	if (file == NULL && isatty(STDIN_FILENO)) {
		TRY(hidden_take(
		    "the password", "Once more", NULL, &again, err));
		if (first.len != again.len ||
		    memcmp(first.bytes, again.bytes, first.len) != 0)
			return err_set(err, ERR_INVALID, NULL,
			    "the two are not the same, nothing was changed");
	}
	*ret = json_stringn(first.bytes, first.len);
	if (*ret != NULL)
		return 0;
	return err_set(err, ERR_INVALID, NULL, "the password is no UTF-8 text");
}

static void wipe_text(json_t *text)
{
	secret_wipe((char *)json_string_value(text), json_string_length(text));
}

#define FILE_OPTION                                                            \
	{                                                                      \
		"file", 'F', "FILE",                                           \
		    "holds the password, - for standard input", NULL           \
	}

/* -- add --------------------------------------------------------------- */

static int add(struct client *c, const struct invocation *v, const char *role,
    bool first, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *body = json_object();
	json_t *password = NULL;
	int rc;

	TRY(take_password(&v->args, &password, err));
	json_object_set_new(
	    body, "name", json_string(args_operand(&v->args, 0)));
	json_object_set_new(body, "role", json_string(role));
	json_object_set_new(body, "first", json_boolean(first));
	json_object_set_new(body, "password", password);
	rc = client_call(c, &v->ctx, "POST", "/api/users", body, ret, err);
	wipe_text(password);
	return rc;
}

static int add_one(const struct command *command, int argc, char **argv,
    const char *role, bool first)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, command, argc, argv, &rc))
		return rc;
	if (role == NULL)
		role = args_get(&v.args, "role");
	if (command_client(&c, v.o, &err) < 0 ||
	    add(c, &v, role != NULL ? role : "viewer", first, &reply, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(json_object_get(reply, "data"), false);
	else if (first)
		printf("The hub is not open any more: from now on every "
		       "request needs a login, a token or the API key.\n");
	return EXIT_OK;
}

static int bootstrap_run(int argc, char **argv)
{
	return add_one(&command_user_bootstrap, argc, argv, "admin", true);
}

static const struct command_option bootstrap_options[] = {FILE_OPTION, {0}};

const struct command command_user_bootstrap = {
    .name = "user bootstrap",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "make the first admin of a hub that has no user yet",
    .details = "Works on the hub's own machine while it is open, or with its "
	       "API key. The password is asked for and not shown, or read from "
	       "a pipe or a file. With the first user open mode ends.",
    .options = bootstrap_options,
    .run = bootstrap_run,
};

static int add_run(int argc, char **argv)
{
	return add_one(&command_user_add, argc, argv, NULL, false);
}

static const struct command_option add_options[] = {
    {"role", 0, "ROLE", "what they may: viewer if not given",
	"viewer operator admin"},
    FILE_OPTION, {0}};

const struct command command_user_add = {
    .name = "user add",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "add a user",
    .options = add_options,
    .run = add_run,
};

/* -- change ------------------------------------------------------------ */

/* Takes body. */
static int change(const struct invocation *v, json_t *body)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free)
	char *path = path_of("/api/users/", args_operand(&v->args, 0));
	struct err err = ERR_INIT;
	int rc = command_client(&c, v->o, &err);

	if (rc == 0)
		rc = client_call(c, &v->ctx, "PATCH", path, body, &reply, &err);
	if (json_object_get(body, "password") != NULL)
		wipe_text(json_object_get(body, "password"));
	json_decref(body);
	if (rc < 0)
		return command_fail(&err);
	if (v->json)
		reply_print(json_object_get(reply, "data"), false);
	return EXIT_OK;
}

static int passwd_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	struct err err = ERR_INIT;
	json_t *password = NULL;
	int rc;

	if (!invocation_begin(&v, &command_user_passwd, argc, argv, &rc))
		return rc;
	if (take_password(&v.args, &password, &err) < 0)
		return command_fail(&err);
	return change(&v, json_pack("{s:o}", "password", password));
}

static const struct command_option passwd_options[] = {FILE_OPTION, {0}};

const struct command command_user_passwd = {
    .name = "user passwd",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "give a user a new password; ends all their logins",
    .options = passwd_options,
    .run = passwd_run,
};

static int role_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	int rc;

	if (!invocation_begin(&v, &command_user_role, argc, argv, &rc))
		return rc;
	return change(&v, json_pack("{s:s}", "role", args_operand(&v.args, 1)));
}

const struct command command_user_role = {
    .name = "user role",
    .operands = "NAME ROLE",
    .operands_min = 2,
    .operands_max = 2,
    .flags = COMMAND_CLIENT,
    .summary = "make a user viewer, operator or admin",
    .run = role_run,
};

static int switch_run(
    const struct command *command, int argc, char **argv, bool disabled)
{
	CLEANUP(invocation_fini) struct invocation v;
	int rc;

	if (!invocation_begin(&v, command, argc, argv, &rc))
		return rc;
	return change(&v, json_pack("{s:b}", "disabled", disabled));
}

static int disable_run(int argc, char **argv)
{
	return switch_run(&command_user_disable, argc, argv, true);
}

const struct command command_user_disable = {
    .name = "user disable",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "shut a user out at once, with their tokens",
    .run = disable_run,
};

static int enable_run(int argc, char **argv)
{
	return switch_run(&command_user_enable, argc, argv, false);
}

const struct command command_user_enable = {
    .name = "user enable",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "let a disabled user in again",
    .run = enable_run,
};

/* -- delete ------------------------------------------------------------ */

static int delete_run(
    const struct command *command, int argc, char **argv, const char *base)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, command, argc, argv, &rc))
		return rc;
	path = path_of(base, args_operand(&v.args, 0));
	if (command_client(&c, v.o, &err) < 0 ||
	    client_call(c, &v.ctx, "DELETE", path, NULL, &reply, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(reply, false);
	return EXIT_OK;
}

static int user_delete_run(int argc, char **argv)
{
	return delete_run(&command_user_delete, argc, argv, "/api/users/");
}

const struct command command_user_delete = {
    .name = "user delete",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "delete a user, with their logins and tokens",
    .run = user_delete_run,
};

static int token_delete_run(int argc, char **argv)
{
	return delete_run(&command_token_delete, argc, argv, "/api/tokens/");
}

const struct command command_token_delete = {
    .name = "token delete",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "delete an API token: it is void at once",
    .run = token_delete_run,
};

/* -- list -------------------------------------------------------------- */

/* Columns that hold a time are told as how long ago. */
struct column {
	const char *head, *key;
	bool time;
};

static void print_table(
    const json_t *rows, const struct column *columns, size_t n)
{
	struct ui_table t;
	const json_t *row;
	char ago[32];
	size_t i;

	ui_table_init(&t, n);
	for (i = 0; i < n; i++)
		ui_table_cell(&t, UI_BOLD, columns[i].head);
	json_array_foreach(rows, i, row) for (size_t k = 0; k < n; k++)
	{
		const char *text = reply_str(row, columns[k].key, NULL);

		if (columns[k].time)
			text = text != NULL ? ui_ago(text, ago) : "never";
		ui_table_cell(&t, columns[k].time ? UI_DIM : UI_PLAIN,
		    text != NULL ? text : "-");
	}
	ui_table_print(&t);
	ui_table_fini(&t);
}

static int user_list_run(int argc, char **argv)
{
	static const struct column columns[] = {{"NAME", "name", false},
	    {"ROLE", "role", false}, {"STATE", "state", false},
	    {"LAST LOGIN", "lastLoginAt", true}};
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *users = NULL;
	struct err err = ERR_INIT;
	json_t *user;
	size_t i;
	int rc;

	if (!invocation_begin(&v, &command_user_list, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    client_read_pages(
		c, &v.ctx, "/api/users?", "after", "name", &users, &err) < 0)
		return command_fail(&err);
	if (v.json) {
		reply_print(users, false);
		return EXIT_OK;
	}
	json_array_foreach(users, i, user) json_object_set_new(user, "state",
	    json_string(json_is_true(json_object_get(user, "disabled"))
			    ? "disabled"
			    : "enabled"));
	print_table(users, columns, ARRAY_LEN(columns));
	return EXIT_OK;
}

const struct command command_user_list = {
    .name = "user list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "list users: role, state, last login",
    .run = user_list_run,
};

static int token_list_run(int argc, char **argv)
{
	static const struct column columns[] = {{"ID", "id", false},
	    {"NAME", "name", false}, {"ROLE", "role", false},
	    {"EXPIRES", "expiresAt", false}, {"LAST USED", "lastUsedAt", true}};
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *tokens = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_token_list, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    client_read_pages(c, &v.ctx,
		args_has(&v.args, "all") ? "/api/tokens?all=true&"
					 : "/api/tokens?",
		"before", "id", &tokens, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(tokens, false);
	else
		print_table(tokens, columns, ARRAY_LEN(columns));
	return EXIT_OK;
}

static const struct command_option token_list_options[] = {
    {"all", 'a', NULL, "everybody's (admins)", NULL}, {0}};

const struct command command_token_list = {
    .name = "token list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "list one's API tokens; with the API key all",
    .options = token_list_options,
    .run = token_list_run,
};

/* -- make a token ------------------------------------------------------ */

static int token_create_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *body = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	const json_t *data;
	int rc;

	if (!invocation_begin(&v, &command_token_create, argc, argv, &rc))
		return rc;
	body = json_pack("{s:s, s:s*, s:s*}", "name", args_operand(&v.args, 0),
	    "role", args_get(&v.args, "role"), "expiresAt",
	    args_get(&v.args, "expires"));
	if (command_client(&c, v.o, &err) < 0 ||
	    client_call(c, &v.ctx, "POST", "/api/tokens", body, &reply, &err) <
		0)
		return command_fail(&err);
	data = json_object_get(reply, "data");
	if (v.json)
		reply_print(data, false);
	else
		printf("%s\n", reply_str(data, "token", "?"));
	return EXIT_OK;
}

static const struct command_option token_create_options[] = {
    {"role", 0, "ROLE", "at most one's own, which it is if not given",
	"viewer operator admin"},
    {"expires", 0, "TIME", "when it ends, such as 2027-01-31T00:00:00Z", NULL},
    {0}};

const struct command command_token_create = {
    .name = "token create",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "make an API token for a program and print it, once",
    .options = token_create_options,
    .run = token_create_run,
};
