/*
 * A start: the entity is looked up, the instance admitted, and from there on a
 * flow carries it. The thread of whoever asks.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "components/flow.h"

enum { PING_MS = 5000 };

/* The catalog's own spelling of the reference, and whose it is. For mem_free.
 */
static int resolve(struct components *c, const char *text, char **ret,
    char **ret_owner, struct err *err)
{
	CLEANUP(catalog_fini) struct catalog catalog = {0};
	struct entity_ref ref = {0};
	const struct entity *e;

	TRY(entity_ref_parse(text, &ref, err));
	if (catalog_read(c->config.options->catalog, &catalog, err) < 0) {
		entity_ref_fini(&ref);
		return -1;
	}
	e = catalog_find(&catalog, &ref);
	entity_ref_fini(&ref);
	if (e == NULL)
		return err_set(err, ERR_NOT_FOUND, "entity_not_found",
		    "Entity not found: %.200s", text);
	if (!e->enabled)
		return err_set(err, ERR_INVALID, "not_enabled",
		    "Component is not enabled for runner");
	*ret = entity_component_ref(e);
	*ret_owner = entity_owner_ref(e);
	return 0;
}

static int check_engine(struct components *c, struct err *err)
{
	struct ctx limited = ctx_with_timeout(&c->ctx, PING_MS);

	if (engine_ping(c->config.engine, &limited, err) == 0)
		return components_await_recovery(c, err);
	err->kind = ERR_UNAVAILABLE;
	return fault_set(err, FAULT_ENGINE_DOWN);
}

static int admit(struct components *c, const char *component_ref,
    const char *owner, const struct component_caller *by, instance_id *ret,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = 64 * 1024};
	struct instance_admission wanted = {.component_ref = component_ref,
	    .owner = owner,
	    .started_by = by->subject,
	    .max = c->config.options->components_max};
	struct deployment first;
	struct json j;

	deployment_begin(&first, clock_wall_ns());
	json_init(&j, &text);
	deployment_write(&first, &j);
	wanted.progress = buf_str(&text);
	return store_instance_admit(c->config.store, &wanted, ret, err);
}

/* Nobody carries it: it must not hold the place. */
static void give_up(struct components *c, instance_id id, const struct err *why)
{
	const struct instance_change change = {.to = INSTANCE_ERROR,
	    .error_code = FAULT_UNKNOWN,
	    .error = why->msg};
	struct err err = ERR_INIT;

	if (store_instance_change(c->config.store, id, &change, &err) < 0)
		log_error(&c->ctx, "cannot end an instance", LOG_ERR(&err));
}

int components_start(struct components *c, const char *entity_ref,
    const struct component_caller *by, struct instance *ret, struct err *err)
{
	CLEANUP(mem_free) char *component_ref = NULL;
	CLEANUP(mem_free) char *owner = NULL;
	CLEANUP(instance_fini) struct instance made = {0};
	char id_text[UUID_TEXT_LEN];
	instance_id id;

	TRY(resolve(c, entity_ref, &component_ref, &owner, err));
	TRY(check_engine(c, err));
	TRY(admit(c, component_ref, owner, by, &id, err));
	TRY(store_instance_get(c->config.store, id, &made, err));
	if (flow_launch(c, &made, err) < 0) {
		give_up(c, id, err);
		return -1;
	}
	feed_changed(&c->feed, id);
	log_info(&c->ctx, "instance admitted",
	    LOG_STR("instance", uuid_text(id.u, id_text)),
	    LOG_STR("component", component_ref),
	    LOG_STR("by", by->subject != NULL ? by->subject : "this machine"));
	*ret = made;
	made = (struct instance){0};
	return 0;
}
