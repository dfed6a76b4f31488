/* The portal's catalog: see portal_catalog.h. The thread of whoever asks. */
#include "components/portal_catalog.h"

#include "base/log.h"
#include "base/mem.h"
#include "portal/portal.h"

enum { ASK_MS = 10000 };

const char *portal_catalog_why_not(
    const struct components *c, const struct component_caller *by)
{
	if (c->config.portal == NULL)
		return "no portal is configured (RUNNERHUB_PORTAL_URL)";
	if (by->portal_token == NULL && c->config.options->portal_token == NULL)
		return "the portal is not asked: the request bears no user's "
		       "token, and the hub has none of its own "
		       "(RUNNERHUB_PORTAL_TOKEN)";
	return NULL;
}

/* Half of the handler threads may wait for the portal. */
int portal_catalog_wait_begin(struct components *c, struct err *err)
{
	int64_t seats = c->config.options->workers / 2;
	bool taken;

	mtx_lock(&c->mtx);
	taken = c->asking_portal < (seats > 0 ? seats : 1);
	c->asking_portal += taken;
	mtx_unlock(&c->mtx);
	if (taken)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "portal_down",
	    "too many requests wait for the portal's catalog: try again");
}

void portal_catalog_wait_end(struct components *c)
{
	mtx_lock(&c->mtx);
	c->asking_portal--;
	mtx_unlock(&c->mtx);
}

int portal_catalog_get(struct components *c, const struct component_caller *by,
    const struct entity_ref *ref, struct entity *ret, struct err *err)
{
	struct ctx ctx = ctx_with_timeout(&c->ctx, ASK_MS);
	json_t *o = NULL;
	int r;

	TRY(portal_catalog_wait_begin(c, err));
	r = portal_entity(c->config.portal, &ctx, by->portal_token, ref->kind,
	    ref->namespace, ref->name, &o, err);
	portal_catalog_wait_end(c);
	if (r > 0 && entity_from_json(o, ret, err) < 0)
		r = -1;
	json_decref(o);
	return r;
}

void entity_list_fini(struct entity_list *l)
{
	entities_free(l->v, l->n);
	*l = (struct entity_list){0};
}

static int take(void *arg, const json_t *o, struct err *err)
{
	struct entity_list *l = arg;
	struct entity e;

	if (entity_from_json(o, &e, err) < 0) { /* the others are of use */
		log_debug(
		    NULL, "an entity of the portal is left out", LOG_ERR(err));
		err_clear(err);
		return 0;
	}
	l->v = mem_realloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = e;
	return 0;
}

int portal_catalog_list(struct components *c, const struct component_caller *by,
    struct entity_list *ret, struct err *err)
{
	struct ctx ctx = ctx_with_timeout(&c->ctx, ASK_MS);
	CLEANUP(entity_list_fini) struct entity_list l = {0};
	int r;

	TRY(portal_catalog_wait_begin(c, err));
	r = portal_entities(
	    c->config.portal, &ctx, by->portal_token, take, &l, err);
	portal_catalog_wait_end(c);
	TRY(r);
	*ret = l;
	l = (struct entity_list){0};
	return 0;
}
