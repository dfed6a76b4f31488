/*
 * Named secrets, kept for components and jobs: put, named, deleted. A value
 * comes in and never leaves: neither an answer nor an error nor the log says
 * it. Handler threads.
 */
#include <jansson.h>
#include <string.h>

#include "api/secret_body.h"
#include "base/log.h"
#include "base/secret.h"
#include "store/named_secrets.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* Absent or null: NULL. */
static int take_text(
    const json_t *body, const char *field, const char **ret, struct err *err)
{
	const json_t *v = json_object_get(body, field);

	*ret = json_string_value(v);
	if (*ret != NULL || v == NULL || json_is_null(v))
		return 0;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"%s\": expected a string", field);
}

/* A list of patterns as the store has them, with commas; absent: NULL. */
static int take_repositories(
    const json_t *body, struct buf *out, const char **ret, struct err *err)
{
	const json_t *list = json_object_get(body, "repositories"), *one;
	size_t i;

	*ret = NULL;
	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"repositories\": expected an array of strings");
	json_array_foreach((json_t *)list, i, one)
	{
		const char *text = json_string_value(one);

		if (text == NULL || *text == '\0' ||
		    strchr(text, ',') != NULL ||
		    buf_printf(out, "%s%s", i > 0 ? "," : "", text) < 0)
			return err_set(err, ERR_INVALID, "invalid_field",
			    "Field \"repositories\": expected strings such as "
			    "\"owner/repo\" or \"owner/*\", %d bytes in all",
			    SECRET_PATTERNS_BYTES - 1);
	}
	*ret = buf_str(out);
	return 0;
}

static int put(struct call *c, const json_t *body, struct err *err)
{
	CLEANUP(buf_fini) struct buf repositories = {
	    .max = SECRET_PATTERNS_BYTES};
	const json_t *value = json_object_get(body, "value");
	struct named_secret_new n = {.name = c->id};

	if (!json_is_string(value))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"value\": expected a string");
	n.value = json_string_value(value);
	n.len = json_string_length(value);
	TRY(take_text(body, "use", &n.use, err));
	TRY(take_repositories(body, &repositories, &n.repositories, err));
	return store_named_secret_put(hub_store(c->hub), &n, err);
}

struct answer secret_put(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	struct err err = ERR_INIT;

	body = secret_body_read(c, &err);
	if (body == NULL)
		return reply_error(c, &err);
	if (put(c, body, &err) < 0)
		return reply_error(c, &err);
	log_info(&c->ctx, "secret kept", LOG_STR("name", c->id));
	return reply_message(c, 200, "Secret kept");
}

struct answer secret_delete(struct call *c)
{
	struct err err = ERR_INIT;
	int found = store_named_secret_delete(hub_store(c->hub), c->id, &err);

	if (found == 1) {
		log_info(&c->ctx, "secret deleted", LOG_STR("name", c->id));
		return reply_message(c, 200, "Secret deleted");
	}
	if (found == 0)
		IGNORE(err_set(&err, ERR_NOT_FOUND, "secret_not_found",
		    "Secret not found"));
	return reply_error(c, &err);
}

static void write_repositories(struct json *j, const char *text)
{
	json_karr(j, "repositories");
	while (*text != '\0') {
		size_t n = strcspn(text, ",");

		json_strn(j, text, n);
		text += n + (text[n] == ',');
	}
	json_end(j);
}

struct answer secret_list(struct call *c)
{
	CLEANUP(named_secret_list_free) struct named_secret_list l = {0};
	int64_t limit = LIST_DEFAULT;
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (param_int(c, "limit", 1, LIST_MAX, &limit, &err) < 0 ||
	    store_named_secret_list(hub_store(c->hub),
		http_query(c->x, "after"), limit, &l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++) {
		json_obj(&j);
		json_kstr(&j, "name", l.items[i].name);
		json_kstr(&j, "use", secret_use_name(l.items[i].rule.use));
		write_repositories(&j, l.items[i].rule.repositories);
		json_ktime(&j, "createdAt", l.items[i].created_at);
		json_ktime(&j, "updatedAt", l.items[i].updated_at);
		json_end(&j);
	}
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}
