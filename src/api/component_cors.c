/*
 * Pages of other origins (CORS, WHATWG Fetch): those of CORS_ORIGIN may use
 * the component API. With "*" any may, without cookies, which nobody here
 * needs. Handler threads.
 */
#include <string.h>
#include <strings.h>

#include "api/components.h"

#define METHODS "GET, HEAD, POST"
#define HEADERS "authorization, content-type, accept, prefer, if-none-match"
#define EXPOSED "ETag, Retry-After, X-Request-Id, Preference-Applied"

static const char *configured(const struct call *c)
{
	return hub_options(c->hub)->cors_origin;
}

static bool is_any(const char *origins)
{
	return strcmp(origins, "*") == 0;
}

bool component_origin_is_welcome(const struct call *c, const char *origin)
{
	const char *at = configured(c);
	size_t n, len = strlen(origin);

	if (at == NULL)
		return false;
	if (is_any(at))
		return true;
	for (;; at += n + 1) {
		n = strcspn(at, ",");
		if (n == len && strncasecmp(at, origin, n) == 0)
			return true;
		if (at[n] == '\0')
			return false;
	}
}

void component_cors_headers(struct call *c)
{
	const char *origin = http_header(c->x, "Origin");

	if (configured(c) == NULL)
		return;
	if (is_any(configured(c))) {
		http_reply_header(c->x, "Access-Control-Allow-Origin", "*");
	} else {
		/* For caches, whoever asked. */
		http_reply_header(c->x, "Vary", "Origin");
		if (origin == NULL || !component_origin_is_welcome(c, origin))
			return;
		http_reply_header(c->x, "Access-Control-Allow-Origin", origin);
		http_reply_header(
		    c->x, "Access-Control-Allow-Credentials", "true");
	}
	http_reply_header(c->x, "Access-Control-Expose-Headers", EXPOSED);
}

bool component_preflight(struct call *c, struct answer *ret)
{
	const char *origin = http_header(c->x, "Origin");
	struct err err = ERR_INIT;

	if (strcmp(http_method(c->x), "OPTIONS") != 0 || origin == NULL ||
	    http_header(c->x, "Access-Control-Request-Method") == NULL)
		return false;
	if (!component_origin_is_welcome(c, origin)) {
		/* No browser shows it, but its network panel does. */
		IGNORE(err_set(&err, ERR_FORBIDDEN, "foreign_origin",
		    "Pages from \"%.80s\" may not use this hub (CORS_ORIGIN "
		    "names those that may)",
		    origin));
		*ret = component_error(c, &err);
		return true;
	}
	http_reply_header(c->x, "Access-Control-Allow-Methods", METHODS);
	http_reply_header(c->x, "Access-Control-Allow-Headers", HEADERS);
	http_reply_header(c->x, "Access-Control-Max-Age", "600");
	/* A page of the internet, and a hub within: browsers ask. */
	if (http_header(c->x, "Access-Control-Request-Private-Network") != NULL)
		http_reply_header(
		    c->x, "Access-Control-Allow-Private-Network", "true");
	http_reply(c->x, 204, NULL, NULL);
	*ret = (struct answer){204};
	return true;
}
