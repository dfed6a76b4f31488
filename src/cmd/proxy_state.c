/*
 * The directory .runnerhub of a proxy, and everything that follows from what
 * it says: see proxy.h. state.json comes first and goes last, so that what was
 * interrupted is finished by the same command again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cmd/proxy.h"

#define STATE_MAX ((size_t)64 * 1024)

/* -- modes ------------------------------------------------------------- */

static const char *const modes[] = {
    [PROXY_WORKER] = "worker", [PROXY_HOOKS] = "hooks", [PROXY_BOTH] = "both"};

const char *proxy_mode_name(enum proxy_mode mode)
{
	return modes[mode];
}

int proxy_mode_parse(const char *text, enum proxy_mode *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (strcmp(text, modes[i]) == 0) {
			*ret = (enum proxy_mode)i;
			return 0;
		}
	return err_set(err, ERR_INVALID, "usage",
	    "mode \"%.40s\": worker, hooks or both is wanted", text);
}

/* -- state.json -------------------------------------------------------- */

static const struct text_member {
	const char *name;
	size_t at;
} members[] = {
    {"url", offsetof(struct proxy_setup, url)},
    {"name", offsetof(struct proxy_setup, name)},
    {"runnerId", offsetof(struct proxy_setup, runner_id)},
    {"tokenFile", offsetof(struct proxy_setup, token_file)},
    {"caFile", offsetof(struct proxy_setup, ca_file)},
    {"clientCertificate", offsetof(struct proxy_setup, client_certificate)},
    {"clientKey", offsetof(struct proxy_setup, client_key)},
    {"image", offsetof(struct proxy_setup, image)},
    {"worker", offsetof(struct proxy_setup, worker)},
    {"hook", offsetof(struct proxy_setup, hook)},
};

static char **text_of(const struct proxy_setup *s, const struct text_member *m)
{
	return (char **)((char *)s + m->at);
}

void proxy_setup_fini(struct proxy_setup *s)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		mem_free(*text_of(s, &members[i]));
	*s = (struct proxy_setup){.url = NULL};
}

static int take_state(struct proxy_setup *ret, const json_t *o, struct err *err)
{
	const char *mode = json_string_value(json_object_get(o, "mode"));

	TRY(proxy_mode_parse(mode != NULL ? mode : "", &ret->mode, err));
	ret->bare = json_is_true(json_object_get(o, "bare"));
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		*text_of(ret, &members[i]) = mem_strdup_or_null(
		    json_string_value(json_object_get(o, members[i].name)));
	if (ret->url != NULL && ret->name != NULL)
		return 0;
	return err_set(err, ERR_INVALID, "bad_state", "its url or name lacks");
}

int proxy_setup_read(
    const struct proxy_dir *d, struct proxy_setup *ret, struct err *err)
{
	CLEANUP(mem_free) char *path = proxy_path(d, ".runnerhub/state.json");
	CLEANUP(buf_fini) struct buf text = {.max = STATE_MAX};
	json_t *o;
	int rc;

	*ret = (struct proxy_setup){.url = NULL};
	if (fs_read_file(path, &text, err) != 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	o = json_loads(buf_str(&text), 0, NULL);
	rc = take_state(ret, o, err);
	json_decref(o);
	if (rc == 0)
		return 1;
	proxy_setup_fini(ret);
	return err_wrap(err, "%s is not what we wrote", path);
}

static int make_dir(const struct proxy_dir *d, struct err *err)
{
	CLEANUP(mem_free) char *path = proxy_path(d, ".runnerhub");

	return fs_mkdir_p(path, 0700, err);
}

int proxy_setup_write(
    const struct proxy_dir *d, const struct proxy_setup *s, struct err *err)
{
	CLEANUP(mem_free) char *path = proxy_path(d, ".runnerhub/state.json");
	json_t *o = json_object();
	char *text;
	int rc;

	json_object_set_new(o, "mode", json_string(modes[s->mode]));
	json_object_set_new(o, "bare", json_boolean(s->bare));
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (*text_of(s, &members[i]) != NULL)
			json_object_set_new(o, members[i].name,
			    json_string(*text_of(s, &members[i])));
	text = json_dumps(o, JSON_INDENT(1));
	json_decref(o);
	rc = make_dir(d, err);
	if (rc == 0)
		rc = fs_replace_file(path, text, strlen(text), 0644, err);
	mem_free(text);
	return rc;
}

int proxy_token_write(
    const struct proxy_dir *d, const char *token, struct err *err)
{
	CLEANUP(mem_free) char *path = proxy_path(d, ".runnerhub/token");

	TRY(make_dir(d, err));
	return fs_replace_file(path, token, strlen(token), 0600, err);
}

/* -- what follows from it ---------------------------------------------- */

static bool has_relay(const struct proxy_setup *s)
{
	return s->mode != PROXY_HOOKS;
}

static bool has_hooks(const struct proxy_setup *s)
{
	return s->mode != PROXY_WORKER;
}

static void put_trust(const struct proxy_setup *s, struct buf *out)
{
	if (s->ca_file != NULL)
		IGNORE(buf_printf(out, "RUNNERHUB_CA_FILE=%s\n", s->ca_file));
	if (s->client_certificate != NULL && s->client_key != NULL)
		IGNORE(buf_printf(out,
		    "RUNNERHUB_CLIENT_CERT=%s\nRUNNERHUB_CLIENT_KEY=%s\n",
		    s->client_certificate, s->client_key));
}

/* The lines of .env. */
static int put_lines(const struct proxy_dir *d, const struct proxy_setup *s,
    struct buf *out, struct err *err)
{
	*out = (struct buf){.max = STATE_MAX};
	IGNORE(
	    buf_printf(out, "RUNNERHUB_URL=%s\nRUNNERHUB_TOKEN_FILE=", s->url));
	if (s->token_file != NULL)
		IGNORE(buf_printf(out, "%s\n", s->token_file));
	else
		IGNORE(buf_printf(out, "%s/.runnerhub/token\n", d->path));
	put_trust(s, out);
	if (has_relay(s) && s->image != NULL)
		IGNORE(
		    buf_printf(out, "RUNNERHUB_WORKER_IMAGE=%s\n", s->image));
	if (has_relay(s))
		IGNORE(buf_printf(out,
		    "ACTIONS_RUNNER_HOOK_JOB_STARTED=%s/.runnerhub/guard.sh\n",
		    d->path));
	if (has_hooks(s))
		IGNORE(buf_printf(
		    out, "ACTIONS_RUNNER_CONTAINER_HOOKS=%s\n", s->hook));
	if (has_hooks(s) && !s->bare)
		IGNORE(buf_append_str(
		    out, "ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER=true\n"));
	if (out->overflow)
		return err_set(
		    err, ERR_LIMIT, NULL, "the settings are too long");
	return 0;
}

/*
 * The guard is a hook of the runner's own worker, and runs before any step.
 * That it runs at all means that the relay is not there: the runner has
 * updated itself. The job is not to run on this machine.
 */
static int put_guard(const struct proxy_dir *d, const struct proxy_setup *s,
    struct buf *out, struct err *err)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_sys(err, errno, "find this program's own file");
	self[n] = '\0';
	*out = (struct buf){.max = STATE_MAX};
	IGNORE(buf_printf(out,
	    "#!/bin/sh\n"
	    "# Written by `runnerhub proxy install`. The runner's own worker\n"
	    "# starts this before the first step of a job: so the relay is "
	    "not\n"
	    "# in its place any more. It is put back.\n"
	    "'%s' proxy install '%s' || true\n",
	    self, d->path));
	if (s->mode == PROXY_WORKER)
		IGNORE(buf_append_str(out,
		    "echo '::error::This runner has updated itself, and with "
		    "that removed the relay to RunnerHub. The job was stopped "
		    "before its first step, so that nothing of it runs outside "
		    "a container. The relay is back in place: run the job "
		    "again.'\n"
		    "exit 1\n"));
	return 0;
}

static int apply_guard(
    const struct proxy_dir *d, const struct proxy_setup *s, struct err *err)
{
	CLEANUP(mem_free) char *path = proxy_path(d, ".runnerhub/guard.sh");
	CLEANUP(buf_fini) struct buf text = {.max = 0};

	if (!has_relay(s)) {
		unlink(path);
		return 0;
	}
	TRY(put_guard(d, s, &text, err));
	return fs_replace_file(path, text.data, text.len, 0755, err);
}

int proxy_apply(
    const struct proxy_dir *d, const struct proxy_setup *s, struct err *err)
{
	CLEANUP(buf_fini) struct buf lines = {.max = 0};

	TRY(put_lines(d, s, &lines, err));
	TRY(apply_guard(d, s, err));
	if (has_relay(s))
		TRY(proxy_relay_place(d, s->worker, err));
	if (proxy_env_look(d, buf_str(&lines), err) != 1) {
		err_clear(err);
		TRY(proxy_env_write(d, buf_str(&lines), err));
	}
	if (!has_relay(s))
		TRY(proxy_relay_remove(d, err));
	return 0;
}

int proxy_differences(const struct proxy_dir *d, const struct proxy_setup *s,
    struct buf *out, struct err *err)
{
	CLEANUP(mem_free) char *own = proxy_path(d, ".runnerhub/token");
	CLEANUP(buf_fini) struct buf lines = {.max = 0};
	const char *token = s->token_file != NULL ? s->token_file : own;
	enum proxy_relay relay = RELAY_PLACED;
	int there;

	TRY(put_lines(d, s, &lines, err));
	there = proxy_env_look(d, buf_str(&lines), err);
	TRY(there);
	if (has_relay(s))
		TRY(proxy_relay_look(d, s->worker, &relay, err));
	if (there == 0)
		IGNORE(buf_printf(
		    out, "%s/.env lacks the proxy's settings\n", d->path));
	if (relay == RELAY_ABSENT)
		IGNORE(buf_printf(out,
		    "%s/bin/Runner.Worker is the runner's own (it has updated "
		    "itself?): its jobs are refused\n",
		    d->path));
	if (relay == RELAY_OTHER)
		IGNORE(buf_printf(out,
		    "%s/bin/Runner.Worker is a relay of another version than "
		    "%s\n",
		    d->path, s->worker));
	if (access(token, R_OK) != 0)
		IGNORE(buf_printf(out, "%s cannot be read\n", token));
	if (has_hooks(s) && access(s->hook, R_OK) != 0)
		IGNORE(buf_printf(out, "%s cannot be read\n", s->hook));
	return 0;
}

int proxy_unapply(const struct proxy_dir *d, struct err *err)
{
	static const char *const files[] = {
	    ".runnerhub/token", ".runnerhub/guard.sh", ".runnerhub/state.json"};

	/* The guard's line goes after the relay: a job in between is refused,
	 * whereas after both the runner is on its own, as was wished. */
	TRY(proxy_relay_remove(d, err));
	TRY(proxy_env_remove(d, err));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(mem_free) char *path = proxy_path(d, files[i]);

		if (unlink(path) != 0 && errno != ENOENT)
			return err_sys(err, errno, "remove %s", path);
	}
	CLEANUP(mem_free) char *dir = proxy_path(d, ".runnerhub");

	if (rmdir(dir) != 0 && errno != ENOENT)
		return err_sys(err, errno, "remove %s", dir);
	return 0;
}
