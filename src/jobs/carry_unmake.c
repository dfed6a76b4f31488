/*
 * What was made for a session goes again: by its label, so that it does not
 * matter who made it and how far it came. Carriers at the end of a job, and
 * the collector for jobs that no carrier has.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/run.h"
#include "jobs/carry_made.h"
#include "jobs/externals.h"
#include "jobs/registries.h"

/* What is left is found by its label again. */
#define UNMAKE_MS INT64_C(120000)

struct removal {
	struct hub *hub;
	const struct ctx *ctx;
	char id[UUID_TEXT_LEN];
	const char *labels[3];
	char hub_label[128], session_label[96];
	struct err *err; /* the first failure */
	bool failed;
};

static void begin(struct removal *r, struct hub *h, const struct ctx *ctx,
    job_id id, struct err *err)
{
	*r = (struct removal){.hub = h, .ctx = ctx, .err = err};
	uuid_text(id.u, r->id);
	snprintf(r->hub_label, sizeof(r->hub_label), "runnerhub.hub=%s", h->id);
	snprintf(r->session_label, sizeof(r->session_label), PLACE_LABEL "=%s",
	    r->id);
	r->labels[0] = r->hub_label;
	r->labels[1] = r->session_label;
}

static void note(struct removal *r, int result, const struct err *err)
{
	if (result == 0 || r->failed)
		return;
	r->failed = true;
	*r->err = *err;
}

static void remove_containers(struct removal *r)
{
	CLEANUP(engine_container_list_free)
	struct engine_container_list l = {.n = 0};
	struct engine *e = r->hub->engine;
	struct err err = ERR_INIT;

	note(r, engine_container_list(e, r->ctx, r->labels, &l, &err), &err);
	for (size_t i = 0; i < l.n; i++) {
		err_clear(&err);
		note(r, engine_container_remove(e, r->ctx, l.items[i].id, &err),
		    &err);
	}
}

static void remove_images(struct removal *r)
{
	CLEANUP(engine_image_refs_free) char **refs = NULL;
	struct engine *e = r->hub->engine;
	struct err err = ERR_INIT;

	note(r, engine_image_list(e, r->ctx, r->labels, &refs, &err), &err);
	for (size_t i = 0; refs != NULL && refs[i] != NULL; i++) {
		err_clear(&err);
		note(r, engine_image_remove(e, r->ctx, refs[i], &err), &err);
	}
}

static void remove_volumes(struct removal *r)
{
	CLEANUP(engine_image_refs_free) char **names = NULL;
	struct engine *e = r->hub->engine;
	struct err err = ERR_INIT;

	note(r, engine_volume_list(e, r->ctx, r->labels, &names, &err), &err);
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		err_clear(&err);
		note(r, engine_volume_remove(e, r->ctx, names[i], &err), &err);
	}
}

int session_remove(
    struct hub *h, const struct ctx *ctx, job_id id, struct err *err)
{
	struct err failed = ERR_INIT;
	struct removal r;

	begin(&r, h, ctx, id, err);
	remove_containers(&r);
	FAULT("unmake_containers");
	remove_images(&r);
	note(&r, session_network_remove(h->sandboxes, ctx, r.id, &failed),
	    &failed);
	FAULT("unmake_network");
	remove_volumes(&r);
	return r.failed ? -1 : 0;
}

void carry_unmake(struct carry *c)
{
	struct ctx ctx = ctx_with_timeout(&c->ctx, UNMAKE_MS);
	struct err err = ERR_INIT;

	if (!carry_is_made(c) && c->job.session == NULL)
		return;
	if (session_remove(c->hub, &ctx, c->job.id, &err) < 0)
		log_warn(&c->ctx,
		    "cannot remove what the session made, the collector will",
		    LOG_ERR(&err));
}

/* -- sessions without a carrier ---------------------------------------- */

struct sweep {
	struct hub *hub;
	const struct ctx *ctx;
	job_id *ids; /* of jobs that are not open */
	size_t n;
};

/* 1 open, 0 not; an id that cannot be asked for counts as open. */
static bool is_open(struct hub *h, job_id id)
{
	CLEANUP(job_fini) struct job job = {.spec = NULL};
	struct err err = ERR_INIT;
	int found = store_job_get(h->store, id, &job, &err);

	return found < 0 || (found > 0 && !job_status_is_final(job.status));
}

static void consider(struct sweep *s, const char *text)
{
	job_id id;

	if (text == NULL || uuid_parse(text, &id.u) < 0)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (uuid_equal(s->ids[i].u, id.u))
			return;
	/* A carrier that still ends it removes it as well: no harm. */
	if (is_open(s->hub, id))
		return;
	s->ids = mem_realloc(s->ids, (s->n + 1) * sizeof(*s->ids));
	s->ids[s->n++] = id;
}

/* "runnerhub-w-<id>", "runnerhub-v-<id>-name", "runnerhub-step/<id>:tag" */
static void consider_name(struct sweep *s, const char *name)
{
	static const char *const prefixes[] = {
	    "runnerhub-w-", "runnerhub-v-", "runnerhub-step/"};
	char id[UUID_TEXT_LEN];

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], n) != 0)
			continue;
		snprintf(id, sizeof(id), "%s", name + n);
		consider(s, id);
	}
}

static int find_containers(
    struct sweep *s, const char *const *labels, struct err *err)
{
	CLEANUP(engine_container_list_free)
	struct engine_container_list l = {.n = 0};

	TRY(engine_container_list(s->hub->engine, s->ctx, labels, &l, err));
	for (size_t i = 0; i < l.n; i++)
		consider(s, engine_container_label(&l.items[i], PLACE_LABEL));
	return 0;
}

static int find_networks(
    struct sweep *s, const char *const *labels, struct err *err)
{
	CLEANUP(engine_network_list_free)
	struct engine_network_list l = {.n = 0};

	TRY(engine_network_list(s->hub->engine, s->ctx, labels, &l, err));
	for (size_t i = 0; i < l.n; i++)
		for (size_t k = 0; k < l.items[i].nlabels; k++)
			if (strcmp(l.items[i].labels[k].key, PLACE_LABEL) == 0)
				consider(s, l.items[i].labels[k].value);
	return 0;
}

static int find_names(
    struct sweep *s, const char *const *labels, struct err *err)
{
	CLEANUP(engine_image_refs_free) char **volumes = NULL;
	CLEANUP(engine_image_refs_free) char **images = NULL;

	TRY(engine_volume_list(s->hub->engine, s->ctx, labels, &volumes, err));
	for (char **name = volumes; *name != NULL; name++)
		consider_name(s, *name);
	TRY(engine_image_list(s->hub->engine, s->ctx, labels, &images, err));
	for (char **name = images; *name != NULL; name++)
		consider_name(s, *name);
	return 0;
}

static int sweep(struct sweep *s, struct err *err)
{
	char mine[128];
	const char *const labels[] = {mine, PLACE_LABEL, NULL};

	snprintf(mine, sizeof(mine), "runnerhub.hub=%s", s->hub->id);
	TRY(find_containers(s, labels, err));
	TRY(find_networks(s, labels, err));
	TRY(find_names(s, labels, err));
	for (size_t i = 0; i < s->n; i++)
		TRY(session_remove(s->hub, s->ctx, s->ids[i], err));
	return 0;
}

static bool still_open(void *arg, struct uuid job)
{
	return is_open(arg, (job_id){job});
}

int hub_sweep_sessions(struct hub *h, const struct ctx *ctx, struct err *err)
{
	struct sweep s = {.hub = h, .ctx = ctx};
	int r;

	registries_keep(h->registries, still_open, h);
	r = sweep(&s, err);
	if (r == 0)
		r = externals_sweep(h, ctx, false, err);
	if (r == 0 && s.n > 0)
		log_info(ctx, "removed what ended sessions had left",
		    LOG_INT("sessions", (int64_t)s.n));
	mem_free(s.ids);
	return r;
}
