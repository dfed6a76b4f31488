/*
 * ~ The direct backend's object and its broom. A job's things are found by
 * one label with the runner's id, never by the state that the runner keeps:
 * so cleanup works after any crash, and twice.
 */
#include "hook/direct.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "hook/direct_internal.h"

/* The same runner name may stand on this machine twice (two repositories):
 * its temporary directory tells them apart. */
static void set_identity(struct direct *d)
{
	char *text = mem_printf("%s\n%s", d->settings->runner,
	    d->settings->temp != NULL ? d->settings->temp : "");

	snprintf(d->id, sizeof(d->id), "%016llx",
	    (unsigned long long)map_hash(text, strlen(text)));
	snprintf(d->label, sizeof(d->label), DIRECT_LABEL "=%s", d->id);
	snprintf(
	    d->volume_prefix, sizeof(d->volume_prefix), "runnerhub-%s-", d->id);
	mem_free(text);
}

int direct_new(
    struct direct **ret, const struct hook_settings *settings, struct err *err)
{
	struct engine *engine = NULL;
	struct direct *d;

	TRY(engine_open(&engine, settings->engine, err));
	d = mem_zalloc(sizeof(*d));
	d->settings = settings;
	d->engine = engine;
	set_identity(d);
	*ret = d;
	return 0;
}

void direct_free(struct direct *d)
{
	if (d == NULL)
		return;
	paths_fini(&d->paths);
	engine_close(d->engine);
	mem_free(d);
}

struct direct_labels direct_labels(const struct direct *d)
{
	return (struct direct_labels){
	    .body = {{DIRECT_LABEL, d->id},
		{DIRECT_LABEL ".runner", d->settings->runner}},
	    .pairs = {{DIRECT_LABEL, d->id},
		{DIRECT_LABEL ".runner", d->settings->runner}},
	};
}

int direct_network(struct direct *d, const struct ctx *ctx,
    char ret_name[DIRECT_NETWORK_LEN], struct err *err)
{
	struct direct_labels labels = direct_labels(d);
	const struct engine_network_spec spec = {
	    .name = ret_name, .icc = true, .labels = labels.pairs};
	char unique[17], id[ENGINE_ID_LEN];

	snprintf(ret_name, DIRECT_NETWORK_LEN, "runnerhub-hook-%s",
	    random_hex(unique, 8));
	return engine_network_create(d->engine, ctx, &spec, id, err);
}

/* -- the broom --------------------------------------------------------- */

/* Keeps the first failure and lets the sweep go on. */
static void note(int result, const struct err *failed, struct err *first)
{
	if (result != 0 && first->kind == ERR_NONE)
		*first = *failed;
}

static void sweep_containers(
    struct direct *d, const struct ctx *ctx, struct err *first)
{
	CLEANUP(engine_container_list_free)
	struct engine_container_list list = {.n = 0};
	const char *labels[] = {d->label, NULL};
	struct err err = ERR_INIT;

	note(engine_container_list(d->engine, ctx, labels, &list, &err), &err,
	    first);
	for (size_t i = 0; i < list.n; i++) {
		err_clear(&err);
		note(engine_container_remove(
			 d->engine, ctx, list.items[i].id, &err),
		    &err, first);
	}
}

static void sweep_networks(
    struct direct *d, const struct ctx *ctx, struct err *first)
{
	CLEANUP(engine_network_list_free)
	struct engine_network_list list = {.n = 0};
	const char *labels[] = {d->label, NULL};
	struct err err = ERR_INIT;

	note(engine_network_list(d->engine, ctx, labels, &list, &err), &err,
	    first);
	for (size_t i = 0; i < list.n; i++) {
		err_clear(&err);
		note(engine_network_remove(
			 d->engine, ctx, list.items[i].name, &err),
		    &err, first);
	}
}

/* Images built for container steps; one in use by somebody else stays. */
static void sweep_images(
    struct direct *d, const struct ctx *ctx, struct err *first)
{
	CLEANUP(engine_image_refs_free) char **refs = NULL;
	const char *labels[] = {d->label, NULL};
	struct err err = ERR_INIT;

	note(engine_image_list(d->engine, ctx, labels, &refs, &err), &err,
	    first);
	for (char **r = refs; r != NULL && *r != NULL; r++) {
		err_clear(&err);
		if (engine_image_remove(d->engine, ctx, *r, &err) != 0 &&
		    err.kind != ERR_CONFLICT)
			note(-1, &err, first);
	}
}

int direct_remove_all(struct direct *d, const struct ctx *ctx, struct err *err)
{
	struct err first = ERR_INIT;

	sweep_containers(d, ctx, &first);
	sweep_networks(d, ctx, &first);
	sweep_images(d, ctx, &first);
	if (first.kind == ERR_NONE)
		return 0;
	*err = first;
	return -1;
}

static int cleanup_job(
    void *self, const struct ctx *ctx, const json_t *state, struct err *err)
{
	(void)state; /* the label knows more */
	if (direct_remove_all(self, ctx, err) != 0)
		return err_wrap(err, "remove the job's containers");
	return 0;
}

static const struct backend_ops ops = {.prepare_job = direct_prepare_job,
    .run_script_step = direct_run_script_step,
    .run_container_step = direct_run_container_step,
    .cleanup_job = cleanup_job};

struct backend direct_backend(struct direct *d)
{
	return (struct backend){.ops = &ops, .self = d};
}
