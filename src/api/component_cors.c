/*
 * What pages of other origins may do with the component API: a portal's do all
 * of it. Handler threads.
 */
#include "api/components.h"
#include "api/cors.h"

static const struct cors_rules rules = {
    .methods = "GET, HEAD, POST",
    .headers = "authorization, content-type, accept, prefer, if-none-match",
    .exposed = "ETag, Retry-After, X-Request-Id, Preference-Applied",
    .credentials = true,
};

void component_cors_headers(struct call *c)
{
	cors_headers(c, &rules);
}

bool component_preflight(struct call *c, struct answer *ret)
{
	struct err err = ERR_INIT;
	int rc = cors_preflight(c, &rules, ret, &err);

	if (rc < 0)
		*ret = component_error(c, &err);
	return rc != 0;
}
