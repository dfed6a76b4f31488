/*
 * Below the base paths of components: whose request it is, and which route.
 * Unknown paths and methods are an empty 404 there. Handler threads.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/audit.h"
#include "api/components.h"
#include "api/rate_limit.h"
#include "base/parse.h"

static const struct component_route {
	const char *method, *pattern, *whole;
	const char *audit; /* its name in the audit log, or NULL */
	struct answer (*handler)(struct call *c);
} component_routes[] = {
    {"POST", "/start", "runner:/start", "component.start", component_start},
    {"POST", "/stop", "runner:/stop", "component.stop", component_stop},
    {"GET", "/instances", "runner:/instances", NULL, component_instances},
    {"GET", "/instances/:id", "runner:/instances/:id", NULL, component_show},
    {"GET", "/instances/:id/logs", "runner:/instances/:id/logs", NULL,
	component_logs},
    {"GET", "/instances/:id/stats", "runner:/instances/:id/stats", NULL,
	component_stats},
    {"GET", "/instances/:id/health", "runner:/instances/:id/health", NULL,
	component_health},
    {"GET", "/instances/:id/metrics", "runner:/instances/:id/metrics", NULL,
	component_metrics},
    {"GET", "/instances/:id/errors", "runner:/instances/:id/errors", NULL,
	component_errors},
    {"GET", "/errors", "runner:/errors", NULL, component_errors_all},
    {"GET", "/components", "runner:/components", NULL, component_catalog},
    {"GET", "/events", "runner:/events", NULL, component_events},
};

/* -- base paths -------------------------------------------------------- */

/* What of path follows the longest base that it is below; NULL: none. */
static const char *below(const struct call *c, const char *path)
{
	const char *at = hub_options(c->hub)->components_path;
	const char *rest = NULL;
	size_t n;

	if (http_is_extra(c->x)) /* where the base is "/" */
		return path;
	for (;; at += n + 1) {
		n = strcspn(at, ",");
		if (strncasecmp(path, at, n) == 0 &&
		    (path[n] == '/' || path[n] == '\0' || path[n] == '?') &&
		    (rest == NULL || path + n > rest))
			rest = path + n;
		if (at[n] == '\0')
			return rest;
	}
}

bool component_path(const struct call *c, const char **ret_rest)
{
	if (c->api->components != NULL)
		*ret_rest = below(c, http_path(c->x));
	return c->api->components != NULL && *ret_rest != NULL;
}

/* Would the base of n bytes take what is asked of this route? */
static bool hides(const char *base, size_t n, const char *pattern)
{
	size_t upto = strcspn(pattern, "*");

	if (strncasecmp(pattern, base, n) == 0 &&
	    (pattern[n] == '/' || pattern[n] == '\0'))
		return true;
	return pattern[upto] == '*' && n >= upto &&
	       strncasecmp(pattern, base, upto) == 0;
}

int component_check_paths(const struct api *a, struct err *err)
{
	const char *at = hub_options(a->hub)->components_path;
	size_t n;

	for (;; at += n + 1) {
		n = strcspn(at, ",");
		for (size_t i = 0; i < nroutes; i++) {
			const char *path = routes[i].pattern;

			if (hides(at, n, path))
				return err_set(err, ERR_INVALID, "bad_option",
				    "components.path: \"%.*s\" would hide "
				    "%s of the hub: choose another path",
				    (int)n, at, path);
		}
		if (at[n] == '\0')
			return 0;
	}
}

void component_url(const struct call *c, struct buf *out)
{
	const char *rest = below(c, http_target(c->x));

	if (rest == NULL) /* the base was written with escapes */
		rest = below(c, http_path(c->x));
	if (rest == NULL || *rest != '/')
		buf_append_char(out, '/');
	if (rest != NULL)
		buf_append_str(out, rest);
}

/* -- routes ------------------------------------------------------------ */

/* Case does not count, nor does a slash at the end. */
static bool matches(struct call *c, const char *pattern, const char *path)
{
	while (*pattern != '\0') {
		size_t n = strcspn(path, "/");

		if (*pattern == ':') {
			if (n == 0 || n >= sizeof(c->id))
				return false;
			snprintf(c->id, sizeof(c->id), "%.*s", (int)n, path);
			path += n;
			pattern += strcspn(pattern, "/");
		} else if (tolower((unsigned char)*pattern++) !=
			   tolower((unsigned char)*path++)) {
			return false;
		}
	}
	return *path == '\0' || strcmp(path, "/") == 0;
}

static bool is_method(struct call *c, const char *method)
{
	const char *given = http_method(c->x);

	return strcmp(given, method) == 0 ||
	       (strcmp(given, "HEAD") == 0 && strcmp(method, "GET") == 0);
}

static const struct component_route *find(struct call *c, const char *rest)
{
	for (size_t i = 0; i < ARRAY_LEN(component_routes); i++) {
		const struct component_route *r = &component_routes[i];

		if (is_method(c, r->method) && matches(c, r->pattern, rest))
			return r;
	}
	return NULL;
}

/* -- parameters -------------------------------------------------------- */

int component_instance(struct call *c, struct instance *ret, struct err *err)
{
	instance_id id;
	int found = 0;

	if (uuid_parse(c->id, &id.u) == 0)
		found = components_get(c->api->components, id, ret, err);
	TRY(found);
	if (found > 0)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "instance_not_found",
	    "Instance %s not found", c->id);
}

int64_t component_number(struct call *c, const char *name)
{
	const char *text = http_query(c->x, name);
	char digits[20];
	size_t n = text != NULL ? strspn(text, "0123456789") : 0;
	int64_t value = 0;

	if (n > 0 && n < sizeof(digits)) {
		snprintf(digits, sizeof(digits), "%.*s", (int)n, text);
		IGNORE(parse_int(digits, 0, INT64_MAX, &value) < 0);
	}
	return value;
}

/* -- the way in -------------------------------------------------------- */

/* As a portal's own; asked by what watches processes, which has no token.
 * False: it is another path. */
static bool answer_probe(struct call *c, const char *rest, struct answer *ret)
{
	bool alive = matches(c, "/.backstage/health/v1/liveness", rest);

	if (!http_is_extra(c->x) || !is_method(c, "GET") ||
	    (!alive && !matches(c, "/.backstage/health/v1/readiness", rest)))
		return false;
	http_reply_header(c->x, "Cache-Control", "no-store");
	*ret = alive ? alive_show(c) : ready_show(c);
	return true;
}

static struct answer not_there(struct call *c)
{
	http_reply_header(c->x, "Cache-Control", "no-store");
	http_reply(c->x, 404, NULL, NULL);
	return (struct answer){404};
}

static void note(struct call *c, const struct component_route *r)
{
	if (r->audit == NULL)
		return;
	audit_begin(c, r->audit);
	if (c->who.kind == PRINCIPAL_NOBODY) /* it has no name there */
		audit_actor(c, c->caller->subject);
}

static struct answer too_many(struct call *c, int wait_s, const struct err *err)
{
	char after[16];

	snprintf(after, sizeof(after), "%d", wait_s);
	http_reply_header(c->x, "Retry-After", after);
	return component_error_as(c, 429, "TooManyRequestsError", err);
}

/* Who guesses tokens is counted, too. */
static struct answer refused(struct call *c, const struct err *why)
{
	struct err err = ERR_INIT;
	int wait_s;

	if (rate_check(c, NULL, &wait_s, &err) < 0)
		return too_many(c, wait_s, &err);
	return component_error(c, why);
}

struct answer component_dispatch(struct call *c, const char *rest)
{
	CLEANUP(component_identity_fini) struct component_identity caller = {0};
	const struct component_route *r;
	struct err err = ERR_INIT;
	struct answer answer;
	int wait_s;

	component_cors_headers(c);
	if (component_preflight(c, &answer) || answer_probe(c, rest, &answer))
		return answer;
	if (component_identify(c, &caller, &err) < 0)
		return refused(c, &err);
	if (rate_check(c, caller.subject, &wait_s, &err) < 0)
		return too_many(c, wait_s, &err);
	c->caller = &caller;
	r = find(c, rest);
	if (r == NULL)
		return not_there(c);
	http_set_route(c->x, r->whole);
	note(c, r);
	if (strcmp(r->method, "GET") != 0 && component_may_change(c, &err) < 0)
		return component_error(c, &err);
	return r->handler(c);
}
