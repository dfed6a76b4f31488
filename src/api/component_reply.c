/*
 * Answers of the component API: JSON with an ETag, and errors in the envelope
 * that portals read, with the URL as it stands below the base path. Any
 * thread that has the call.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/components.h"
#include "base/log.h"
#include "base/map.h"

static const char content_type[] = "application/json; charset=utf-8";

bool component_is_strict(const struct call *c)
{
	return hub_options(c->hub)->components_strict;
}

void component_stream_headers(struct call *c)
{
	http_reply_header(c->x, "Cache-Control", "no-cache, no-transform");
	http_reply_header(c->x, "X-Accel-Buffering", "no");
}

/* -- JSON -------------------------------------------------------------- */

/* Is the tag among those that the client has? Weakly: the quoted part. */
static bool client_has(struct call *c, const char *tag)
{
	const char *have = http_header(c->x, "If-None-Match");

	return have != NULL &&
	       (strcmp(have, "*") == 0 || strstr(have, tag) != NULL);
}

struct answer component_json(struct call *c, int status, struct buf *body)
{
	struct err err = ERR_INIT;
	char etag[64];

	if (body->overflow) {
		buf_fini(body);
		IGNORE(err_set(&err, ERR_INTERNAL, "answer_too_large",
		    "The answer is too large"));
		return component_error(c, &err);
	}
	http_reply_header(c->x, "Cache-Control", "no-cache");
	if (status == 200 && strcmp(http_method(c->x), "POST") != 0) {
		snprintf(etag, sizeof(etag), "W/\"%zx-%016" PRIx64 "\"",
		    body->len, map_hash(buf_str(body), body->len));
		http_reply_header(c->x, "ETag", etag);
		if (client_has(c, etag + 2)) {
			buf_fini(body);
			http_reply(c->x, 304, NULL, NULL);
			return (struct answer){304};
		}
	}
	http_reply(c->x, status, content_type, body);
	return (struct answer){status};
}

/* -- errors ------------------------------------------------------------ */

static const struct kind {
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
static const struct kind other = {ERR_INTERNAL, 500, "Error"};

static const struct kind *kind_of(const struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].kind == err->kind)
			return &kinds[i];
	return &other;
}

/* What the plugin's own backend answered with a plain 500. */
static bool was_plain(struct err *err)
{
	if (strcmp(err->code, "component_running") == 0) {
		IGNORE(err_set(err, ERR_CONFLICT, "component_running",
		    "Another component is already running. Stop it first."));
		return true;
	}
	return strcmp(err->code, "instance_not_found") == 0 ||
	       strcmp(err->code, "instance_state") == 0 ||
	       strcmp(err->code, "bad_entity_ref") == 0;
}

struct answer component_error_as(
    struct call *c, int status, const char *name, const struct err *err)
{
	CLEANUP(buf_fini) struct buf url = {.max = BODY_MAX};
	struct buf body;
	struct json j;

	component_url(c, &url);
	if (status == 503)
		http_reply_header(c->x, "Retry-After", "5");
	if (status == 401)
		http_reply_header(
		    c->x, "WWW-Authenticate", "Bearer realm=\"runnerhub\"");
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
	return component_json(c, status, &body);
}

struct answer component_error(struct call *c, const struct err *err)
{
	const struct kind *k = kind_of(err);
	struct err said = *err;

	if (component_is_strict(c) && was_plain(&said))
		k = &other;
	if (k->status >= 500)
		log_warn(&c->ctx, "request failed", LOG_STR("code", err->code),
		    LOG_ERR(err));
	return component_error_as(c, k->status, k->name, &said);
}

struct answer component_odd_error(struct call *c, const struct err *err)
{
	struct buf body;
	struct json j;

	if (err->kind != ERR_NOT_FOUND)
		return component_error(c, err);
	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_kstr(&j, "error", err->msg);
	json_end(&j);
	return component_json(c, 404, &body);
}
