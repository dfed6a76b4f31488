/*
 * prepare_job: a network, the job's container, its services, all well before
 * the first step. What fails half-way is removed again. The order is: sweep
 * what an earlier job left, network, job container (with the check that
 * runner and engine see the same files), services one after another, then
 * the health of all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "containers/look.h"
#include "hook/direct_internal.h"

/* The runner's patience after a cancel is 10 s in all. */
#define UNDO_MS INT64_C(8000)

struct preparation {
	struct direct *d;
	const struct hook_envelope *job;
	struct hook_prepared *made;
	char *path; /* PATH of the job's container */
};

/* -- do both see the same files? --------------------------------------- */

static int check_seen(struct preparation *p, const struct ctx *ctx,
    const char *id, const char *inside, const char *temp, struct err *err)
{
	int r = engine_container_has_path(p->d->engine, ctx, id, inside, err);

	if (r < 0)
		return err_wrap(err, "check that the engine sees the files");
	if (r > 0)
		return 0;
	return err_set(err, ERR_INVALID, "files_differ",
	    "the engine at %s does not see the runner's files: a file made in "
	    "%s is not there in the container; see \"Runner and engine must "
	    "see the same files\" in docs/HOOKS.md",
	    engine_host(p->d->engine), temp);
}

/* A file with a name that nobody can have made before, looked for from
 * inside the container before it starts. */
static int check_files(struct preparation *p, const struct ctx *ctx,
    const char *id, struct err *err)
{
	const char *temp = p->d->settings->temp;
	CLEANUP(fd_close) int fd = -1;
	char unique[33], *here, *inside;
	int r;

	if (temp == NULL)
		return 0;
	here = mem_printf("%s/.runnerhub-%s", temp, random_hex(unique, 16));
	inside = container_path_inside(&p->job->container, here);
	if (inside == NULL) {
		mem_free(here);
		return 0;
	}
	fd = open(here, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		r = err_sys(err, errno, "write %s", here);
	else
		r = check_seen(p, ctx, id, inside, temp, err);
	if (fd >= 0)
		unlink(here);
	mem_free(here);
	mem_free(inside);
	return r;
}

/* -- the network ------------------------------------------------------- */

static int make_network(
    struct preparation *p, const struct ctx *ctx, struct err *err)
{
	char name[DIRECT_NETWORK_LEN];

	TRY(direct_network(p->d, ctx, name, err));
	p->made->network = mem_strdup(name);
	return 0;
}

/* -- the containers ---------------------------------------------------- */

static int start(struct preparation *p, const struct ctx *ctx,
    const struct hook_made *made, struct err *err)
{
	return engine_container_start(p->d->engine, ctx, made->id, err);
}

static int make_job_container(
    struct preparation *p, const struct ctx *ctx, struct err *err)
{
	const struct container_wish *c = &p->job->container;
	const struct direct_container wanted = {.container = c,
	    .image = c->image,
	    .kind = "job",
	    .network = p->made->network,
	    .roots = c->system_mounts,
	    .nroots = c->nsystem_mounts,
	    .keep_alive = true,
	    .with_ports = true};
	struct hook_made *made = &p->made->container;

	TRY(direct_image(p->d, ctx, c, err));
	TRY(direct_create(p->d, ctx, &wanted, made->id, err));
	p->made->has_container = true;
	made->image = mem_strdup(c->image);
	TRY(check_files(p, ctx, made->id, err));
	return start(p, ctx, made, err);
}

static int make_service(
    struct preparation *p, const struct ctx *ctx, size_t index, struct err *err)
{
	const struct container_wish *c = &p->job->services[index];
	struct hook_made *made = &p->made->services[index];
	char kind[24], *alias;
	const char *aliases[3] = {kind, NULL, NULL};
	const struct direct_container wanted = {.container = c,
	    .image = c->image,
	    .kind = kind,
	    .network = p->made->network,
	    .aliases = aliases,
	    .roots = p->job->container.system_mounts,
	    .nroots = p->job->container.nsystem_mounts,
	    .with_ports = true};
	int r;

	TRY(direct_image(p->d, ctx, c, err));
	snprintf(kind, sizeof(kind), "svc%zu", index);
	alias = container_image_alias(c->image);
	aliases[1] = alias;
	r = direct_create(p->d, ctx, &wanted, made->id, err);
	if (r == 0) {
		made->image = mem_strdup(c->image);
		p->made->nservices = index + 1;
		r = start(p, ctx, made, err);
	}
	if (r == 0)
		output_say("Service %s is %s and %s on the job's network.",
		    c->image, alias, kind);
	mem_free(alias);
	return r;
}

static int make_all(
    struct preparation *p, const struct ctx *ctx, struct err *err)
{
	size_t n = p->job->nservices;

	TRY(make_network(p, ctx, err));
	if (p->job->has_container && make_job_container(p, ctx, err) != 0)
		return err_wrap(err, "the job's container");
	p->made->services = mem_calloc(n + 1, sizeof(*p->made->services));
	for (size_t i = 0; i < n; i++)
		if (make_service(p, ctx, i, err) != 0)
			return err_wrap(err, "service %zu", i);
	return 0;
}

static int await_all(
    struct preparation *p, const struct ctx *ctx, struct err *err)
{
	size_t n = 0, room = p->made->nservices + 1;
	struct health_watch *watches = mem_calloc(room, sizeof(*watches));
	int r;

	if (p->made->has_container)
		watches[n++] =
		    (struct health_watch){.id = p->made->container.id,
			.image = p->made->container.image,
			.is_job = true};
	for (size_t i = 0; i < p->made->nservices; i++)
		watches[n++] =
		    (struct health_watch){.id = p->made->services[i].id,
			.image = p->made->services[i].image};
	r = direct_await_health(p->d, ctx, watches, n, err);
	mem_free(watches);
	return r;
}

/* -- what the runner is told ------------------------------------------- */

/* An image without a shell is not Alpine. */
static int probe_alpine(
    struct preparation *p, const struct ctx *ctx, struct err *err)
{
	static const char *const argv[] = {"sh", "-c",
	    "for f in /etc/*release*; do while IFS= read -r l; do "
	    "printf '%s\\n' \"$l\"; done <\"$f\"; done 2>/dev/null",
	    NULL};
	CLEANUP(buf_fini) struct buf out = {.max = 65536};
	int code;

	if (direct_ask(p->d, ctx, p->made->container.id, argv, NULL, &out,
		&code, err) != 0) {
		if (err->kind != ERR_INVALID)
			return err_wrap(err, "look which system the image is");
		err_clear(err);
		return 0;
	}
	p->made->is_alpine = container_is_alpine(buf_str(&out));
	return 0;
}

/* A container that has ended since it was looked at: the end is the news, not
 * that it could not be asked. */
static int probe_or_tell(
    struct preparation *p, const struct ctx *ctx, struct err *err)
{
	struct err ended = ERR_INIT;

	if (probe_alpine(p, ctx, err) == 0)
		return 0;
	if (await_all(p, ctx, &ended) != 0)
		*err = ended;
	return -1;
}

static int read_made(struct preparation *p, const struct ctx *ctx,
    struct hook_made *made, bool is_job, struct err *err)
{
	json_t *doc;

	TRY(direct_document(p->d, ctx, made->id, &doc, err));
	made->ports = document_ports(doc);
	if (is_job)
		p->path = mem_strdup(document_path(doc));
	json_decref(doc);
	return 0;
}

/* The state carries what later steps need, so that they need not ask. */
static void make_state(struct preparation *p)
{
	json_t *state = json_object(), *services = json_array();

	json_object_set_new(state, "network", json_string(p->made->network));
	if (p->made->has_container) {
		json_object_set_new(
		    state, "container", json_string(p->made->container.id));
		json_object_set_new(state, "path", json_string(p->path));
	}
	for (size_t i = 0; i < p->made->nservices; i++)
		json_array_append_new(
		    services, json_string(p->made->services[i].id));
	json_object_set_new(state, "services", services);
	p->made->state = state;
}

static int prepare(
    struct preparation *p, const struct ctx *ctx, struct err *err)
{
	TRY(direct_find_paths(p->d, ctx, err));
	if (direct_remove_all(p->d, ctx, err) != 0)
		return err_wrap(err, "remove what an earlier job left");
	TRY(make_all(p, ctx, err));
	TRY(await_all(p, ctx, err));
	if (p->made->has_container) {
		TRY(read_made(p, ctx, &p->made->container, true, err));
		TRY(probe_or_tell(p, ctx, err));
	}
	for (size_t i = 0; i < p->made->nservices; i++)
		TRY(read_made(p, ctx, &p->made->services[i], false, err));
	make_state(p);
	return 0;
}

int direct_prepare_job(void *self, const struct ctx *ctx,
    const struct hook_envelope *job, struct hook_prepared *ret, struct err *err)
{
	CLEANUP(hook_prepared_fini) struct hook_prepared made = {.state = NULL};
	struct preparation p = {.d = self, .job = job, .made = &made};
	struct ctx root = ctx_root(), undo;
	struct err ignored = ERR_INIT;
	int r = prepare(&p, ctx, err);

	mem_free(p.path);
	if (r == 0) {
		*ret = made;
		made = (struct hook_prepared){.state = NULL};
		return 0;
	}
	undo = ctx_with_timeout(&root, UNDO_MS);
	/* cleanup_job and the next prepare_job try again. */
	IGNORE(direct_remove_all(p.d, &undo, &ignored));
	return -1;
}
