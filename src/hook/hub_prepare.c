/*
 * prepare_job through a hub: the session is delegated, waited for and handed
 * to a keeper; the answer is made of what the hub shows of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "hook/hub_internal.h"
#include "hook/keeper.h"

/* -- do both see the same files? --------------------------------------- */

/* A file with a name that nobody can have made before; the hub looks for it
 * inside the container, under the real path as the mounts have. NULL: there
 * is nothing to look for. */
static int make_probe(const struct hub_mode *h, char **ret, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	char unique[33], *path, *real;

	*ret = NULL;
	if (h->settings->temp == NULL)
		return 0;
	real = realpath(h->settings->temp, NULL);
	path = mem_printf("%s/.runnerhub-%s",
	    real != NULL ? real : h->settings->temp, random_hex(unique, 16));
	mem_free(real); /* of malloc, as mem's */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		IGNORE(err_sys(err, errno, "write %s", path));
		mem_free(path);
		return -1;
	}
	*ret = path;
	return 0;
}

static void remove_probe(char *path)
{
	if (path != NULL)
		unlink(path);
	mem_free(path);
}

/* -- the delegation ---------------------------------------------------- */

static json_t *container_json(
    const struct hook_envelope *job, const char *probe)
{
	json_t *container;

	if (!job->has_container)
		return json_null();
	container = hub_wish_json(&job->container);
	if (probe != NULL)
		json_object_set_new(
		    container, "probe", json_pack("{s:s}", "path", probe));
	return container;
}

static json_t *services_json(const struct hook_envelope *job)
{
	json_t *list = json_array();

	for (size_t i = 0; i < job->nservices; i++)
		json_array_append_new(list, hub_wish_json(&job->services[i]));
	return list;
}

static void say(void *arg, const char *line)
{
	(void)arg;
	output_say("%s", line);
}

static int open_session(struct hub_mode *h, const struct ctx *ctx,
    const struct hook_envelope *job, struct session **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *body = NULL;
	char *probe;
	int r;

	TRY(hub_delegation(h, &body, err));
	TRY(make_probe(h, &probe, err));
	json_object_set_new(body, "container", container_json(job, probe));
	json_object_set_new(body, "services", services_json(job));
	r = session_open(ret, h->client, ctx, body, say, NULL, err);
	remove_probe(probe);
	return r;
}

/* -- what the runner is told ------------------------------------------- */

static int read_made(
    struct hook_made *made, const json_t *o, const char *key, struct err *err)
{
	const char *id = reply_str(o, key, "");
	const json_t *ports = json_object_get(o, "ports");

	if (strlen(id) >= sizeof(made->id) || *id == '\0')
		return err_set(err, ERR_INTERNAL, "bad_reply",
		    "the hub does not say which container it made");
	snprintf(made->id, sizeof(made->id), "%s", id);
	made->image = mem_strdup(reply_str(o, "image", ""));
	made->ports =
	    json_is_object(ports) ? json_deep_copy(ports) : json_object();
	return 0;
}

static int read_services(const struct hook_envelope *job, const json_t *list,
    struct hook_prepared *made, struct err *err)
{
	size_t n = json_array_size(list);

	if (n != job->nservices)
		return err_set(err, ERR_INTERNAL, "bad_reply",
		    "the hub tells of %zu services, %zu were asked for", n,
		    job->nservices);
	made->services = mem_calloc(n + 1, sizeof(*made->services));
	for (size_t i = 0; i < n; i++) {
		made->nservices = i + 1;
		TRY(read_made(
		    &made->services[i], json_array_get(list, i), "id", err));
	}
	return 0;
}

static json_t *make_state(
    const struct session *s, const struct hook_prepared *made)
{
	json_t *state = json_object(), *services = json_array();

	json_object_set_new(state, "session", json_string(session_id(s)));
	json_object_set_new(state, "network", json_string(made->network));
	if (made->has_container)
		json_object_set_new(
		    state, "container", json_string(made->container.id));
	for (size_t i = 0; i < made->nservices; i++)
		json_array_append_new(
		    services, json_string(made->services[i].id));
	json_object_set_new(state, "services", services);
	return state;
}

static int read_session(struct session *s, const struct ctx *ctx,
    const struct hook_envelope *job, struct hook_prepared *made,
    struct err *err)
{
	CLEANUP(json_decref) json_t *doc = NULL;
	const json_t *shown;

	TRY(session_show(s, ctx, &doc, err));
	shown = json_object_get(doc, "session");
	made->network = mem_strdup(reply_str(shown, "network", ""));
	made->has_container = job->has_container;
	if (made->has_container)
		TRY(read_made(&made->container, shown, "containerId", err));
	made->is_alpine = json_is_true(json_object_get(shown, "isAlpine"));
	TRY(read_services(job, json_object_get(shown, "services"), made, err));
	made->state = make_state(s, made);
	return 0;
}

/* -- the whole --------------------------------------------------------- */

static int finish(struct session *s, const struct ctx *ctx,
    const struct hook_envelope *job, int watched, struct hook_prepared *ret,
    struct err *err)
{
	CLEANUP(hook_prepared_fini) struct hook_prepared made = {.state = NULL};

	TRY(read_session(s, ctx, job, &made, err));
	TRY(keeper_start(session_id(s), watched, err));
	*ret = made;
	made = (struct hook_prepared){.state = NULL};
	return 0;
}

int hub_prepare_job(void *self, const struct ctx *ctx,
    const struct hook_envelope *job, struct hook_prepared *ret, struct err *err)
{
	CLEANUP(session_free) struct session *s = NULL;
	CLEANUP(fd_close) int watched = -1;

	/* First: it must be the parent's that started us. */
	TRY(keeper_watch_parent(&watched, err));
	TRY(open_session(self, ctx, job, &s, err));
	if (finish(s, ctx, job, watched, ret, err) == 0)
		return 0;
	hub_undo(
	    s, err->kind == ERR_CANCELED ? "cancelled" : "failed", err->msg);
	return -1;
}
