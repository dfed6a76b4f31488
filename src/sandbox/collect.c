/*
 * What the engine has and the registry has not, and the other way round:
 * containers that nobody owns, sandboxes whose container is gone. Called by
 * the watcher and the chores, whatever they interrupt; the mutex is never
 * held over a call to the engine.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sandbox/sandbox_internal.h"

/* -- what could not be removed yet ------------------------------------- */

struct owed {
	char id[UUID_TEXT_LEN]; /* of the sandbox */
	uint32_t address;       /* stays taken: it may still answer */
	struct owed *next;
};

void sandbox_owe(struct sandboxes *s, const char *id, uint32_t address)
{
	struct owed *o = mem_zalloc(sizeof(*o));

	snprintf(o->id, sizeof(o->id), "%s", id);
	o->address = address;
	mtx_lock(&s->mtx);
	o->next = s->owed;
	s->owed = o;
	mtx_unlock(&s->mtx);
}

static struct owed *take_owed(struct sandboxes *s, const char *id)
{
	struct owed *found = NULL;

	mtx_lock(&s->mtx);
	for (struct owed **p = &s->owed; *p != NULL; p = &(*p)->next)
		if (strcmp((*p)->id, id) == 0) {
			found = *p;
			*p = found->next;
			break;
		}
	mtx_unlock(&s->mtx);
	return found;
}

/* One of an earlier hub: nobody else may get its address meanwhile. */
static void owe_leftover(struct sandboxes *s, const char *id)
{
	struct sandbox left = {.address = 0};
	struct owed *known = take_owed(s, id);
	struct err err = ERR_INIT;
	uint64_t nonce;

	if (known != NULL) {
		sandbox_owe(s, id, known->address);
		mem_free(known);
		return;
	}
	snprintf(left.id, sizeof(left.id), "%s", id);
	if (sandbox_files_load_meta(s, &left, &nonce, &err) == 0 &&
	    network_reserve_address(s->network, left.address))
		sandbox_owe(s, id, left.address);
}

void sandbox_settle(struct sandboxes *s, const char *id)
{
	struct owed *o = take_owed(s, id);

	sandbox_files_remove(s, id);
	if (o == NULL)
		return;
	network_give_address(s->network, o->address);
	mem_free(o);
}

void sandbox_forget_owed(struct sandboxes *s)
{
	struct owed *o;

	while ((o = s->owed) != NULL) { /* the next hub finds them by label */
		s->owed = o->next;
		mem_free(o);
	}
}

/* -- registry and engine ----------------------------------------------- */

static int list_ours(struct sandboxes *s, const struct ctx *ctx,
    struct engine_container_list *ret, struct err *err)
{
	char hub[128];
	/* The type is set on each container of ours; the rest of the labels
	 * may be an image's own words. */
	const char *labels[] = {
	    "runnerhub.managed=true", "runnerhub.type=sandbox", hub, NULL};

	snprintf(hub, sizeof(hub), "runnerhub.hub=%s", s->config.hub_id);
	return engine_container_list(s->config.engine, ctx, labels, ret, err);
}

static const struct engine_container *find_container(
    const struct engine_container_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].id, id) == 0)
			return &l->items[i];
	return NULL;
}

int sandboxes_reconcile(
    struct sandboxes *s, const struct ctx *ctx, bool restarted, struct err *err)
{
	CLEANUP(engine_container_list_free)
	struct engine_container_list l = {0};
	int64_t asked = clock_wall_ns();

	TRY(list_ours(s, ctx, &l, err));
	mtx_lock(&s->mtx);
	for (struct sandbox *sb = s->live; sb != NULL; sb = sb->next) {
		const struct engine_container *c =
		    find_container(&l, sb->container_id);

		/* One being started is its starter's business. */
		if (sb->ready_ns == 0 || sb->ready_ns > asked)
			continue;
		if (c == NULL || strcmp(c->state, "running") != 0)
			sandbox_mark_died(
			    sb, c != NULL ? c->exit_code : -1, restarted);
	}
	mtx_unlock(&s->mtx);
	return 0;
}

int sandboxes_collect(struct sandboxes *s, const struct ctx *ctx,
    bool (*keep)(void *arg, const char *container_id, const char *sandbox_id),
    void *arg, struct err *err)
{
	CLEANUP(engine_container_list_free)
	struct engine_container_list l = {0};
	struct err failed = ERR_INIT;
	int removed = 0;

	TRY(list_ours(s, ctx, &l, err));
	for (size_t i = 0; i < l.n; i++) {
		const char *id =
		    engine_container_label(&l.items[i], "runnerhub.sandbox.id");

		if (id == NULL || sandboxes_is_live(s, id) ||
		    keep(arg, l.items[i].id, id))
			continue;
		if (sandbox_remove_container(s, ctx, l.items[i].id, &failed) <
		    0) {
			log_warn(ctx,
			    "cannot remove a leftover container, "
			    "trying again later",
			    LOG_STR("container", l.items[i].id),
			    LOG_ERR(&failed));
			owe_leftover(s, id);
			continue;
		}
		sandbox_settle(s, id);
		removed++;
	}
	sandbox_files_sweep(s, &l);
	return removed;
}
