/* The command line's side of the REST API: see client.h. */
#include "cmd/client.h"

#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cmd/ui.h"
#include "net/http_client.h"

#define REPLY_BYTES_MAX ((size_t)64 << 20)
#define CALL_TIMEOUT_MS 60000
#define JSON_IN_FLAGS   (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY)

struct client {
	struct http_client *http;
	char *url;
};

static void add_token(struct http_client *http, const struct options *o)
{
	/* on the hub's own host its key is at hand */
	const struct secret *token = o->token != NULL ? o->token : o->api_key;
	char *value;

	if (token == NULL)
		return;
	value = mem_printf("Bearer %s", secret_expose(token, NULL));
	http_client_set_header(http, "Authorization", value);
	secret_wipe(value, strlen(value));
	mem_free(value);
}

int client_open(struct client **ret, const struct options *o, struct err *err)
{
	CLEANUP(http_client_free) struct http_client *http = NULL;

	TRY(http_client_new(&http, o->url, err));
	add_token(http, o);
	*ret = mem_zalloc(sizeof(**ret));
	(*ret)->http = STEAL(http);
	(*ret)->url = mem_strdup(o->url);
	return 0;
}

void client_close(struct client *c)
{
	if (c == NULL)
		return;
	http_client_free(c->http);
	mem_free(c->url);
	mem_free(c);
}

const char *client_url(const struct client *c)
{
	return c->url;
}

/* -- errors ------------------------------------------------------------ */

static int unreachable(const struct client *c, struct err *err)
{
	struct err why = *err;

	return err_set(err, why.kind, "hub_unreachable",
	    "no hub answers at %s (%s): start one with `runnerhub serve`, or "
	    "say where it is with --url or RUNNERHUB_URL",
	    c->url, why.msg);
}

static enum err_kind kind_of_status(int status)
{
	switch (status) {
	case 401:
		return ERR_AUTH;
	case 403:
		return ERR_FORBIDDEN;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 413:
	case 429:
		return ERR_LIMIT;
	case 503:
		return ERR_UNAVAILABLE;
	default:
		return status < 500 ? ERR_INVALID : ERR_INTERNAL;
	}
}

static int refused(
    const struct client *c, int status, const json_t *reply, struct err *err)
{
	const char *text = reply_str(reply, "error", NULL);
	char clean[300];

	if (status == 401)
		return err_set(err, ERR_AUTH, "unauthorized",
		    "the hub at %s wants a valid key: set RUNNERHUB_TOKEN or "
		    "use --token-file",
		    c->url);
	if (text == NULL)
		return err_set(err, kind_of_status(status), NULL,
		    "%s answered with status %d and no reason: is that a hub?",
		    c->url, status);
	return err_set(err, kind_of_status(status),
	    reply_str(reply, "code", NULL), "%s",
	    ui_clean(text, clean, sizeof(clean)));
}

/* -- calls ------------------------------------------------------------- */

static int transport(struct client *c, const struct http_call *call,
    bool streamed, struct http_result *result, struct err *err)
{
	struct ctx root = ctx_root();
	struct ctx timed = ctx_with_timeout(&root, CALL_TIMEOUT_MS);

	if (http_call(c->http, streamed ? &root : &timed, call, result, err) ==
	    0)
		return 0;
	if (err->kind == ERR_UNAVAILABLE || err->kind == ERR_TIMEOUT)
		return unreachable(c, err);
	return err_wrap(err, "%s", c->url);
}

static json_t *parse(const struct http_result *result)
{
	return json_loadb(
	    buf_str(&result->body), result->body.len, JSON_IN_FLAGS, NULL);
}

int client_call(struct client *c, const char *method, const char *target,
    const json_t *body, json_t **ret, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result result = HTTP_RESULT_INIT(REPLY_BYTES_MAX);
	CLEANUP(json_decref) json_t *reply = NULL;
	struct http_call call = {.method = method, .target = target};
	char *text = NULL;
	int rc;

	if (body != NULL) {
		text = json_dumps(body, JSON_COMPACT);
		ASSERT(text != NULL);
		call.content_type = "application/json";
		call.body = text;
		call.body_len = strlen(text);
	}
	rc = transport(c, &call, false, &result, err);
	if (text != NULL)
		secret_wipe(text, strlen(text));
	mem_free(text); /* jansson allocates with malloc, as mem does */
	if (rc < 0)
		return -1;
	reply = parse(&result);
	if (result.status < 200 || result.status >= 300)
		return refused(c, result.status, reply, err);
	if (!json_is_object(reply))
		return err_set(err, ERR_INTERNAL, NULL,
		    "%s did not answer with JSON: is that a hub?", c->url);
	*ret = STEAL(reply);
	return 0;
}

int client_get(
    struct client *c, const char *target, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *reply = NULL;
	json_t *data;

	TRY(client_call(c, "GET", target, NULL, &reply, err));
	data = json_object_get(reply, "data");
	if (data == NULL)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the answer of %s has no data: is that a hub?", c->url);
	*ret = json_incref(data);
	return 0;
}

int client_get_any(struct client *c, const char *target, int *ret_status,
    json_t **ret, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result result = HTTP_RESULT_INIT(REPLY_BYTES_MAX);
	struct http_call call = {.method = "GET", .target = target};

	TRY(transport(c, &call, false, &result, err));
	*ret_status = result.status;
	*ret = parse(&result);
	return 0;
}

int client_stream(struct client *c, const char *target, const char *header,
    int (*sink)(void *arg, const char *data, size_t len, struct err *err),
    void *arg, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result result = HTTP_RESULT_INIT(REPLY_BYTES_MAX);
	CLEANUP(json_decref) json_t *reply = NULL;
	const char *headers[] = {header, NULL};
	struct http_call call = {.method = "GET",
	    .target = target,
	    .headers = headers,
	    .on_body = sink,
	    .body_sink_arg = arg};

	TRY(transport(c, &call, true, &result, err));
	if (result.status >= 200 && result.status < 300)
		return 0;
	reply = parse(&result);
	return refused(c, result.status, reply, err);
}

char *client_job_path(const char *id, const char *suffix)
{
	CLEANUP(buf_fini) struct buf path = {.max = 64 * 1024};

	IGNORE(buf_append_str(&path, "/api/jobs/"));
	http_encode(&path, id);
	IGNORE(buf_append_str(&path, suffix));
	return buf_steal(&path, NULL);
}

/* -- reading replies --------------------------------------------------- */

const char *reply_str(const json_t *o, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : otherwise;
}

int64_t reply_int(const json_t *o, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? (int64_t)json_integer_value(v) : otherwise;
}

void reply_print(const json_t *value, bool compact)
{
	char *text = json_dumps(
	    value, JSON_ENCODE_ANY | (compact ? JSON_COMPACT : JSON_INDENT(2)));

	ASSERT(text != NULL);
	ui_write(text, strlen(text));
	ui_write("\n", 1);
	mem_free(text);
}

void reply_warnings(const json_t *reply)
{
	const json_t *list = json_object_get(reply, "warnings");
	const json_t *item;
	char clean[300];
	size_t i;

	if (list == NULL)
		list =
		    json_object_get(json_object_get(reply, "data"), "warnings");
	json_array_foreach(list, i, item)
	    fprintf(stderr, "runnerhub: warning: %s\n",
		ui_clean(json_string_value(item), clean, sizeof(clean)));
}
