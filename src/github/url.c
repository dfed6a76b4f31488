/*
 * Where GitHub's API is, by the address of its site, and what a scope is
 * called in it. Pure functions, any thread.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "github/github_internal.h"

enum { NAME_MAX_LEN = 100, URL_MAX_LEN = 400 };

static bool ends_with(const char *text, size_t n, const char *end)
{
	size_t m = strlen(end);

	return n > m && strncasecmp(text + n - m, end, m) == 0;
}

static bool host_is(const char *host, size_t n, const char *name)
{
	return strlen(name) == n && strncasecmp(host, name, n) == 0;
}

/* github.com, its tenants and its own tests have a host for the API, a
 * GitHub Enterprise Server has a path. */
static char *api_of(
    const char *scheme, const char *host, size_t host_len, size_t len)
{
	if (host_is(host, host_len, "github.com") ||
	    host_is(host, host_len, "www.github.com"))
		return mem_strdup("https://api.github.com");
	if (ends_with(host, host_len, ".ghe.com") ||
	    host_is(host, host_len, "github.localhost"))
		return mem_printf("%s://api.%.*s", scheme, (int)len, host);
	return mem_printf("%s://%.*s/api/v3", scheme, (int)len, host);
}

int github_split_site(
    const char *url, char **ret_site, char **ret_api, struct err *err)
{
	const char *scheme = strncasecmp(url, "https://", 8) == 0  ? "https"
			     : strncasecmp(url, "http://", 7) == 0 ? "http"
								   : NULL;
	const char *host = scheme != NULL ? url + strlen(scheme) + 3 : "";
	size_t host_len = 0, n = web_authority(host, &host_len);

	if (n == 0 || strlen(url) > URL_MAX_LEN ||
	    strspn(host + n, "/") != strlen(host + n))
		return err_set(err, ERR_INVALID, "github_url",
		    "\"%.100s\" is not the address of a GitHub: expected "
		    "https://github.com or https://<host of your GitHub "
		    "Enterprise Server>",
		    url);
	if (web_is_clear_text(url))
		return err_set(err, ERR_INVALID, "github_url",
		    "%.100s would send the access token in clear text: use "
		    "https",
		    url);
	*ret_site = mem_printf("%s://%.*s", scheme, (int)n, host);
	*ret_api = api_of(scheme, host, host_len, n);
	return 0;
}

/* -- scopes ------------------------------------------------------------ */

static size_t segment(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n <= NAME_MAX_LEN && strspn(text, ".") < n ? n : 0;
}

bool github_scope_is_valid(const char *scope)
{
	size_t n = segment(scope);

	if (n == 0)
		return false;
	if (scope[n] == '\0')
		return true;
	if (scope[n] != '/')
		return false;
	scope += n + 1;
	n = segment(scope);
	return n > 0 && scope[n] == '\0';
}

int github_scope_of_url(
    const struct github *g, const char *url, char **ret_scope, struct err *err)
{
	size_t n = strlen(g->site), len;
	const char *scope = url + n + 1;

	if (strncasecmp(url, g->site, n) != 0 || url[n] != '/')
		return err_set(err, ERR_INVALID, "github_url",
		    "\"%.160s\" is not an address at %.100s: that is the "
		    "GitHub of this hub (github.url, RUNNERHUB_GITHUB_URL)",
		    url, g->site);
	len = strlen(scope);
	while (len > 0 && scope[len - 1] == '/')
		len--;
	*ret_scope = mem_strndup(scope, len);
	if (github_scope_is_valid(*ret_scope))
		return 0;
	mem_free(STEAL(*ret_scope));
	return err_set(err, ERR_INVALID, "github_url",
	    "\"%.160s\" names no repository or organization: expected "
	    "%.100s/<owner>/<repository> or %.100s/<organization>",
	    url, g->site, g->site);
}

char *github_url_of_scope(const struct github *g, const char *scope)
{
	return mem_printf("%s/%s", g->site, scope);
}

void github_scope_path(const char *scope, struct buf *out)
{
	ASSERT(github_scope_is_valid(scope));
	if (strncmp(scope, "enterprises/", 12) == 0)
		IGNORE(buf_printf(out, "/%s", scope));
	else
		IGNORE(buf_printf(out, "/%s/%s",
		    strchr(scope, '/') != NULL ? "repos" : "orgs", scope));
}
