/*
 * `runner register|create|drain|remove|token`: how an operator brings runners
 * in and takes them out. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/secret.h"
#include "cmd/runner.h"
#include "cmd/ui.h"

/* What a command of this file begins with; done: its one call. */
struct run {
	struct invocation v;
	struct client *client;
	json_t *reply;
};

static void run_fini(struct run *r)
{
	json_decref(r->reply);
	client_close(r->client);
	invocation_fini(&r->v);
}
static inline void run_fini_guard(struct run *r)
{
	run_fini(r);
}

/* -- fields ------------------------------------------------------------ */

static void set(json_t *body, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(body, key, json_string(value));
}

/* Of an option that may be given several times, or with commas. */
static void set_list(
    json_t *body, const char *key, const struct args *a, const char *option)
{
	json_t *list = json_array();
	const char *value;

	for (size_t i = 0; (value = args_nth(a, option, i)) != NULL; i++)
		while (*value != '\0') {
			size_t n = strcspn(value, ",");

			if (n > 0)
				json_array_append_new(
				    list, json_stringn(value, n));
			value += n + (value[n] == ',');
		}
	if (json_array_size(list) > 0)
		json_object_set(body, key, list);
	json_decref(list);
}

/* DIR, or DIR:ro. */
static int set_roots(json_t *body, const struct args *a, struct err *err)
{
	CLEANUP(json_decref) json_t *list = json_array();
	const char *value;

	for (size_t i = 0; (value = args_nth(a, "root", i)) != NULL; i++) {
		size_t n = strlen(value);
		bool ro = n > 3 && strcmp(value + n - 3, ":ro") == 0;

		if (json_array_append_new(
			list, json_pack("{s:s%,s:b}", "here", value,
				  ro ? n - 3 : n, "readOnly", ro)) != 0)
			return err_set(err, ERR_INVALID, NULL,
			    "--root %.160s: a path in UTF-8 is wanted", value);
	}
	if (json_array_size(list) > 0)
		json_object_set(body, "roots", list);
	return 0;
}

/* OWNER/REPO, an organization, or the URL of either. */
static void set_scope(json_t *body, const char *value)
{
	if (value == NULL)
		return;
	if (strstr(value, "://") != NULL)
		set(body, "url", value);
	else
		set(body,
		    strchr(value, '/') != NULL ? "repository" : "organization",
		    value);
}

/* -- tokens ------------------------------------------------------------ */

/* Into a file that nobody else may read, or to stdout. */
static int hand_over(struct run *r, struct err *err)
{
	const json_t *data = json_object_get(r->reply, "data");
	const char *token = reply_str(data, "token", NULL);
	const char *path = args_get(&r->v.args, "output");
	CLEANUP(mem_free) char *line = NULL;
	int rc = 0;

	if (token == NULL)
		return err_set(err, ERR_INTERNAL, "bad_reply",
		    "the hub's answer holds no token");
	if (path == NULL) {
		if (r->v.json)
			reply_print(data, false);
		else
			printf("%s\n", token);
		return 0;
	}
	line = mem_printf("%s\n", token);
	rc = fs_replace_file(path, line, strlen(line), 0600, err);
	secret_wipe(line, strlen(line));
	if (rc == 0)
		printf("The token of %.80s is in %s (mode 600)\n",
		    reply_str(data, "name", reply_str(data, "id", "?")), path);
	return rc;
}

/* -- register ---------------------------------------------------------- */

static int do_register(struct run *r, struct err *err)
{
	CLEANUP(json_decref) json_t *body = json_object();
	const struct args *a = &r->v.args;

	set(body, "name", args_operand(a, 0));
	set_scope(body, args_get(a, "for"));
	set_list(body, "labels", a, "label");
	TRY(set_roots(body, a, err));
	TRY(command_client(&r->client, r->v.o, err));
	TRY(client_call(r->client, &r->v.ctx, "POST", "/api/runners/register",
	    body, &r->reply, err));
	return hand_over(r, err);
}

static int register_run(int argc, char **argv)
{
	CLEANUP(run_fini) struct run r = {0};
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&r.v, &command_runner_register, argc, argv, &rc))
		return rc;
	return do_register(&r, &err) == 0 ? EXIT_OK : command_fail(&err);
}

static const struct command_option register_options[] = {
    {"root", 'r', "DIR[:ro]",
	"a work directory that its sessions may mount; repeatable", NULL},
    {"label", 'l', "LABEL", "a label; may be given several times", NULL},
    {"for", 0, "OWNER[/REPO]", "whose GitHub tokens it may ask for", NULL},
    {"output", 'o', "FILE", "write the token there, mode 600", NULL},
    {0},
};

const struct command command_runner_register = {
    .name = "runner register",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "register a runner of yours and print its token",
    .details = "The token is shown once and kept as a hash. It opens sessions "
	       "and drives those alone; put it where RUNNERHUB_TOKEN_FILE of "
	       "the runner points. --root names the runner's work directory "
	       "(.../_work) and whatever else its jobs may see of its host.",
    .options = register_options,
    .run = register_run,
};

/* -- token ------------------------------------------------------------- */

static int call_on(
    struct run *r, const char *method, const char *suffix, struct err *err)
{
	CLEANUP(json_decref) json_t *runner = NULL;
	CLEANUP(mem_free) char *path = NULL;

	TRY(command_client(&r->client, r->v.o, err));
	TRY(runner_find(
	    r->client, &r->v.ctx, args_operand(&r->v.args, 0), &runner, err));
	path = runner_path(reply_str(runner, "id", ""), suffix);
	return client_call(
	    r->client, &r->v.ctx, method, path, NULL, &r->reply, err);
}

static int token_run(int argc, char **argv)
{
	CLEANUP(run_fini) struct run r = {0};
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&r.v, &command_runner_token, argc, argv, &rc))
		return rc;
	if (call_on(&r, "POST", "/token", &err) < 0 || hand_over(&r, &err) < 0)
		return command_fail(&err);
	return EXIT_OK;
}

static const struct command_option token_options[] = {
    {"output", 'o', "FILE", "write the token there, mode 600", NULL},
    {0},
};

const struct command command_runner_token = {
    .name = "runner token",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "give a runner a new token; the one before is void",
    .options = token_options,
    .run = token_run,
};

/* -- create ------------------------------------------------------------ */

static int read_count(const struct args *a, int64_t *ret, struct err *err)
{
	const char *text = args_get(a, "count");

	*ret = 1;
	if (text == NULL || parse_int(text, 1, 100, ret) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "usage",
	    "--count %.40s: expected a number from 1 to 100", text);
}

static int do_create(struct run *r, int64_t count, struct err *err)
{
	CLEANUP(json_decref) json_t *body = json_object();
	const struct args *a = &r->v.args;
	const json_t *runner;
	char name[128];
	size_t i;

	json_object_set_new(body, "count", json_integer(count));
	set(body, "image", args_get(a, "image"));
	set(body, "prefix", args_get(a, "prefix"));
	set_scope(body, args_get(a, "for"));
	set_list(body, "labels", a, "label");
	if (args_has(a, "ephemeral"))
		json_object_set_new(body, "ephemeral", json_true());
	TRY(command_client(&r->client, r->v.o, err));
	TRY(client_call(r->client, &r->v.ctx, "POST", "/api/runners", body,
	    &r->reply, err));
	if (r->v.json) {
		reply_print(json_object_get(r->reply, "data"), false);
		return 0;
	}
	json_array_foreach(json_object_get(r->reply, "data"), i, runner)
	    printf("%s\n",
		ui_clean(reply_str(runner, "name", "?"), name, sizeof(name)));
	return 0;
}

static int create_run(int argc, char **argv)
{
	CLEANUP(run_fini) struct run r = {0};
	struct err err = ERR_INIT;
	int64_t count;
	int rc;

	if (!invocation_begin(&r.v, &command_runner_create, argc, argv, &rc))
		return rc;
	if (read_count(&r.v.args, &count, &err) < 0)
		return command_usage_error(&command_runner_create, &err);
	return do_create(&r, count, &err) == 0 ? EXIT_OK : command_fail(&err);
}

static const struct command_option create_options[] = {
    {"count", 'n', "N", "so many, 1 if not given", NULL},
    {"for", 0, "OWNER[/REPO]", "register them there at GitHub", NULL},
    {"label", 'l', "LABEL", "a label; may be given several times", NULL},
    {"image", 'i', "IMAGE", "instead of RUNNERHUB_PROXY_IMAGE", NULL},
    {"prefix", 0, "NAME", "how their names begin: proxy", NULL},
    {"ephemeral", 0, NULL, "one job each, then a fresh one", NULL},
    {0},
};

const struct command command_runner_create = {
    .name = "runner create",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "let the hub make proxy runners and keep them running",
    .details = "Each is a container of the proxy image with a token of its "
	       "own. One that dies is made anew, until it is drained or "
	       "removed.",
    .options = create_options,
    .run = create_run,
};

/* -- drain, remove ----------------------------------------------------- */

static int say(struct run *r)
{
	char words[300];

	if (r->v.json)
		reply_print(r->reply, false);
	else
		printf("%s\n", ui_clean(reply_str(r->reply, "message", "Done"),
				   words, sizeof(words)));
	return EXIT_OK;
}

static int drain_run(int argc, char **argv)
{
	CLEANUP(run_fini) struct run r = {0};
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&r.v, &command_runner_drain, argc, argv, &rc))
		return rc;
	if (call_on(&r, "POST", "/drain", &err) < 0)
		return command_fail(&err);
	return say(&r);
}

const struct command command_runner_drain = {
    .name = "runner drain",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "let a runner finish its job, then remove it",
    .run = drain_run,
};

static int remove_run(int argc, char **argv)
{
	CLEANUP(run_fini) struct run r = {0};
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&r.v, &command_runner_remove, argc, argv, &rc))
		return rc;
	if (call_on(&r, "DELETE",
		args_has(&r.v.args, "force") ? "?force=true" : "", &err) < 0)
		return command_fail(&err);
	return say(&r);
}

static const struct command_option remove_options[] = {
    {"force", 'f', NULL, "also while it runs a job, which fails then", NULL},
    {0},
};

const struct command command_runner_remove = {
    .name = "runner remove",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "forget a runner; its token is void, its container goes",
    .options = remove_options,
    .run = remove_run,
};
