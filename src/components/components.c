/*
 * Begin and end of all that components do: see components.h. The threads are
 * those of the flows (flows.c) and of recovery (recover.c).
 */
#include "components/components.h"

#include <string.h>

#include "base/mem.h"
#include "components/flow.h"
#include "components/integrations.h"
#include "components/portal_lists.h"

/* A portal's word on components holds within what the hub gives a job. */
static void set_bounds(struct components *c, const struct app_docker *said)
{
	const struct options *o = c->config.options;

	c->build_ms = said->build_ms > 0 ? said->build_ms : o->build_ms;
	c->memory_max = o->memory_mb * 1024 * 1024;
	if (said->memory_bytes > 0 && said->memory_bytes < c->memory_max)
		c->memory_max = said->memory_bytes;
	c->cpus_max = o->cpu_limit;
	if (said->cpus > 0 && said->cpus < c->cpus_max)
		c->cpus_max = said->cpus;
}

int components_open(struct components **ret,
    const struct components_config *config, struct err *err)
{
	static const struct app_config nothing;
	const struct app_config *app =
	    config->app_config != NULL ? config->app_config : &nothing;
	struct components *c = mem_zalloc(sizeof(*c));

	c->config = *config;
	c->config.app_config = NULL; /* nobody's any more after this */
	c->ctx = ctx_root();
	c->cancel.fd = -1;
	c->portal_lists = portal_lists_new();
	c->tidy_at = CLOCK_NO_DEADLINE;
	faults_init(&c->faults);
	feed_init(&c->feed);
	mtx_init(&c->mtx, "components");
	cond_init(&c->changed);
	*ret = c;
	TRY(monitor_init(&c->monitor, err));
	TRY(cancel_init(&c->cancel, err));
	set_bounds(c, &app->docker);
	TRY(integrations_open(&c->sources, config->options, app, err));
	TRY(catalog_open(&c->catalog, config->options, app, c->sources, err));
	TRY(thread_start(&c->recovery, "components", recover_main, c, err));
	c->recovery_runs = true;
	return 0;
}

/* Each is told in the store that it is being stopped, should we die. */
static void end_all(struct components *c)
{
	CLEANUP(instance_list_free) struct instance_list l = {0};
	struct err err = ERR_INIT;

	if (store_instance_list(
		c->config.store, true, INSTANCE_LIST_MAX, &l, &err) < 0)
		return;
	for (size_t i = 0; i < l.n; i++)
		if (instance_move(c, &l.items[i], INSTANCE_STOPPING, &err) < 0)
			err_clear(&err); /* it ends by itself */
}

void components_stop(struct components *c, bool drain)
{
	struct flow *f;

	mtx_lock(&c->mtx);
	c->stopping = true;
	mtx_unlock(&c->mtx);
	cancel_now(&c->cancel);
	if (c->recovery_runs)
		thread_join(c->recovery);
	c->recovery_runs = false;
	monitor_stop(&c->monitor);
	spare_remove(c);
	if (drain)
		end_all(c);
	mtx_lock(&c->mtx);
	for (f = c->flows; f != NULL; f = f->next)
		flow_ask_locked(f, !drain);
	while ((f = c->flows) != NULL) {
		c->flows = f->next;
		mtx_unlock(&c->mtx);
		thread_join(f->thread);
		flow_free(f);
		mtx_lock(&c->mtx);
	}
	mtx_unlock(&c->mtx);
}

void components_close(struct components *c)
{
	if (c == NULL)
		return;
	ASSERT(c->flows == NULL);
	catalog_close(c->catalog);
	portal_lists_free(c->portal_lists);
	mem_free(c->absent);
	sources_close(c->sources);
	cancel_fini(&c->cancel);
	cond_fini(&c->changed);
	mtx_fini(&c->mtx);
	monitor_fini(&c->monitor);
	feed_fini(&c->feed);
	faults_fini(&c->faults);
	mem_free(c);
}
