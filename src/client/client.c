/*
 * Our programs' side of the REST API: see client.h. Called from any thread;
 * nothing here changes after client_open, the HTTP client locks for itself.
 */
#include "client/client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "net/http_client.h"

#define REPLY_BYTES_MAX ((size_t)64 << 20)
#define CALL_TIMEOUT_MS 60000
#define TOKEN_BYTES_MAX 4096
#define JSON_IN_FLAGS   (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY)

/* -- life -------------------------------------------------------------- */

/* What cannot stand in a header line. */
static int token_check(const char *token, struct err *err)
{
	for (const char *p = token; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(err, ERR_INVALID, "bad_setting",
			    "the hub's token has a blank, a control byte or "
			    "one beyond ASCII in it");
	if (*token == '\0' || strlen(token) > TOKEN_BYTES_MAX)
		return err_set(err, ERR_INVALID, "bad_setting",
		    "the hub's token is not 1 to %d characters long",
		    TOKEN_BYTES_MAX);
	return 0;
}

static void add_token(struct http_client *http, const char *token)
{
	char *value = mem_printf("Bearer %s", token);

	http_client_set_header(http, "Authorization", value);
	secret_wipe(value, strlen(value));
	mem_free(value);
}

int client_open(struct client **ret, const char *url, const char *token,
    const struct tls_trust *trust, struct err *err)
{
	CLEANUP(http_client_free) struct http_client *http = NULL;

	if (token != NULL)
		TRY(token_check(token, err));
	TRY(http_client_new_trusting(&http, url, trust, err));
	if (token != NULL)
		add_token(http, token);
	*ret = mem_zalloc(sizeof(**ret));
	(*ret)->http = STEAL(http);
	(*ret)->url = mem_strdup(url);
	(*ret)->patience_ms = -1;
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

void client_when_away(struct client *c, int64_t patience_ms,
    void (*say)(void *arg, const char *line), void *arg)
{
	c->patience_ms = patience_ms;
	c->say = say;
	c->say_arg = arg;
}

/* -- from the environment ---------------------------------------------- */

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* A file's text ends with a newline more often than not. */
static int read_token(const char *path, struct buf *token, struct err *err)
{
	if (fs_read_file(path, token, err) != 0)
		return err_wrap(err, "RUNNERHUB_TOKEN_FILE");
	while (token->len > 0 && (token->data[token->len - 1] == '\n' ||
				     token->data[token->len - 1] == '\r'))
		token->data[--token->len] = '\0';
	if (strlen(buf_str(token)) != token->len)
		return err_set(err, ERR_INVALID, "bad_setting",
		    "RUNNERHUB_TOKEN_FILE: %s is no text", path);
	return 0;
}

struct tls_trust client_trust_env(void)
{
	return (struct tls_trust){.ca_file = env("RUNNERHUB_CA_FILE"),
	    .certificate = env("RUNNERHUB_CLIENT_CERT"),
	    .key = env("RUNNERHUB_CLIENT_KEY")};
}

int client_open_env(struct client **ret, struct err *err)
{
	const struct tls_trust trust = client_trust_env();
	CLEANUP(buf_fini) struct buf text = {.max = 2 * TOKEN_BYTES_MAX};
	const char *url = env("RUNNERHUB_URL");
	const char *file = env("RUNNERHUB_TOKEN_FILE");
	const char *token = env("RUNNERHUB_TOKEN");
	int r;

	if (url == NULL)
		return err_set(err, ERR_INVALID, "bad_setting",
		    "RUNNERHUB_URL is not set: it says where the hub is");
	if (token == NULL && file != NULL) {
		TRY(read_token(file, &text, err));
		token = buf_str(&text);
	}
	r = client_open(ret, url, token, &trust, err);
	secret_wipe(text.data, text.len);
	return r;
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

/* Nothing valid was shown; others have words of their own. */
static bool wants_credentials(int status, const char *code)
{
	return status == 401 &&
	       (code == NULL || strcmp(code, "missing_credentials") == 0 ||
		   strcmp(code, "invalid_credentials") == 0);
}

static int refused(
    const struct client *c, int status, const json_t *reply, struct err *err)
{
	const json_t *error = json_object_get(reply, "error");
	const char *text = reply_str(reply, "error", NULL);
	const char *code = reply_str(reply, "code", NULL);
	char clean[480];

	if (wants_credentials(status, code))
		return err_set(err, ERR_AUTH, "unauthorized",
		    "the hub at %s wants a valid key: set RUNNERHUB_TOKEN or "
		    "RUNNERHUB_TOKEN_FILE (--token-file), or runnerhub login",
		    c->url);
	if (json_is_object(error)) { /* of the component API */
		text = reply_str(error, "message", NULL);
		code = reply_str(error, "code", NULL);
	}
	if (text == NULL)
		return err_set(err, kind_of_status(status), NULL,
		    "%s answered with status %d and no reason: is that a hub?",
		    c->url, status);
	return err_set(err, kind_of_status(status), code, "%s",
	    utf8_clean(text, clean, sizeof(clean)));
}

/* -- calls ------------------------------------------------------------- */

static int transport(struct client *c, const struct ctx *ctx,
    const struct http_call *call, struct http_result *result, struct err *err)
{
	if (http_call(c->http, ctx, call, result, err) == 0)
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

/* One call with a whole reply, of any status. */
static int exchange(struct client *c, const struct ctx *ctx,
    const struct http_call *call, int *ret_status, json_t **ret,
    struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result result = HTTP_RESULT_INIT(REPLY_BYTES_MAX);
	struct ctx timed = *ctx;

	if (ctx->deadline_ns == CLOCK_NO_DEADLINE)
		timed = ctx_with_timeout(ctx, CALL_TIMEOUT_MS);
	TRY(transport(c, &timed, call, &result, err));
	*ret_status = result.status;
	*ret = parse(&result);
	return 0;
}

/* The same, where only a 2xx with an object is a success. */
static int call_object(struct client *c, const struct ctx *ctx,
    const struct http_call *call, json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *reply = NULL;
	int status;

	TRY(exchange(c, ctx, call, &status, &reply, err));
	if (status < 200 || status >= 300)
		return refused(c, status, reply, err);
	if (!json_is_object(reply))
		return err_set(err, ERR_INTERNAL, NULL,
		    "%s did not answer with JSON: is that a hub?", c->url);
	*ret = STEAL(reply);
	return 0;
}

int client_call(struct client *c, const struct ctx *ctx, const char *method,
    const char *target, const json_t *body, json_t **ret, struct err *err)
{
	struct http_call call = {.method = method, .target = target};
	char *text = NULL;
	int r;

	if (body != NULL) {
		text = json_dumps(body, JSON_COMPACT);
		ASSERT(text != NULL);
		call.content_type = "application/json";
		call.body = text;
		call.body_len = strlen(text);
	}
	r = call_object(c, ctx, &call, ret, err);
	if (text != NULL)
		secret_wipe(text, strlen(text));
	mem_free(text); /* jansson allocates with malloc, as mem does */
	return r;
}

int client_get(struct client *c, const struct ctx *ctx, const char *target,
    json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *reply = NULL;
	json_t *data;

	TRY(client_call(c, ctx, "GET", target, NULL, &reply, err));
	data = json_object_get(reply, "data");
	if (data == NULL)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the answer of %s has no data: is that a hub?", c->url);
	*ret = json_incref(data);
	return 0;
}

int client_get_any(struct client *c, const struct ctx *ctx, const char *target,
    int *ret_status, json_t **ret, struct err *err)
{
	const struct http_call call = {.method = "GET", .target = target};

	return exchange(c, ctx, &call, ret_status, ret, err);
}

int client_post_bytes(struct client *c, const struct ctx *ctx,
    const char *target, const void *data, size_t len, json_t **ret,
    struct err *err)
{
	const struct http_call call = {.method = "POST",
	    .target = target,
	    .content_type = "application/octet-stream",
	    .body = data,
	    .body_len = len};

	return call_object(c, ctx, &call, ret, err);
}

/* -- streams ----------------------------------------------------------- */

/* The caller's sink, and why it ended the stream if it did: its errors are
 * not the hub's. */
struct tap {
	int (*sink)(void *arg, const char *data, size_t len, struct err *err);
	void *arg;
	bool stopped;
	struct err why;
};

static int tap_take(void *arg, const char *data, size_t len, struct err *err)
{
	struct tap *t = arg;

	if (t->sink(t->arg, data, len, err) == 0)
		return 0;
	t->stopped = true;
	t->why = *err;
	return -1;
}

int client_stream(struct client *c, const struct ctx *ctx, const char *target,
    const char *header,
    int (*sink)(void *arg, const char *data, size_t len, struct err *err),
    void *arg, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result result = HTTP_RESULT_INIT(REPLY_BYTES_MAX);
	CLEANUP(json_decref) json_t *reply = NULL;
	struct tap tap = {.sink = sink, .arg = arg};
	const char *headers[] = {header, NULL};
	struct http_call call = {.method = "GET",
	    .target = target,
	    .headers = headers,
	    .on_body = tap_take,
	    .body_sink_arg = &tap};

	if (transport(c, ctx, &call, &result, err) < 0) {
		if (tap.stopped)
			*err = tap.why;
		return -1;
	}
	if (result.status >= 200 && result.status < 300)
		return 0;
	reply = parse(&result);
	return refused(c, result.status, reply, err);
}

/* -- paths and replies ------------------------------------------------- */

char *client_job_path(const char *id, const char *suffix)
{
	CLEANUP(buf_fini) struct buf path = {.max = 64 * 1024};

	IGNORE(buf_append_str(&path, "/api/jobs/"));
	http_encode(&path, id);
	IGNORE(buf_append_str(&path, suffix));
	return buf_steal(&path, NULL);
}

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
