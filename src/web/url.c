/*
 * Addresses: which host, whether it is this machine, where a redirect leads
 * and whether credentials may go there. Pure functions, any thread.
 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "web/web.h"

enum { URL_MAX = 2048 };

/* -- hosts --------------------------------------------------------------- */

static bool host_is(const char *host, size_t n, const char *name)
{
	return strlen(name) == n && strncasecmp(host, name, n) == 0;
}

bool web_is_loopback(const char *host, size_t n)
{
	static const char below[] = ".localhost";
	size_t m = sizeof(below) - 1;

	return host_is(host, n, "localhost") ||
	       (n > m && strncasecmp(host + n - m, below, m) == 0) ||
	       host_is(host, n, "[::1]") ||
	       (n > 4 && strncmp(host, "127.", 4) == 0 &&
		   strspn(host, "0123456789.") >= n);
}

size_t web_authority(const char *text, size_t *ret_host)
{
	size_t n = strcspn(text, "/?#");
	size_t host = n;

	if (n == 0 || memchr(text, '@', n) != NULL ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789.-:[]") < n)
		return 0;
	for (size_t i = n; i > 0 && text[i - 1] != ']'; i--)
		if (text[i - 1] == ':')
			host = i - 1;
	*ret_host = host;
	return host > 0 ? n : 0;
}

/* What follows the scheme of a URL; NULL: not http(s). */
static const char *after_scheme(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0  ? url + 8
	       : strncasecmp(url, "http://", 7) == 0 ? url + 7
						     : NULL;
}

bool web_is_clear_text(const char *url)
{
	size_t host = 0;

	if (strncasecmp(url, "https://", 8) == 0)
		return false;
	return strncasecmp(url, "http://", 7) != 0 ||
	       web_authority(url + 7, &host) == 0 ||
	       !web_is_loopback(url + 7, host);
}

/* -- redirects ----------------------------------------------------------- */

/* "https://host:port" of a URL; 0: not http(s). */
static size_t origin(const char *url)
{
	const char *host = after_scheme(url);
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

int web_redirect(const char *home, const char *url, const char *location,
    char **ret, bool *ret_foreign)
{
	CLEANUP(mem_free) char *to = NULL;

	if (*location == '/' && location[1] != '/')
		to = mem_printf("%.*s%s", (int)origin(url), url, location);
	else
		to = mem_strdup(location);
	if (origin(to) == 0 || strlen(to) > URL_MAX || !is_clean(to))
		return -1;
	*ret_foreign = !same_origin(to, home);
	/* Both on this machine: a test, or a proxy beside the hub. */
	if (*ret_foreign && strncasecmp(to, "https://", 8) != 0 &&
	    (strncasecmp(home, "http://", 7) != 0 || web_is_clear_text(to)))
		return -1;
	*ret = STEAL(to);
	return 0;
}

int web_encode(struct buf *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL)
			TRY(buf_append_char(out, *text));
		else
			TRY(buf_printf(out, "%%%02X", (unsigned char)*text));
	}
	return 0;
}
