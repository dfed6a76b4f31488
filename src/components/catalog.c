/*
 * The hub's own catalog, from outside: see catalog.h. Any thread; what
 * changes is guarded by c->mtx.
 */
#include "components/catalog.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "components/catalog_internal.h"

enum { PROBLEMS_KEPT = 500 };

/* -- views ------------------------------------------------------------- */

void catalog_view_fini(struct catalog_view *view)
{
	for (size_t i = 0; i < view->n; i++) {
		entity_fini(&view->v[i]->entity);
		mem_free(view->v[i]);
	}
	for (size_t i = 0; i < view->nproblems; i++) {
		mem_free(view->problems[i].file);
		mem_free(view->problems[i].text);
	}
	mem_free(view->v);
	mem_free(view->problems);
	map_fini(&view->by_ref);
	*view = (struct catalog_view){0};
}

bool catalog_view_is_whole(const struct catalog_view *view)
{
	size_t errors = 0;

	for (size_t i = 0; i < view->nproblems; i++)
		errors += !view->problems[i].warning;
	return errors + view->missing + view->stale == 0;
}

static uint64_t hash_of(const struct entity_ref *ref)
{
	CLEANUP(mem_free)
	char *text =
	    mem_printf("%s:%s/%s", ref->kind, ref->namespace, ref->name);

	for (char *c = text; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	return map_hash(text, strlen(text));
}

static bool is_ref(const struct map_node *node, const void *key)
{
	const struct catalog_item *item =
	    CONTAINER_OF(node, const struct catalog_item, node);

	return entity_ref_equal(&item->entity.ref, key);
}

const struct catalog_item *catalog_find(
    const struct catalog_view *view, const struct entity_ref *ref)
{
	const struct map_node *node =
	    map_find(&view->by_ref, hash_of(ref), is_ref, ref);

	return node != NULL
		   ? CONTAINER_OF(node, const struct catalog_item, node)
		   : NULL;
}

bool catalog_view_add(struct catalog_view *view, struct entity *e, bool local)
{
	struct catalog_item *item;

	if (catalog_find(view, &e->ref) != NULL) {
		entity_fini(e);
		return false;
	}
	item = mem_zalloc(sizeof(*item));
	item->entity = *e;
	item->local = local;
	*e = (struct entity){0};
	map_insert(&view->by_ref, &item->node, hash_of(&item->entity.ref));
	view->v = mem_realloc(view->v, (view->n + 1) * sizeof(*view->v));
	view->v[view->n++] = item;
	return true;
}

void catalog_view_problem(
    struct catalog_view *view, const char *file, const struct problem *p)
{
	if (view->nproblems == PROBLEMS_KEPT)
		return;
	view->problems = mem_realloc(
	    view->problems, (view->nproblems + 1) * sizeof(*view->problems));
	view->problems[view->nproblems++] =
	    (struct catalog_problem){.file = mem_strdup(file),
		.line = p->line,
		.column = p->column,
		.warning = p->warning,
		.text = mem_strdup(p->text)};
}

/* -- its places -------------------------------------------------------- */

static bool is_url(const char *text)
{
	static const char *const begins[] = {
	    "url:", "http://", "https://", "git+", "ssh://", "git@"};

	for (size_t i = 0; i < ARRAY_LEN(begins); i++)
		if (strncasecmp(text, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

static void add_place(
    struct catalog *c, const char *text, bool url, const char *where)
{
	c->places =
	    mem_realloc(c->places, (c->nplaces + 1) * sizeof(*c->places));
	c->places[c->nplaces++] =
	    (struct catalog_place){.text = mem_strdup(text),
		.is_url = url,
		.where = mem_strdup(where)};
}

static void add_places(struct catalog *c, const char *csv)
{
	CLEANUP(mem_free) char *copy = mem_strdup(csv);
	char *save, *place = strtok_r(copy, ",", &save);

	for (; place != NULL; place = strtok_r(NULL, ",", &save)) {
		size_t n;

		place += strspn(place, " ");
		n = strlen(place);
		while (n > 0 && place[n - 1] == ' ')
			place[--n] = '\0';
		if (n > 0)
			add_place(
			    c, place, is_url(place), "components.catalog");
	}
}

/* -- from open to close ------------------------------------------------ */

static void tell_problems(const struct catalog_view *view)
{
	for (size_t i = 0; i < view->nproblems; i++)
		log_warn(NULL, "a problem in the catalog",
		    LOG_STR("file", view->problems[i].file),
		    LOG_INT("line", view->problems[i].line),
		    LOG_STR("problem", view->problems[i].text));
}

int catalog_open(struct catalog **ret, const struct options *o,
    const struct app_config *app, struct sources *sources, struct err *err)
{
	CLEANUP(catalog_view_fini) struct catalog_view first = {0};
	struct catalog *c = mem_zalloc(sizeof(*c));

	c->sources = sources;
	c->refresh_ms = o->catalog_refresh_ms;
	if (o->state_dir != NULL)
		c->copies = mem_printf("%s/catalog", o->state_dir);
	c->ctx = ctx_root();
	c->cancel.fd = -1;
	mtx_init(&c->mtx, "catalog");
	cond_init(&c->changed);
	if (o->catalog != NULL)
		add_places(c, o->catalog);
	for (size_t i = 0; i < app->nlocations; i++)
		add_place(c, app->locations[i].target, app->locations[i].is_url,
		    app->locations[i].where);
	if (cancel_init(&c->cancel, err) < 0) {
		catalog_close(c);
		return -1;
	}
	catalog_look(c, &first);
	tell_problems(&first);
	*ret = c;
	return 0;
}

bool catalog_has_places(const struct catalog *c)
{
	return c->nplaces > 0;
}

void catalog_look(struct catalog *c, struct catalog_view *ret)
{
	*ret = (struct catalog_view){0};
	catalog_walk(c, ret);
}

void catalog_close(struct catalog *c)
{
	if (c == NULL)
		return;
	remote_fini(c);
	for (size_t i = 0; i < c->nplaces; i++) {
		mem_free(c->places[i].text);
		mem_free(c->places[i].where);
	}
	mem_free(c->places);
	mem_free(c->copies);
	cancel_fini(&c->cancel);
	cond_fini(&c->changed);
	mtx_fini(&c->mtx);
	mem_free(c);
}
