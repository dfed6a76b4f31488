/*
 * Where a redirect leads, and whether the token may go there. Pure functions,
 * any thread. Only absolute addresses and absolute paths: GitHub sends no
 * others.
 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "github/repository_internal.h"

enum { URL_MAX = 2048 };

/* "https://host:port" of a URL; 0: not http(s). */
static size_t origin(const char *url)
{
	const char *host = strncasecmp(url, "https://", 8) == 0  ? url + 8
			   : strncasecmp(url, "http://", 7) == 0 ? url + 7
								 : NULL;
	size_t n;

	if (host == NULL)
		return 0;
	n = strcspn(host, "/?#");
	/* No user or password, and nothing that readers of URLs differ on. */
	if (n == 0 || strcspn(host, "@\\") < n)
		return 0;
	return (size_t)(host - url) + n;
}

static bool same_origin(const char *a, const char *b)
{
	size_t n = origin(a);

	return n > 0 && n == origin(b) && strncasecmp(a, b, n) == 0;
}

/* Bytes that a URL may hold, no blanks or controls. */
static bool is_clean(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= 0x20 ||
		    (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static int refuse(const struct github *g, const char *location, struct err *err)
{
	return err_set(err, ERR_INVALID, "GIT_OPERATION_FAILED",
	    "%s redirects to \"%.160s\", which is no address for a source",
	    g->api, location);
}

int github_redirect(const struct github *g, const char *url,
    const char *location, char **ret, bool *ret_foreign, struct err *err)
{
	CLEANUP(mem_free) char *to = NULL;

	if (*location == '/' && location[1] != '/')
		to = mem_printf("%.*s%s", (int)origin(url), url, location);
	else
		to = mem_strdup(location);
	if (origin(to) == 0 || strlen(to) > URL_MAX || !is_clean(to))
		return refuse(g, location, err);
	*ret_foreign = !same_origin(to, g->api);
	if (*ret_foreign && strncasecmp(to, "https://", 8) != 0) {
		size_t n = strcspn(to + 7, ":/?#");

		/* Both on this machine: a test, or a proxy beside the hub. */
		if (strncasecmp(g->api, "http://", 7) != 0 ||
		    !github_is_loopback(to + 7, n))
			return refuse(g, location, err);
	}
	*ret = STEAL(to);
	return 0;
}
