/*
 * What the hub takes of app-config.yaml: the GitHubs and their tokens, the
 * places of catalogs, the portal's own address. Called by app_config.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parse.h"
#include "components/app_config_internal.h"

enum { LIST_MAX = 200 };

static int count(const struct app_item *list, size_t *ret, struct err *err)
{
	size_t n = 0;

	*ret = 0;
	if (list->item == NULL)
		return 0;
	if (list->item->kind != YAML_LIST)
		return app_error(list, err, "expected a list");
	for (const struct yaml_item *i = list->item->first; i; i = i->next)
		n++;
	if (n > LIST_MAX)
		return app_error(list, err, "more than %d of them", LIST_MAX);
	*ret = n;
	return 0;
}

static void note(
    struct app_config *a, const struct app_item *at, const char *what)
{
	a->notes = mem_realloc(a->notes, (a->nnotes + 1) * sizeof(*a->notes));
	a->notes[a->nnotes++] =
	    app_keep(a, mem_printf("%s:%d: %s %s", at->file->path, at->line,
			    at->path, what));
}

/* -- integrations.github ----------------------------------------------- */

static int take_owners(struct app_reader *r, const struct app_item *list,
    const char *const **ret, struct err *err)
{
	const char **owners;
	size_t n, i = 0;

	TRY(count(list, &n, err));
	if (n == 0)
		return 0;
	owners = mem_calloc(n + 1, sizeof(*owners));
	*ret = owners;
	for (const struct yaml_item *item = list->item->first; item != NULL;
	     item = item->next, i++) {
		struct app_item at = app_element(list, item, i);

		TRY(app_text_required(r->a, &at, &owners[i], err));
	}
	return 0;
}

static int take_app(struct app_reader *r, struct app_item at,
    struct github_app *ret, struct err *err)
{
	struct app_item id, key, owners;

	TRY(app_follow_include(r, &at, err));
	if (at.item == NULL || at.item->kind != YAML_MAP)
		return app_error(
		    &at, err, "expected a map with appId and privateKey");
	id = app_child(&at, "appId");
	key = app_child(&at, "privateKey");
	owners = app_child(&at, "allowedInstallationOwners");
	TRY(app_text_required(r->a, &id, &ret->id, err));
	TRY(app_text_required(r->a, &key, &ret->key, err));
	return take_owners(r, &owners, &ret->owners, err);
}

static int take_apps(struct app_reader *r, const struct app_item *list,
    struct integration *ret, struct err *err)
{
	struct github_app *apps;
	size_t n, i = 0;

	TRY(count(list, &n, err));
	if (n > GITHUB_APPS_MAX)
		return app_error(
		    list, err, "more than %d of them", GITHUB_APPS_MAX);
	if (n == 0)
		return 0;
	apps = mem_calloc(n, sizeof(*apps));
	ret->apps = apps;
	ret->napps = n;
	for (const struct yaml_item *item = list->item->first; item != NULL;
	     item = item->next, i++)
		TRY(take_app(r, app_element(list, item, i), &apps[i], err));
	return 0;
}

/* A host alone, with its port: no scheme, no path, no user. */
static bool is_host(const char *text)
{
	return strpbrk(text, "/?#@ \\") == NULL && *text != ':';
}

static int take_integration(struct app_reader *r, const struct app_item *at,
    struct integration *ret, struct err *err)
{
	struct app_item host = app_child(at, "host");
	struct app_item api = app_child(at, "apiBaseUrl");
	struct app_item token = app_child(at, "token");
	struct app_item apps = app_child(at, "apps");

	if (at->item->kind != YAML_MAP)
		return app_error(at, err, "expected a map with host, token");
	TRY(app_text(r->a, &host, &ret->host, err));
	if (ret->host == NULL || *ret->host == '\0')
		ret->host = "github.com";
	if (!is_host(ret->host))
		return app_error(&host, err,
		    "expected a host such as github.com, without https://");
	TRY(app_text(r->a, &api, &ret->api_base_url, err));
	TRY(app_text(r->a, &token, &ret->token, err));
	if (ret->token != NULL && *ret->token == '\0')
		ret->token = NULL;
	return take_apps(r, &apps, ret, err);
}

static int take_integrations(struct app_reader *r, struct err *err)
{
	struct app_item list = app_look_up(r, "integrations.github");
	struct app_config *a = r->a;
	size_t n, i = 0;

	TRY(count(&list, &n, err));
	a->integrations = mem_calloc(n + 1, sizeof(*a->integrations));
	if (n == 0)
		return 0;
	for (const struct yaml_item *item = list.item->first; item != NULL;
	     item = item->next, i++) {
		struct app_item at = app_element(&list, item, i);

		a->nintegrations = i + 1; /* also half of one is freed */
		TRY(take_integration(r, &at, &a->integrations[i], err));
	}
	return 0;
}

/* -- catalog.locations ------------------------------------------------- */

/* A portal takes a path from where its backend runs: beside app-config.yaml,
 * or, in its own repository, packages/backend. */
static char *place_file(const char *config, const char *target)
{
	const char *slash = strrchr(config, '/');
	int dir = slash != NULL ? (int)(slash + 1 - config) : 0;
	char *beside = mem_printf("%.*s%s", dir, config, target);
	CLEANUP(mem_free)
	char *backend =
	    mem_printf("%.*spackages/backend/%s", dir, config, target);

	if (*target == '/') {
		mem_free(beside);
		return mem_strdup(target);
	}
	if (access(beside, F_OK) == 0 || access(backend, F_OK) != 0)
		return beside;
	mem_free(beside);
	return STEAL(backend);
}

static int take_location(
    struct app_reader *r, const struct app_item *at, struct err *err)
{
	struct app_item type = app_child(at, "type");
	struct app_item target = app_child(at, "target");
	struct app_location *made = &r->a->locations[r->a->nlocations];
	const char *kind = NULL;

	if (at->item->kind != YAML_MAP)
		return app_error(at, err, "expected a map with type, target");
	TRY(app_text(r->a, &type, &kind, err));
	if (kind == NULL ||
	    (strcmp(kind, "url") != 0 && strcmp(kind, "file") != 0)) {
		note(
		    r->a, at, "is not taken: its type is neither url nor file");
		return 0;
	}
	TRY(app_text_required(r->a, &target, &made->target, err));
	made->is_url = strcmp(kind, "url") == 0;
	if (!made->is_url)
		made->target =
		    app_keep(r->a, place_file(at->file->path, made->target));
	made->where =
	    app_keep(r->a, mem_printf("%s:%d", at->file->path, target.line));
	r->a->nlocations++;
	return 0;
}

static int take_locations(struct app_reader *r, struct err *err)
{
	struct app_item list = app_look_up(r, "catalog.locations");
	struct app_item rules = app_look_up(r, "catalog.rules");
	struct app_item providers = app_look_up(r, "catalog.providers");
	size_t n, i = 0;

	if (rules.item != NULL)
		note(r->a, &rules,
		    "are not taken: of the hub's own catalog every kind is "
		    "read, and what is annotated can be run");
	if (providers.item != NULL)
		note(r->a, &providers,
		    "are not taken: name what they find in catalog.locations, "
		    "or let the hub ask the portal (RUNNERHUB_PORTAL_URL)");
	TRY(count(&list, &n, err));
	r->a->locations = mem_calloc(n + 1, sizeof(*r->a->locations));
	if (n == 0)
		return 0;
	for (const struct yaml_item *item = list.item->first; item != NULL;
	     item = item->next, i++) {
		struct app_item at = app_element(&list, item, i);

		TRY(take_location(r, &at, err));
	}
	return 0;
}

/* -- runner.docker ----------------------------------------------------- */

static int take_limit(struct app_reader *r, const char *path,
    bool (*read)(struct app_docker *into, const char *text),
    const char *accepts, struct err *err)
{
	struct app_item at = app_look_up(r, path);
	const char *text;

	TRY(app_text(r->a, &at, &text, err));
	if (text == NULL || read(&r->a->docker, text))
		return 0;
	return app_error(&at, err, "expected %s", accepts);
}

static bool read_build(struct app_docker *into, const char *text)
{
	return parse_int(text, 10000, 24 * 3600 * 1000, &into->build_ms) == 0;
}

static bool read_memory(struct app_docker *into, const char *text)
{
	return parse_size(text, &into->memory_bytes) == 0 &&
	       into->memory_bytes >= 6 * 1024 * 1024;
}

static bool read_cpus(struct app_docker *into, const char *text)
{
	return parse_num(text, 0.01, 1024, &into->cpus) == 0;
}

static int take_docker(struct app_reader *r, struct err *err)
{
	static const char *const others[] = {"connectionTimeout", "runTimeout",
	    "securityOptions", "imageCleanupPolicy"};

	TRY(take_limit(r, "runner.docker.buildTimeout", read_build,
	    "milliseconds, from 10000 to a day", err));
	TRY(take_limit(r, "runner.docker.resourceLimits.memory", read_memory,
	    "a size such as 512m or 1g, from 6m", err));
	TRY(take_limit(r, "runner.docker.resourceLimits.cpus", read_cpus,
	    "a number of processors such as 1.5", err));
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		CLEANUP(mem_free)
		char *path = mem_printf("runner.docker.%s", others[i]);
		struct app_item at = app_look_up(r, path);

		if (at.item != NULL)
			note(r->a, &at, "is not taken: see COMPONENTS.md");
	}
	return 0;
}

int app_config_take(struct app_reader *r, bool with_base_url, struct err *err)
{
	struct app_item base = app_look_up(r, "backend.baseUrl");

	if (with_base_url)
		TRY(app_text_required(r->a, &base, &r->a->base_url, err));
	TRY(take_integrations(r, err));
	TRY(take_docker(r, err));
	return take_locations(r, err);
}
