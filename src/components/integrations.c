/* The GitHubs that are asked: see integrations.h. At the hub's start. */
#include "components/integrations.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/secret.h"

#define PUBLIC_HOST "github.com"

struct list {
	struct integration *v;
	size_t n;
};

static void list_fini_guard(struct list *l)
{
	mem_free(l->v);
}

static bool has(const struct list *l, const char *host)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcasecmp(l->v[i].host, host) == 0)
			return true;
	return false;
}

/* The hub's token is for the GitHub of github.url, and goes nowhere else. */
static void add_own(struct list *l, const struct options *o, char **ret_api)
{
	const char *slashes = strstr(o->github_url, "://");
	const char *host = slashes != NULL ? slashes + 3 : o->github_url;
	bool plain = strncmp(o->github_url, "http://", 7) == 0;
	size_t len;

	if (has(l, host))
		return;
	/* Plain http, which a test's GitHub speaks, is told by the API's. */
	*ret_api = plain ? mem_printf("http://%s/api/v3", host) : NULL;
	l->v[l->n++] = (struct integration){.host = host,
	    .api_base_url = *ret_api,
	    .token = o->github_token != NULL
			 ? secret_expose(o->github_token, &len)
			 : NULL};
}

int integrations_open(struct sources **ret, const struct options *o,
    const struct app_config *app, struct err *err)
{
	CLEANUP(list_fini) struct list l = {0};
	CLEANUP(mem_free) char *api = NULL;

	l.v = mem_calloc(app->nintegrations + 2, sizeof(*l.v));
	if (app->nintegrations > 0)
		memcpy(
		    l.v, app->integrations, app->nintegrations * sizeof(*l.v));
	l.n = app->nintegrations;
	add_own(&l, o, &api);
	if (!has(&l, PUBLIC_HOST))
		l.v[l.n++] = (struct integration){.host = PUBLIC_HOST};
	return sources_open(ret, l.v, l.n, NULL, err);
}
