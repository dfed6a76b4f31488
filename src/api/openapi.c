/*
 * GET /api/openapi.json, made from the table of routes, so that it cannot
 * say anything else than what is served. Handler threads.
 */
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"

extern const char api_schemas[]; /* schemas.json */

static void write_ref(struct json *j, const char *schema)
{
	char ref[80];

	snprintf(ref, sizeof(ref), "#/components/schemas/%s", schema);
	json_obj(j);
	json_kstr(j, "$ref", ref);
	json_end(j);
}

static void write_parameter(struct json *j, const char *name, const char *in,
    const char *doc, bool required)
{
	json_obj(j);
	json_kstr(j, "name", name);
	json_kstr(j, "in", in);
	json_kbool(j, "required", required);
	json_kstr(j, "description", doc);
	json_kobj(j, "schema");
	json_kstr(j, "type", "string");
	json_end(j);
	json_end(j);
}

static void write_parameters(struct json *j, const struct route *r)
{
	json_karr(j, "parameters");
	if (strstr(r->pattern, ":id") != NULL)
		write_parameter(j, "id", "path", "the id", true);
	if (strstr(r->pattern, ":name") != NULL)
		write_parameter(j, "name", "path", "the name", true);
	if (strstr(r->pattern, ":step") != NULL)
		write_parameter(
		    j, "step", "path", "the step's number, from 0", true);
	for (const struct query_param *q = r->query;
	     q != NULL && q->name != NULL; q++)
		write_parameter(j, q->name, "query", q->doc, false);
	json_end(j);
}

/* What stands in the envelope beside its data. */
static void write_beside(struct json *j, const char *schema)
{
	static const struct {
		const char *schema, *key, *beside;
	} rows[] = {{"JobList", "pagination", "Pagination"},
	    {"RunnerList", "pagination", "Pagination"},
	    {"AuditList", "next", "NextRow"},
	    {"Delegated", "warnings", "Warnings"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].schema, schema) == 0) {
			json_key(j, rows[i].key);
			write_ref(j, rows[i].beside);
		}
}

static void write_content(
    struct json *j, const char *type, const char *schema, bool enveloped)
{
	json_kobj(j, "content");
	json_kobj(j, type);
	if (schema != NULL) {
		json_key(j, "schema");
		if (enveloped) {
			json_obj(j);
			json_kstr(j, "type", "object");
			json_kobj(j, "properties");
			json_kraw(j, "success", "{\"const\":true}");
			json_key(j, "data");
			write_ref(j, schema);
			write_beside(j, schema);
			json_end(j);
			json_end(j);
		} else {
			write_ref(j, schema);
		}
	}
	json_end(j);
	json_end(j);
}

static void write_responses(struct json *j, const struct route *r)
{
	bool makes = strcmp(r->pattern, "/api/jobs/delegate") == 0 ||
		     strcmp(r->pattern, "/api/jobs/:id/retry") == 0 ||
		     strcmp(r->pattern, "/api/jobs/:id/steps") == 0;
	const char *code = makes ? "201" : "200";
	bool bare = strcmp(r->pattern, "/health") == 0;

	json_kobj(j, "responses");
	json_kobj(j, code);
	json_kstr(j, "description", "Done.");
	write_content(j, r->type != NULL ? r->type : "application/json",
	    r->answer, !bare);
	json_end(j);
	json_kobj(j, "default");
	json_kstr(j, "description", "An error, in words and as a code.");
	write_content(j, "application/json", "Error", false);
	json_end(j);
	json_end(j);
}

static void write_body(struct json *j, const char *schema)
{
	bool raw = strcmp(schema, BODY_RAW) == 0;

	json_kobj(j, "requestBody");
	json_kbool(j, "required", true);
	if (raw)
		write_content(j, "application/octet-stream", NULL, false);
	else
		write_content(j, "application/json", schema, false);
	json_end(j);
}

static void write_operation(struct json *j, const struct route *r)
{
	char method[8];

	snprintf(method, sizeof(method), "%s", r->method);
	for (char *p = method; *p != '\0'; p++)
		*p = (char)(*p | 0x20);
	json_kobj(j, method);
	json_kstr(j, "summary", r->doc);
	write_parameters(j, r);
	if (r->body != NULL)
		write_body(j, r->body);
	write_responses(j, r);
	if (r->scope == SCOPE_PUBLIC)
		json_kraw(j, "security", "[]");
	json_end(j);
}

/* "/api/jobs/:id" -> "/api/jobs/{id}" */
static void path_template(const char *pattern, char *out, size_t size)
{
	size_t n = 0;

	while (*pattern != '\0' && n + 3 < size) {
		if (*pattern != ':') {
			out[n++] = *pattern++;
			continue;
		}
		out[n++] = '{';
		for (pattern++;
		     *pattern != '\0' && *pattern != '/' && n + 2 < size;)
			out[n++] = *pattern++;
		out[n++] = '}';
	}
	out[n] = '\0';
}

/* Rows of one path stand in one object; the table need not be sorted. */
static void write_paths(struct json *j)
{
	char path[128];

	json_kobj(j, "paths");
	for (size_t i = 0; i < nroutes; i++) {
		bool seen = route_is_page(&routes[i]);

		for (size_t k = 0; k < i; k++)
			seen |=
			    strcmp(routes[k].pattern, routes[i].pattern) == 0;
		if (seen)
			continue;
		path_template(routes[i].pattern, path, sizeof(path));
		json_kobj(j, path);
		for (size_t k = i; k < nroutes; k++)
			if (strcmp(routes[k].pattern, routes[i].pattern) == 0)
				write_operation(j, &routes[k]);
		json_end(j);
	}
	json_end(j);
}

struct answer openapi_show(struct call *c)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_kstr(&j, "openapi", "3.1.0");
	json_kobj(&j, "info");
	json_kstr(&j, "title", "RunnerHub");
	json_kstr(&j, "version", RUNNERHUB_VERSION);
	json_end(&j);
	write_paths(&j);
	json_kobj(&j, "components");
	json_kraw(&j, "schemas", api_schemas);
	json_kraw(&j, "securitySchemes",
	    "{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
	json_end(&j);
	json_kraw(&j, "security", "[{\"key\":[]}]");
	json_end(&j);
	return reply_json(c, 200, &body);
}
