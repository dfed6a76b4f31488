/* Pages of other origins: see cors.h. */
#include "api/cors.h"

#include <string.h>
#include <strings.h>

static const char *configured(const struct call *c)
{
	return hub_options(c->hub)->cors_origin;
}

static bool is_any(const char *origins)
{
	return strcmp(origins, "*") == 0;
}

bool cors_is_welcome(const struct call *c, const char *origin)
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

void cors_headers(struct call *c, const struct cors_rules *rules)
{
	const char *origin = http_header(c->x, "Origin");

	if (configured(c) == NULL)
		return;
	if (is_any(configured(c))) {
		http_reply_header(c->x, "Access-Control-Allow-Origin", "*");
	} else {
		/* For caches, whoever asked. */
		http_reply_header(c->x, "Vary", "Origin");
		if (origin == NULL || !cors_is_welcome(c, origin))
			return;
		http_reply_header(c->x, "Access-Control-Allow-Origin", origin);
		if (rules->credentials)
			http_reply_header(
			    c->x, "Access-Control-Allow-Credentials", "true");
	}
	http_reply_header(
	    c->x, "Access-Control-Expose-Headers", rules->exposed);
}

int cors_preflight(struct call *c, const struct cors_rules *rules,
    struct answer *ret, struct err *err)
{
	const char *origin = http_header(c->x, "Origin");

	if (strcmp(http_method(c->x), "OPTIONS") != 0 || origin == NULL ||
	    http_header(c->x, "Access-Control-Request-Method") == NULL)
		return 0;
	/* No browser shows it, but its network panel does. */
	if (!cors_is_welcome(c, origin))
		return err_set(err, ERR_FORBIDDEN, "foreign_origin",
		    "Pages from \"%.80s\" may not use this hub (CORS_ORIGIN "
		    "names those that may)",
		    origin);
	http_reply_header(c->x, "Access-Control-Allow-Methods", rules->methods);
	http_reply_header(c->x, "Access-Control-Allow-Headers", rules->headers);
	http_reply_header(c->x, "Access-Control-Max-Age", "600");
	/* A page of the internet, and a hub within: browsers ask. */
	if (http_header(c->x, "Access-Control-Request-Private-Network") != NULL)
		http_reply_header(
		    c->x, "Access-Control-Allow-Private-Network", "true");
	http_reply(c->x, 204, NULL, NULL);
	*ret = (struct answer){204};
	return 1;
}
