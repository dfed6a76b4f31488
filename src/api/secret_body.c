/* Bodies that may hold a password or a secret: see secret_body.h. */
#include "api/secret_body.h"

#include "base/secret.h"

json_t *secret_body_read(struct call *c, struct err *err)
{
	json_t *body = param_body(c, err);

	if (body != NULL)
		return body;
	/* The parser quotes what it does not understand. */
	err_clear(err);
	IGNORE(err_set(
	    err, ERR_INVALID, "invalid_json", "The body is no JSON object"));
	return NULL;
}

void secret_body_forget(json_t *body)
{
	const char *key;
	json_t *value;

	json_object_foreach(body, key, value)
	{
		if (json_is_string(value))
			secret_wipe((char *)json_string_value(value),
			    json_string_length(value));
	}
	json_decref(body);
}
