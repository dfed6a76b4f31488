/*
 * `proxy install`, `proxy status`, `proxy uninstall`: a stock runner becomes a
 * proxy of the hub, and itself again. The hub is asked as whoever runs the
 * command, the files are the runner's user's. Main thread.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/proxy.h"
#include "cmd/ui.h"

/* -- what install is told ---------------------------------------------- */

char *proxy_companion(const char *name)
{
	char self[PATH_MAX], *slash;
	const char *const dirs[] = {
	    self, "/opt/runnerhub/bin", "/usr/local/bin", "/usr/bin"};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		char *path = mem_printf("%s/%s", dirs[i], name);

		if (access(path, R_OK) == 0)
			return path;
		mem_free(path);
	}
	return NULL;
}

static void replace(char **text, const char *with)
{
	if (with == NULL)
		return;
	mem_free(*text);
	*text = mem_strdup(with);
}

/* A file that was named, or found earlier, or came with this program. */
static int choose_file(char **into, const struct args *a, const char *option,
    const char *name, struct err *err)
{
	const char *named = args_get(a, option);
	char real[PATH_MAX];

	if (named != NULL && realpath(named, real) == NULL)
		return err_sys(err, errno, "--%s %s", option, named);
	replace(into, named != NULL ? real : NULL);
	if (*into != NULL && access(*into, R_OK) != 0) {
		mem_free(*into);
		*into = NULL;
	}
	if (*into == NULL)
		*into = proxy_companion(name);
	if (*into != NULL)
		return 0;
	return err_set(err, ERR_NOT_FOUND, NULL,
	    "%s is neither beside this program nor in /usr/local/bin or "
	    "/usr/bin: name it with --%s",
	    name, option);
}

/* The relay and the hook client start elsewhere: whole paths. */
static int choose_path(
    char **into, const char *given, const char *option, struct err *err)
{
	char real[PATH_MAX];

	if (given == NULL)
		return 0;
	if (realpath(given, real) == NULL)
		return err_sys(err, errno, "--%s %s", option, given);
	replace(into, real);
	return 0;
}

static int choose_trust(
    struct proxy_setup *s, const struct options *o, struct err *err)
{
	TRY(choose_path(&s->ca_file, o->client_ca, "ca-file", err));
	TRY(choose_path(
	    &s->client_certificate, o->client_certificate, "client-cert", err));
	return choose_path(&s->client_key, o->client_key, "client-key", err);
}

static int choose(struct proxy_setup *s, const struct invocation *v,
    const struct proxy_dir *d, struct err *err)
{
	const struct args *a = &v->args;
	const char *mode = args_get(a, "mode");

	if (mode != NULL)
		TRY(proxy_mode_parse(mode, &s->mode, err));
	if (s->url == NULL || args_has(a, "url"))
		replace(&s->url, v->o->url);
	replace(&s->name, args_get(a, "name"));
	if (s->name == NULL)
		replace(&s->name, d->agent_name);
	if (s->name == NULL)
		return err_set(err, ERR_INVALID, "usage",
		    "the runner has no name of its own: give --name");
	if (args_has(a, "image"))
		replace(&s->image, args_get(a, "image"));
	s->bare = s->bare || args_has(a, "allow-jobs-without-container");
	TRY(choose_path(&s->token_file, args_get(a, "runner-token-file"),
	    "runner-token-file", err));
	TRY(choose_trust(s, v->o, err));
	if (s->mode != PROXY_HOOKS)
		TRY(choose_file(
		    &s->worker, a, "worker", "runnerhub-worker", err));
	if (s->mode != PROXY_WORKER)
		TRY(choose_file(&s->hook, a, "hook", "runnerhub-hook.sh", err));
	return 0;
}

/* -- the hub ----------------------------------------------------------- */

/* The runner's own directories that the hub may give to its containers. */
static json_t *roots_of(const struct proxy_dir *d)
{
	CLEANUP(mem_free) char *externals = proxy_path(d, "externals");

	return json_pack("[{s:s,s:b},{s:s,s:b}]", "here", d->work, "readOnly",
	    0, "here", externals, "readOnly", 1);
}

static int register_runner(const struct invocation *v,
    const struct proxy_dir *d, struct proxy_setup *s, json_t **ret_reply,
    struct err *err)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *body = json_object();
	const char *repository = args_get(&v->args, "repository"), *label;
	json_t *labels = json_array();
	const json_t *data;

	for (size_t i = 0; (label = args_nth(&v->args, "label", i)) != NULL;
	     i++)
		json_array_append_new(labels, json_string(label));
	json_object_set_new(body, "name", json_string(s->name));
	json_object_set_new(body, "labels", labels);
	json_object_set_new(body, "roots", roots_of(d));
	if (repository != NULL)
		json_object_set_new(
		    body, "repository", json_string(repository));
	TRY(command_client(&c, v->o, err));
	if (client_call(c, &v->ctx, "POST", "/api/runners/register", body,
		ret_reply, err) != 0)
		return err_wrap(err, "register the runner");
	data = json_object_get(*ret_reply, "data");
	replace(&s->runner_id, reply_str(data, "id", NULL));
	if (reply_str(data, "token", NULL) != NULL && s->runner_id != NULL)
		return 0;
	return err_set(err, ERR_INTERNAL, NULL,
	    "the answer of %s holds no token: is that a hub?", client_url(c));
}

/* Whether there is a token already. */
static bool has_token(const struct proxy_dir *d, const struct proxy_setup *s)
{
	CLEANUP(mem_free) char *path = proxy_path(d, ".runnerhub/token");

	return s->token_file != NULL || access(path, F_OK) == 0;
}

/* -- install ----------------------------------------------------------- */

static int install(const struct invocation *v, struct proxy_dir *d,
    struct proxy_setup *s, struct err *err)
{
	CLEANUP(json_decref) json_t *reply = NULL;
	const char *token;

	TRY(proxy_dir_open(d, args_operand(&v->args, 0), err));
	TRY(proxy_setup_read(d, s, err));
	TRY(choose(s, v, d, err));
	if (!has_token(d, s))
		TRY(register_runner(v, d, s, &reply, err));
	TRY(proxy_dir_become_owner(d, err));
	TRY(proxy_setup_write(d, s, err));
	if (reply != NULL) {
		token = reply_str(json_object_get(reply, "data"), "token", "");
		TRY(proxy_token_write(d, token, err));
	}
	return proxy_apply(d, s, err);
}

static int install_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(proxy_dir_fini) struct proxy_dir d = {.path = NULL};
	CLEANUP(proxy_setup_fini) struct proxy_setup s = {.url = NULL};
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_proxy_install, argc, argv, &rc))
		return rc;
	if (install(&v, &d, &s, &err) != 0)
		return strcmp(err.code, "usage") == 0
			   ? command_usage_error(&command_proxy_install, &err)
			   : command_fail(&err);
	printf("%s is a proxy of %s now (mode %s, name %s).\n"
	       "Its listener reads the settings at its start: restart the "
	       "runner.\n",
	    d.path, s.url, proxy_mode_name(s.mode), s.name);
	return EXIT_OK;
}

static const struct command_option install_options[] = {
    {"mode", 0, "MODE",
	"worker: every job runs in a container of the hub; hooks: jobs with "
	"container: do, others fail; both [worker]",
	"worker hooks both"},
    {"name", 0, "NAME", "the runner's name at the hub [its name at GitHub]",
	NULL},
    {"label", 'l', "LABEL", "label; repeatable", NULL},
    {"repository", 'r', "OWNER/REPO", "repository that it serves", NULL},
    {"image", 'i', "IMAGE", "image of the jobs [the hub's default]", NULL},
    {"runner-token-file", 0, "FILE",
	"token of a runner that is registered already", NULL},
    {"allow-jobs-without-container", 0, NULL,
	"mode hooks: these run on this machine, outside of any container",
	NULL},
    {"worker", 0, "FILE", "runnerhub-worker [beside this program]", NULL},
    {"hook", 0, "FILE", "runnerhub-hook.sh [beside this program]", NULL},
    {0},
};

const struct command command_proxy_install = {
    .name = "proxy install",
    .operands = "DIRECTORY",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "make a GitHub Actions runner a proxy of the hub",
    .details = "DIRECTORY is that of a configured runner (config.sh, run.sh). "
	       "It is registered with the hub, and gets a token of its own. "
	       "Repeat it to change the mode, or to put back what an update of "
	       "the runner has taken away. Afterwards restart the runner.",
    .options = install_options,
    .run = install_run,
};

/* -- status ------------------------------------------------------------ */

static void ask_hub(
    const struct proxy_dir *d, const struct proxy_setup *s, struct buf *out)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, 10000);
	const struct tls_trust trust = {.ca_file = s->ca_file,
	    .certificate = s->client_certificate,
	    .key = s->client_key};
	struct err err = ERR_INIT;
	int status;

	(void)d;
	if (client_open(&c, s->url, NULL, &trust, &err) != 0 ||
	    client_get_any(c, &ctx, "/health", &status, &reply, &err) != 0)
		IGNORE(buf_printf(out, "%s\n", err.msg));
}

static int status_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(proxy_dir_fini) struct proxy_dir d = {.path = NULL};
	CLEANUP(proxy_setup_fini) struct proxy_setup s = {.url = NULL};
	CLEANUP(buf_fini) struct buf wrong = {.max = 64 * 1024};
	struct err err = ERR_INIT;
	int rc, known;

	if (!invocation_begin(&v, &command_proxy_status, argc, argv, &rc))
		return rc;
	if (proxy_dir_open(&d, args_operand(&v.args, 0), &err) != 0)
		return command_fail(&err);
	known = proxy_setup_read(&d, &s, &err);
	if (known == 0) {
		printf(
		    "%s is no proxy: its jobs run on this machine.\n", d.path);
		return EXIT_FAILED;
	}
	if (known < 0 || proxy_differences(&d, &s, &wrong, &err) != 0)
		return command_fail(&err);
	ask_hub(&d, &s, &wrong);
	printf("%s: proxy %s of %s, mode %s%s\n", d.path, s.name, s.url,
	    proxy_mode_name(s.mode), wrong.len == 0 ? ", all in place" : "");
	ui_print(&wrong);
	if (wrong.len == 0)
		return EXIT_OK;
	printf("Put it in order: runnerhub proxy install %s\n", d.path);
	return EXIT_FAILED;
}

const struct command command_proxy_status = {
    .name = "proxy status",
    .operands = "DIRECTORY",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "is a runner's proxy in place?",
    .details = "Exit code 0: it is, and its hub answers.",
    .run = status_run,
};

/* -- uninstall --------------------------------------------------------- */

static void deregister(const struct invocation *v, const struct proxy_setup *s)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;

	if (s->runner_id == NULL)
		return; /* registered by somebody else */
	path = mem_printf("/api/runners/%s", s->runner_id);
	if ((command_client(&c, v->o, &err) != 0 ||
		client_call(c, &v->ctx, "DELETE", path, NULL, &reply, &err) !=
		    0) &&
	    err.kind != ERR_NOT_FOUND)
		fprintf(stderr,
		    "runnerhub: warning: the hub still knows the runner %s: "
		    "%s\n",
		    s->name, err.msg);
}

static int uninstall_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(proxy_dir_fini) struct proxy_dir d = {.path = NULL};
	CLEANUP(proxy_setup_fini) struct proxy_setup s = {.url = NULL};
	struct err err = ERR_INIT;
	int rc, known;

	if (!invocation_begin(&v, &command_proxy_uninstall, argc, argv, &rc))
		return rc;
	if (proxy_dir_open(&d, args_operand(&v.args, 0), &err) != 0)
		return command_fail(&err);
	known = proxy_setup_read(&d, &s, &err);
	if (known < 0)
		return command_fail(&err);
	if (known == 0) {
		printf("%s is no proxy: nothing to do.\n", d.path);
		return EXIT_OK;
	}
	deregister(&v, &s);
	if (proxy_dir_become_owner(&d, &err) != 0 ||
	    proxy_unapply(&d, &err) != 0)
		return command_fail(&err);
	printf("%s is as it was. Restart the runner; its jobs then run on this "
	       "machine.\n",
	    d.path);
	return EXIT_OK;
}

const struct command command_proxy_uninstall = {
    .name = "proxy uninstall",
    .operands = "DIRECTORY",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "undo proxy install",
    .run = uninstall_run,
};
