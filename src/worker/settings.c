/*
 * The relay's settings: see settings.h. What reaches the worker in its
 * container goes by lists of names: a proxy's environment may hold the token
 * with which it was registered, its .runner stands beside its private key.
 */
#include "worker/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"

#define RUNNER_FILE_MAX ((size_t)64 * 1024)
#define NAMES_MAX_LEN   4096

/* Absent and empty are the same. */
static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* -- the environment of the worker ------------------------------------- */

/* What a listener's environment is for a worker beside the machine's own
 * variables: proxies, and how to talk to GitHub. */
static const char *const passed_on[] = {"http_proxy", "https_proxy", "no_proxy",
    "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT",
    "ACTIONS_RUNNER_FORCE_INTERNAL_NODE_VERSION",
    "ACTIONS_RUNNER_FORCE_ACTIONS_NODE_VERSION",
    "GITHUB_ACTIONS_RUNNER_CHANNEL_TIMEOUT",
    "GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT",
    "GITHUB_ACTIONS_RUNNER_TLS_NO_VERIFY"};

static void pass_on(json_t *to, const char *name)
{
	const char *value = env(name);

	/* What is no UTF-8 has no place in JSON. */
	if (value != NULL && json_object_get(to, name) == NULL)
		IGNORE(json_object_set_new(to, name, json_string(value)));
}

/* RUNNERHUB_WORKER_ENV: further names, with commas between. */
static int pass_on_named(json_t *to, struct err *err)
{
	const char *names = env("RUNNERHUB_WORKER_ENV");
	char copy[NAMES_MAX_LEN], *rest = copy, *name;

	if (names == NULL)
		return 0;
	if (strlen(names) >= sizeof(copy))
		return err_set(err, ERR_INVALID, "bad_setting",
		    "RUNNERHUB_WORKER_ENV is longer than %d bytes",
		    NAMES_MAX_LEN);
	memcpy(copy, names, strlen(names) + 1);
	while ((name = strtok_r(rest, ", ", &rest)) != NULL)
		pass_on(to, name);
	return 0;
}

static int read_env(struct settings *s, struct err *err)
{
	s->env = json_object();
	IGNORE(json_object_set_new(s->env, "ACTIONS_RUNNER_CONTAINER_HOOKS",
	    json_string("/.runnerhub/runnerhub-hook.sh")));
	for (size_t i = 0; i < ARRAY_LEN(passed_on); i++)
		pass_on(s->env, passed_on[i]);
	return pass_on_named(s->env, err);
}

/* -- .runner ----------------------------------------------------------- */

/* Facts of a registration that are no secrets. */
static const char *const facts[] = {"agentId", "agentName", "poolId",
    "poolName", "disableUpdate", "ephemeral", "serverUrl", "serverUrlV2",
    "gitHubUrl", "workFolder", "useV2Flow"};

static bool is_fact(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(facts); i++)
		if (strcasecmp(facts[i], key) == 0)
			return true;
	return false;
}

static const char *fact(const struct settings *s, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach(
	    s->runner, key, value) if (strcasecmp(key, name) ==
				       0) return json_string_value(value);
	return NULL;
}

/* <root>/bin/Runner.Worker, also through a link named bin. */
static char *runner_root(const char *program)
{
	CLEANUP(mem_free) char *copy = mem_strdup(program);
	char *slash = strrchr(copy, '/');

	if (slash == NULL)
		return mem_strdup("..");
	*slash = '\0';
	slash = strrchr(copy, '/');
	if (slash == NULL || slash == copy)
		return mem_printf("%s/..", copy);
	*slash = '\0';
	return STEAL(copy);
}

static int read_runner(struct settings *s, const char *program, struct err *err)
{
	CLEANUP(mem_free) char *root = runner_root(program);
	CLEANUP(mem_free) char *path = mem_printf("%s/.runner", root);
	CLEANUP(buf_fini) struct buf text = {.max = RUNNER_FILE_MAX};
	const char *at, *key;
	json_t *all, *value;

	if (fs_read_file(path, &text, err) != 0)
		return err_wrap(err,
		    "%s is to stand in place of the worker of a configured "
		    "runner",
		    program);
	at = buf_str(&text);
	if (strncmp(at, "\xef\xbb\xbf", 3) == 0)
		at += 3; /* the runner writes a byte order mark */
	all = json_loads(at, 0, NULL);
	if (!json_is_object(all)) {
		json_decref(all);
		return err_set(err, ERR_INVALID, "bad_runner_file",
		    "%s holds no JSON object", path);
	}
	s->runner = json_object();
	json_object_foreach(all, key, value) if (is_fact(key))
	    IGNORE(json_object_set(s->runner, key, value));
	json_decref(all);
	return 0;
}

/* -- the whole --------------------------------------------------------- */

static int read_duration(const char *name, int64_t unit_ms, int64_t otherwise,
    int64_t *ret_ms, struct err *err)
{
	const char *value = env(name);

	*ret_ms = otherwise;
	if (value == NULL || parse_duration(value, unit_ms, ret_ms) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "bad_setting",
	    "%s is \"%.40s\": a time such as \"30s\" or \"6h\" is wanted", name,
	    value);
}

/* Where the image's runner has its work directory: as the proxy's. */
static void find_work(struct settings *s)
{
	const char *folder = fact(s, "workFolder");

	if (folder == NULL || folder[0] == '\0') {
		folder = "_work";
		IGNORE(json_object_set_new(
		    s->runner, "workFolder", json_string(folder)));
	}
	s->work = folder[0] == '/'
		      ? mem_strdup(folder)
		      : mem_printf("%s/%s", s->worker_root, folder);
}

int settings_read(struct settings *ret, const char *program, struct err *err)
{
	const char *root = env("RUNNERHUB_WORKER_ROOT");
	int64_t timeout_ms;

	*ret = (struct settings){.image = env("RUNNERHUB_WORKER_IMAGE"),
	    .worker_root = root != NULL ? root : "/home/runner"};
	if (ret->worker_root[0] != '/')
		return err_set(err, ERR_INVALID, "bad_setting",
		    "RUNNERHUB_WORKER_ROOT is \"%.200s\": the absolute path of "
		    "the runner in the image is wanted",
		    root);
	TRY(read_duration(
	    "RUNNERHUB_WORKER_TIMEOUT", 1000, 0, &timeout_ms, err));
	ret->timeout_s = timeout_ms / 1000;
	TRY(read_duration("RUNNERHUB_WORKER_PATIENCE", 1000, 60 * 1000,
	    &ret->patience_ms, err));
	TRY(read_duration("RUNNERHUB_HUB_AWAY", 1000, 10 * 60 * 1000,
	    &ret->hub_away_ms, err));
	TRY(read_runner(ret, program, err));
	ret->runner_name = mem_strdup_or_null(fact(ret, "agentName"));
	find_work(ret);
	return read_env(ret, err);
}

void settings_fini(struct settings *s)
{
	mem_free(s->work);
	mem_free(s->runner_name);
	json_decref(s->runner);
	json_decref(s->env);
	*s = (struct settings){0};
}
