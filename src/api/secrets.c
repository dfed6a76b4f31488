/*
 * Named secrets, kept for components: put, named, deleted. A value comes in
 * and never leaves: neither an answer nor an error nor the log says it.
 * Handler threads.
 */
#include <jansson.h>
#include <string.h>

#include "api/secret_body.h"
#include "base/log.h"
#include "base/secret.h"
#include "store/named_secrets.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

struct answer secret_put(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	const json_t *value;
	struct err err = ERR_INIT;

	body = secret_body_read(c, &err);
	if (body == NULL)
		return reply_error(c, &err);
	value = json_object_get(body, "value");
	if (!json_is_string(value)) {
		IGNORE(err_set(&err, ERR_INVALID, "invalid_field",
		    "Field \"value\": expected a string"));
		return reply_error(c, &err);
	}
	if (store_named_secret_put(hub_store(c->hub), c->id,
		json_string_value(value), json_string_length(value), &err) < 0)
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
		json_ktime(&j, "createdAt", l.items[i].created_at);
		json_ktime(&j, "updatedAt", l.items[i].updated_at);
		json_end(&j);
	}
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}
