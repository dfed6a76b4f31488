/*
 * How runners come: registered by an operator, enrolled with the key, made by
 * the hub. Their tokens leave here, once. Handler threads.
 */
#include <string.h>

#include "api/runners_internal.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "runners/roots.h"

enum {
	WORD_MAX = 512,
	LABELS_MAX = 100,
	LABEL_MAX = 128,
	CONTAINERS_MAX = 8,
	LABELS_BYTES = 64 * 1024,
	ROOTS_BYTES = 256 * 1024,
};

/* -- the body ---------------------------------------------------------- */

int body_word(
    const json_t *body, const char *key, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(body, key);

	*ret = json_string_value(value);
	if (value == NULL || json_is_null(value))
		return 0;
	if (*ret == NULL || **ret == '\0' || strlen(*ret) > WORD_MAX)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"%s\": expected a string of 1 to %d bytes", key,
		    WORD_MAX);
	return 0;
}

static int bad_labels(struct err *err)
{
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"labels\": expected at most %d strings of 1 to %d bytes "
	    "without commas",
	    LABELS_MAX, LABEL_MAX);
}

/* As JSON text; none: []. */
static int read_labels(const json_t *body, struct buf *out, struct err *err)
{
	const json_t *list = json_object_get(body, "labels"), *item;
	struct json j;
	size_t i;

	if (list != NULL &&
	    (!json_is_array(list) || json_array_size(list) > LABELS_MAX))
		return bad_labels(err);
	json_init(&j, out);
	json_arr(&j);
	json_array_foreach(list, i, item)
	{
		const char *label = json_string_value(item);

		if (label == NULL || *label == '\0' ||
		    strlen(label) > LABEL_MAX ||
		    strpbrk(label, ",\r\n") != NULL)
			return bad_labels(err);
		json_str(&j, label);
	}
	json_end(&j);
	return 0;
}

/* "repository", "organization" or "url", at most one. */
static int read_scope(struct call *c, const json_t *body, bool trusted,
    char **ret, struct err *err)
{
	const char *repository, *organization, *url;

	TRY(body_word(body, "repository", &repository, err));
	TRY(body_word(body, "organization", &organization, err));
	TRY(body_word(body, "url", &url, err));
	if ((repository != NULL) + (organization != NULL) + (url != NULL) > 1)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Give one of repository, organization and url");
	if (repository != NULL && strchr(repository, '/') == NULL)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"repository\": expected owner/repo");
	return runners_scope(c->api->runners, url,
	    repository != NULL ? repository : organization, trusted, ret, err);
}

/* What all three have; borrowed from body, but for what it owns. */
struct wish {
	struct runner_wish w;
	struct buf labels, roots;
	char *scope;
};

static void wish_fini(struct wish *w)
{
	buf_fini(&w->labels);
	buf_fini(&w->roots);
	mem_free(w->scope);
}
static inline void wish_fini_guard(struct wish *w)
{
	wish_fini(w);
}

static int read_wish(struct call *c, const json_t *body, bool trusted,
    struct wish *ret, struct err *err)
{
	buf_init(&ret->labels, LABELS_BYTES);
	buf_init(&ret->roots, ROOTS_BYTES);
	TRY(body_word(body, "name", &ret->w.name, err));
	TRY(read_labels(body, &ret->labels, err));
	TRY(read_scope(c, body, trusted, &ret->scope, err));
	ret->w.labels = buf_str(&ret->labels);
	ret->w.scope = ret->scope;
	return 0;
}

static int need_name(const struct wish *w, struct err *err)
{
	return w->w.name != NULL ? 0
				 : err_set(err, ERR_INVALID, "missing_field",
				       "Missing required field: name");
}

/* -- the only copy of a token ------------------------------------------ */

static struct answer answer_token(struct call *c, int status, runner_id id,
    const char *name, char token[RUNNER_TOKEN_LEN])
{
	char text[UUID_TEXT_LEN];
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "id", uuid_text(id.u, text));
	if (name != NULL)
		json_kstr(&j, "name", name);
	json_kstr(&j, "token", token);
	json_end(&j);
	envelope_end(&j);
	secret_wipe(token, RUNNER_TOKEN_LEN);
	return reply_json(c, status, &body);
}

struct answer runner_new_token(struct call *c)
{
	struct err err = ERR_INIT;
	char token[RUNNER_TOKEN_LEN];
	runner_id id;

	if (call_runner(c, &id, &err) < 0 ||
	    runners_new_token(c->api->runners, id, token, &err) < 0)
		return reply_error(c, &err);
	log_info(&c->ctx, "runner got a new token", LOG_STR("runner", c->id));
	return answer_token(c, 200, id, NULL, token);
}

/* -- registered -------------------------------------------------------- */

static int read_roots(
    struct call *c, const json_t *body, struct wish *w, struct err *err)
{
	const json_t *list = json_object_get(body, "roots");
	const struct options *o = hub_options(c->hub);
	struct roots_secret secret = {
	    .state_dir = o->state_dir, .engine_host = o->engine_host};

	if (list == NULL)
		return 0;
	TRY(roots_from_request(list, &secret, &w->roots, err));
	w->w.roots = buf_str(&w->roots);
	return 0;
}

static int do_register(struct call *c, const json_t *body, struct wish *w,
    runner_id *id, char token[RUNNER_TOKEN_LEN], struct err *err)
{
	TRY(read_wish(c, body, true, w, err));
	TRY(need_name(w, err));
	TRY(read_roots(c, body, w, err));
	return runners_register(c->api->runners, &w->w, id, token, err);
}

struct answer runner_register(struct call *c)
{
	CLEANUP(wish_fini) struct wish w = {0};
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	char token[RUNNER_TOKEN_LEN];
	struct answer answer;
	runner_id id;

	if (body == NULL || do_register(c, body, &w, &id, token, &err) < 0) {
		answer = reply_error(c, &err);
	} else {
		log_info(
		    &c->ctx, "runner registered", LOG_STR("runner", w.w.name));
		answer = answer_token(c, 201, id, w.w.name, token);
	}
	json_decref(body);
	return answer;
}

/* -- enrolled ---------------------------------------------------------- */

static struct answer answer_enrol(
    struct call *c, struct enrol_answer *a, const char *name)
{
	struct buf body;
	struct json j;

	if (!a->challenged)
		return answer_token(c, 201, a->id, name, a->token);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "challenge", a->challenge);
	json_kstr(&j, "path", a->path);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

static int do_enrol(struct call *c, const json_t *body, struct wish *w,
    struct enrol_answer *ret, struct err *err)
{
	const json_t *list = json_object_get(body, "containers"), *item;
	const char *containers[CONTAINERS_MAX];
	struct enrol_wish wish = {.containers = containers};
	size_t i;

	TRY(read_wish(c, body, false, w, err));
	TRY(need_name(w, err));
	TRY(body_word(body, "token", &wish.old_token, err));
	json_array_foreach(list, i, item)
	{
		if (json_is_string(item) && wish.ncontainers < CONTAINERS_MAX)
			containers[wish.ncontainers++] =
			    json_string_value(item);
	}
	wish.runner = w->w;
	return runners_enrol(c->api->runners, &c->ctx, &wish, ret, err);
}

struct answer runner_enrol(struct call *c)
{
	CLEANUP(wish_fini) struct wish w = {0};
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	struct enrol_answer a;
	struct answer answer;

	if (body == NULL || do_enrol(c, body, &w, &a, &err) < 0)
		answer = reply_error(c, &err);
	else
		answer = answer_enrol(c, &a, w.w.name);
	json_decref(body);
	return answer;
}

static int do_confirm(struct call *c, const json_t *body,
    struct enrol_answer *ret, struct err *err)
{
	const char *challenge, *proof;

	TRY(body_word(body, "challenge", &challenge, err));
	TRY(body_word(body, "proof", &proof, err));
	if (challenge == NULL || proof == NULL)
		return err_set(err, ERR_INVALID, "missing_field",
		    "Missing required field: %s",
		    challenge == NULL ? "challenge" : "proof");
	return runners_confirm(
	    c->api->runners, &c->ctx, challenge, proof, ret, err);
}

struct answer runner_confirm(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	struct enrol_answer a;
	struct answer answer;

	if (body == NULL || do_confirm(c, body, &a, &err) < 0)
		answer = reply_error(c, &err);
	else
		answer = answer_enrol(c, &a, NULL);
	json_decref(body);
	return answer;
}

/* -- made -------------------------------------------------------------- */

static int read_count(const json_t *body, int *ret, struct err *err)
{
	const json_t *count = json_object_get(body, "count");

	*ret = 1;
	if (count == NULL)
		return 0;
	if (!json_is_integer(count) || json_integer_value(count) < 1 ||
	    json_integer_value(count) > RUNNERS_MAKE_MAX)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"count\": expected an integer from 1 to %d",
		    RUNNERS_MAKE_MAX);
	*ret = (int)json_integer_value(count);
	return 0;
}

static int do_make(struct call *c, const json_t *body, runner_id *ids,
    int *ret_count, struct err *err)
{
	CLEANUP(wish_fini) struct wish w = {0};
	struct make_wish wish = {
	    .ephemeral = json_is_true(json_object_get(body, "ephemeral"))};

	TRY(read_wish(c, body, true, &w, err));
	TRY(read_count(body, &wish.count, err));
	TRY(body_word(body, "image", &wish.image, err));
	TRY(body_word(body, "prefix", &wish.prefix, err));
	wish.scope = w.w.scope;
	wish.labels = w.w.labels;
	*ret_count = wish.count;
	return runners_make(c->api->runners, &wish, ids, err);
}

static struct answer answer_made(
    struct call *c, const runner_id *ids, int count)
{
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (int i = 0; i < count; i++) {
		CLEANUP(runner_fini) struct runner r = {0};

		if (store_runner_get(hub_store(c->hub), ids[i], &r, &err) == 1)
			runner_write(c, &r, &j);
	}
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 201, &body);
}

struct answer runner_create(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	runner_id ids[RUNNERS_MAKE_MAX];
	struct answer answer;
	int count = 0;

	if (body == NULL || do_make(c, body, ids, &count, &err) < 0)
		answer = reply_error(c, &err);
	else
		answer = answer_made(c, ids, count);
	json_decref(body);
	return answer;
}
