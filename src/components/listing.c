/*
 * GET /components: what may be run, of the hub's own catalog and of the
 * portal's, and what is wrong with either. The thread of whoever asks.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "components/lookup.h"
#include "components/portal_lists.h"

/* -- an entity --------------------------------------------------------- */

static void optional(struct json *j, const char *key, const char *text)
{
	if (text != NULL)
		json_kstr(j, key, text);
}

static void write_links(const json_t *links, struct json *j)
{
	CLEANUP(mem_free) char *text = json_dumps(links, JSON_COMPACT);

	if (text != NULL)
		json_kraw(j, "links", text);
}

static void write_component(
    const struct entity *e, const char *catalog, struct json *j)
{
	CLEANUP(mem_free) char *ref = entity_component_ref(e);

	json_obj(j);
	json_kstr(j, "componentRef", ref);
	json_kstr(j, "kind", e->ref.kind);
	json_kstr(j, "namespace", e->ref.namespace);
	json_kstr(j, "name", e->ref.name);
	optional(j, "title", e->title);
	optional(j, "description", e->description);
	optional(j, "owner", e->owner);
	optional(j, "system", e->system);
	optional(j, "lifecycle", e->lifecycle);
	optional(j, "type", e->type);
	json_karr(j, "tags");
	for (char **t = e->tags; t != NULL && *t != NULL; t++)
		json_str(j, *t);
	json_end(j);
	if (e->links != NULL)
		write_links(e->links, j);
	optional(j, "source",
	    e->source_location != NULL ? e->source_location : e->managed_by);
	json_kstr(j, "catalog", catalog);
	json_end(j);
}

/* -- rows, in the order of their references ----------------------------- */

struct row {
	char *key; /* the reference in lower case */
	const struct entity *entity;
	const char *catalog;
};
struct rows {
	struct row *v;
	size_t n;
};

static void rows_fini_guard(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		mem_free(r->v[i].key);
	mem_free(r->v);
}

static void add(struct rows *r, const struct entity *e, const char *catalog)
{
	char *key = entity_component_ref(e);

	for (char *c = key; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	r->v = mem_realloc(r->v, (r->n + 1) * sizeof(*r->v));
	r->v[r->n++] = (struct row){key, e, catalog};
}

static int by_key(const void *a, const void *b)
{
	return strcmp(
	    ((const struct row *)a)->key, ((const struct row *)b)->key);
}

/* Of two of one name it is the hub's own that is run. */
static void collect(const struct catalog_view *view,
    const struct entity_list *portal, struct rows *r)
{
	for (size_t i = 0; i < view->n; i++)
		if (view->v[i]->entity.enabled)
			add(r, &view->v[i]->entity, "embedded");
	for (size_t i = 0; i < portal->n; i++)
		if (portal->v[i].enabled &&
		    catalog_find(view, &portal->v[i].ref) == NULL)
			add(r, &portal->v[i], "portal");
	if (r->n > 1)
		qsort(r->v, r->n, sizeof(*r->v), by_key);
}

static void write_rows(
    const struct rows *r, const struct component_page *page, struct json *j)
{
	int64_t limit = page->limit > 0 && page->limit < COMPONENTS_PAGE_MAX
			    ? page->limit
			    : COMPONENTS_PAGE_MAX;
	size_t i = 0, end;

	while (i < r->n && page->cursor != NULL &&
	       strcmp(r->v[i].key, page->cursor) <= 0)
		i++;
	end = r->n - i > (size_t)limit ? i + (size_t)limit : r->n;
	json_karr(j, "items");
	for (; i < end; i++)
		write_component(r->v[i].entity, r->v[i].catalog, j);
	json_end(j);
	json_kint(j, "total", (int64_t)r->n);
	if (end < r->n && end > 0)
		json_kstr(j, "nextCursor", r->v[end - 1].key);
}

/* -- what is wrong ------------------------------------------------------- */

static void write_problem(const struct catalog_problem *p, struct json *j)
{
	json_obj(j);
	json_kstr(j, "file", p->file);
	if (p->line > 0)
		json_kint(j, "line", p->line);
	if (p->column > 0)
		json_kint(j, "column", p->column);
	json_kstr(j, "severity", p->warning ? "warning" : "error");
	json_kstr(j, "text", p->text);
	json_end(j);
}

static void write_problems(const struct catalog_view *view, struct json *j)
{
	if (view->nproblems == 0)
		return;
	json_karr(j, "problems");
	for (size_t i = 0; i < view->nproblems; i++)
		write_problem(&view->problems[i], j);
	json_end(j);
}

/* Without the portal the rest is of use. */
static struct portal_list *ask_portal(struct components *c,
    const struct component_caller *by, struct catalog_view *view)
{
	struct portal_list *list = NULL;
	const char *why = portal_catalog_why_not(c, by);
	struct err err = ERR_INIT;
	struct problem p = {.warning = true};
	char text[sizeof(err.msg)];

	if (c->config.portal == NULL)
		return NULL;
	if (why == NULL)
		list = portal_list_get(c, by, &err);
	if (list != NULL)
		return list;
	snprintf(text, sizeof(text), "%s", why != NULL ? why : err.msg);
	p.text = text;
	p.warning = why != NULL;
	catalog_view_problem(view, "portal", &p);
	return NULL;
}

void components_catalog(struct components *c, const struct component_caller *by,
    const struct component_page *page, struct json *j)
{
	CLEANUP(catalog_view_fini) struct catalog_view view = {0};
	CLEANUP(rows_fini) struct rows rows = {0};
	static const struct entity_list none;
	struct portal_list *portal;

	catalog_look(c->catalog, &view);
	portal = ask_portal(c, by, &view);
	collect(&view, portal != NULL ? &portal->entities : &none, &rows);
	json_obj(j);
	write_rows(&rows, page, j);
	write_problems(&view, j);
	json_end(j);
	if (portal != NULL)
		portal_list_put(c, portal);
}

void components_budgets(struct components *c,
    void (*each)(void *arg, const struct component_budget *b), void *arg)
{
	const char *const *host = sources_hosts(c->sources);
	struct github_budget b;

	for (; *host != NULL; host++) {
		if (sources_budget(c->sources, *host, &b) == 0)
			continue;
		each(arg, &(struct component_budget){.host = *host,
			      .limit = b.limit,
			      .remaining = b.remaining,
			      .reset_at = b.reset_at,
			      .blocked_until = b.blocked_until,
			      .asked = b.asked,
			      .unchanged = b.unchanged});
	}
}
