/*
 * Below the base path of components: which route, whose error. Unknown paths
 * and methods are an empty 404 there, errors have the envelope that portals
 * read, with the URL as it stands below the base path. Handler threads.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/components.h"
#include "base/log.h"
#include "base/parse.h"

static const struct component_route {
	const char *method, *pattern, *whole;
	struct answer (*handler)(struct call *c);
} component_routes[] = {
    {"POST", "/start", "runner:/start", component_start},
    {"POST", "/stop", "runner:/stop", component_stop},
    {"GET", "/instances", "runner:/instances", component_instances},
    {"GET", "/instances/:id", "runner:/instances/:id", component_show},
    {"GET", "/instances/:id/logs", "runner:/instances/:id/logs",
	component_logs},
    {"GET", "/instances/:id/health", "runner:/instances/:id/health",
	component_health},
    {"GET", "/instances/:id/errors", "runner:/instances/:id/errors",
	component_errors},
    {"GET", "/errors", "runner:/errors", component_errors_all},
    {"GET", "/components", "runner:/components", component_catalog},
};

bool component_path(
    const struct api *a, const char *path, const char **ret_rest)
{
	const char *base = hub_options(a->hub)->components_path;
	size_t n = strlen(base);

	if (a->components == NULL || strncasecmp(path, base, n) != 0 ||
	    (path[n] != '/' && path[n] != '\0'))
		return false;
	*ret_rest = path + n;
	return true;
}

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

static const struct component_route *find(struct call *c, const char *rest)
{
	const char *method = http_method(c->x);

	for (size_t i = 0; i < ARRAY_LEN(component_routes); i++) {
		const struct component_route *r = &component_routes[i];

		if (matches(c, r->pattern, rest) &&
		    (strcmp(method, r->method) == 0 ||
			(strcmp(method, "HEAD") == 0 &&
			    strcmp(r->method, "GET") == 0)))
			return r;
	}
	return NULL;
}

/* -- errors ------------------------------------------------------------ */

static const struct {
	enum err_kind kind;
	int status;
	const char *name;
} kinds[] = {
    {ERR_INVALID, 400, "InputError"},
    {ERR_AUTH, 401, "AuthenticationError"},
    {ERR_FORBIDDEN, 403, "NotAllowedError"},
    {ERR_NOT_FOUND, 404, "NotFoundError"},
    {ERR_CONFLICT, 409, "ConflictError"},
    {ERR_UNAVAILABLE, 503, "ServiceUnavailableError"},
    {ERR_TIMEOUT, 503, "ServiceUnavailableError"},
};

/* As it stands below the base path, with its query. */
static void put_url(struct call *c, struct buf *out)
{
	const char *rest, *name, *value;

	if (!component_path(c->api, http_path(c->x), &rest))
		rest = http_path(c->x);
	buf_append_str(out, *rest != '\0' ? rest : "/");
	for (size_t i = 0; http_query_at(c->x, i, &name, &value); i++) {
		buf_append_char(out, i == 0 ? '?' : '&');
		buf_append_str(out, name);
		buf_append_char(out, '=');
		buf_append_str(out, value);
	}
}

struct answer component_error_as(
    struct call *c, int status, const char *name, const struct err *err)
{
	CLEANUP(buf_fini) struct buf url = {.max = BODY_MAX};
	struct buf body;
	struct json j;

	put_url(c, &url);
	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_kobj(&j, "error");
	json_kstr(&j, "name", name);
	json_kstr(&j, "message", err->msg);
	if (err->code[0] != '\0')
		json_kstr(&j, "code", err->code);
	json_end(&j);
	json_kobj(&j, "request");
	json_kstr(&j, "method", http_method(c->x));
	json_kstr(&j, "url", buf_str(&url));
	json_end(&j);
	json_kobj(&j, "response");
	json_kint(&j, "statusCode", status);
	json_end(&j);
	json_end(&j);
	return reply_json(c, status, &body);
}

struct answer component_error(struct call *c, const struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].kind == err->kind)
			return component_error_as(
			    c, kinds[i].status, kinds[i].name, err);
	log_warn(&c->ctx, "request failed", LOG_STR("code", err->code),
	    LOG_ERR(err));
	return component_error_as(c, 500, "Error", err);
}

static struct answer refuse(struct call *c, struct err *err)
{
	if (err->kind == ERR_AUTH)
		snprintf(err->msg, sizeof(err->msg), "%s",
		    http_header(c->x, "Authorization") != NULL
			? "Illegal token"
			: "Missing credentials");
	return component_error(c, err);
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
	char digits[16];
	size_t n = text != NULL ? strspn(text, "0123456789") : 0;
	int64_t value = 0;

	if (n > 0 && n < sizeof(digits)) {
		snprintf(digits, sizeof(digits), "%.*s", (int)n, text);
		IGNORE(parse_int(digits, 0, INT64_MAX, &value) < 0);
	}
	return value;
}

/* -- the way in -------------------------------------------------------- */

struct answer component_dispatch(struct call *c, const char *rest)
{
	/* A portal's users and their tokens pass here, too, in time. */
	static const struct route gate = {.scope = SCOPE_OPERATE};
	const struct component_route *r = find(c, rest);
	struct err err = ERR_INIT;

	if (r == NULL) {
		http_reply(c->x, 404, NULL, NULL);
		return (struct answer){404};
	}
	http_set_route(c->x, r->whole);
	if (gate_check(c, &gate, &err) < 0)
		return refuse(c, &err);
	return r->handler(c);
}
