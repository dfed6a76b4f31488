/* How much the hub logs, changed while it runs. Handler threads. */
#include <jansson.h>

#include "api/api_internal.h"
#include "api/audit.h"
#include "base/log.h"

struct answer log_level_set(struct call *c)
{
	struct err err = ERR_INIT;
	json_t *body = param_body(c, &err);
	const char *name = json_string_value(json_object_get(body, "level"));
	enum log_level level;
	int r = 0;

	if (body != NULL && (name == NULL || log_level_parse(name, &level) < 0))
		r = err_set(&err, ERR_INVALID, "invalid_field",
		    "Field \"level\": expected debug, info, warn or error");
	json_decref(body);
	if (body == NULL || r < 0)
		return reply_error(c, &err);
	log_set_level(level);
	audit_detail(c, "level", log_level_name(level));
	/* Whatever it is now: nobody shall wonder where the lines went. */
	log_error(&c->ctx, "the log's level is changed",
	    LOG_STR("level", log_level_name(level)));
	return reply_message(c, 200, "Level changed until the hub restarts");
}
