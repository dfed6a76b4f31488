/*
 * What the portal's catalog says. What the hub's own token sees is kept for a
 * few seconds; what users see is asked for each time. The caller's thread.
 */
#include <string.h>

#include "base/mem.h"
#include "portal/portal_internal.h"

#define BY_NAME "/api/catalog/entities/by-name"
#define QUERY   "/api/catalog/entities/by-query"
#define FIELDS  "fields=apiVersion,kind,metadata,spec,relations"
#define FILTER                                                                 \
	"filter=metadata.annotations.runner.backstage.io%2Fenabled%3Dtrue"

enum {
	KEEP_S = 15,
	ENTITY_MAX = 1 << 20,
	PAGE_MAX = 16 << 20,
	PAGE = 100,
	PAGES_MAX = 500, /* a portal may give less a page than it is asked */
	ENTITIES_MAX = 5000,
	NAME_MAX_LEN = 256,
	CURSOR_MAX = 16 * 1024,
	PATH_MAX_LEN = 64 * 1024,
};

/* Whom we ask for. *ret is borrowed from the portal, or owned: *own. */
static int bearer_of(struct portal *p, const char *token,
    const struct secret **ret, struct secret **own, struct err *err)
{
	if (token != NULL && !portal_may_send(token))
		return portal_refuse(err, "Illegal token");
	if (token != NULL)
		*own = secret_new(token, strlen(token));
	*ret = token != NULL ? *own : p->token;
	if (*ret != NULL)
		return 0;
	return err_set(err, ERR_INVALID, "portal_no_token",
	    "the hub has no token of its own for %s: set portal.token "
	    "(RUNNERHUB_PORTAL_TOKEN) to one of the portal's "
	    "backend.auth.externalAccess",
	    p->url);
}

/* As portal_get; what the hub itself may see is kept for a moment. */
static int get(struct portal *p, const struct ctx *ctx,
    const struct portal_call *call, json_t **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf body = {.max = call->max};
	bool own = call->token == p->token;

	if (own && kept_get(p->catalog, call->path, &body)) {
		*ret = portal_parse(&body);
		return 0;
	}
	TRY(portal_get(p, ctx, call, ret, &body, err));
	if (own && *ret != NULL)
		kept_put(p->catalog, call->path, &body,
		    clock_mono_ns() + KEEP_S * CLOCK_NS_PER_S);
	return 0;
}

static bool is_entity(const json_t *entity)
{
	return json_is_string(json_object_get(entity, "kind")) &&
	       json_is_string(json_object_get(
		   json_object_get(entity, "metadata"), "name"));
}

/* -- one ----------------------------------------------------------------------
 */

/* "/default" of a path, encoded; false: no name of anything. */
static bool add_segment(struct buf *path, const char *name)
{
	size_t n = strlen(name);

	/* Names of dots alone would climb. */
	return n > 0 && n <= NAME_MAX_LEN && strspn(name, ".") < n &&
	       buf_append_char(path, '/') == 0 && web_encode(path, name) == 0;
}

int portal_entity(struct portal *p, const struct ctx *ctx, const char *token,
    const char *kind, const char *namespace, const char *name, json_t **ret,
    struct err *err)
{
	CLEANUP(secret_free) struct secret *own = NULL;
	CLEANUP(buf_fini) struct buf path = {.max = PATH_MAX_LEN};
	CLEANUP(portal_json_free) json_t *entity = NULL;
	struct portal_call call = {
	    .what = "read an entity of its catalog", .max = ENTITY_MAX};

	*ret = NULL;
	TRY(bearer_of(p, token, &call.token, &own, err));
	if (buf_append_str(&path, BY_NAME) < 0 || !add_segment(&path, kind) ||
	    !add_segment(&path, namespace) || !add_segment(&path, name))
		return 0;
	call.path = buf_str(&path);
	TRY(get(p, ctx, &call, &entity, err));
	if (entity == NULL)
		return 0;
	if (!is_entity(entity))
		return portal_not_one(p, call.what, err);
	*ret = STEAL(entity);
	return 1;
}

/* -- all ----------------------------------------------------------------------
 */

struct listing {
	int (*each)(void *arg, const json_t *entity, struct err *err);
	void *arg;
	size_t n;
};

static int take_page(const struct portal *p, const json_t *page,
    struct listing *l, const char *what, struct err *err)
{
	const json_t *items = json_object_get(page, "items"), *one;
	size_t i;

	if (!json_is_array(items))
		return portal_not_one(p, what, err);
	json_array_foreach(items, i, one)
	{
		if (l->n == ENTITIES_MAX)
			return 0;
		if (!is_entity(one))
			return portal_not_one(p, what, err);
		TRY(l->each(l->arg, one, err));
		l->n++;
	}
	return 0;
}

/* The path of what follows page; false: nothing does. */
static bool next_path(const json_t *page, struct buf *path)
{
	const char *cursor = json_string_value(
	    json_object_get(json_object_get(page, "pageInfo"), "nextCursor"));

	if (cursor == NULL || *cursor == '\0' || strlen(cursor) > CURSOR_MAX)
		return false;
	buf_clear(path);
	return buf_printf(
		   path, "%s?limit=%d&%s&cursor=", QUERY, PAGE, FIELDS) == 0 &&
	       web_encode(path, cursor) == 0;
}

int portal_entities(struct portal *p, const struct ctx *ctx, const char *token,
    int (*each)(void *arg, const json_t *entity, struct err *err), void *arg,
    struct err *err)
{
	CLEANUP(secret_free) struct secret *own = NULL;
	CLEANUP(buf_fini) struct buf path = {.max = PATH_MAX_LEN};
	struct portal_call call = {.what = "list its catalog", .max = PAGE_MAX};
	struct listing l = {.each = each, .arg = arg};
	bool more = true;

	TRY(bearer_of(p, token, &call.token, &own, err));
	IGNORE(buf_printf(&path, "%s?limit=%d&%s&%s", QUERY, PAGE, FIELDS,
	    FILTER "&orderField=metadata.name%2Casc"));
	for (int i = 0; more && i < PAGES_MAX && l.n < ENTITIES_MAX; i++) {
		CLEANUP(portal_json_free) json_t *page = NULL;

		call.path = buf_str(&path);
		TRY(get(p, ctx, &call, &page, err));
		TRY(take_page(p, page, &l, call.what, err));
		more = next_path(page, &path);
	}
	return 0;
}
