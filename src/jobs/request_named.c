/*
 * Validates the named secrets of a delegation: see request_internal.h. Whether
 * they are there, and whom they are for, is asked in named.c.
 */
#include <string.h>

#include "jobs/named.h"
#include "jobs/request_internal.h"
#include "secrets/secrets.h"

static int check_one(struct request_parser *p, const json_t *secrets,
    const char *variable, const json_t *name)
{
	if (!request_is_env_name(variable))
		return err_set(p->err, ERR_INVALID, "invalid_field",
		    "Field \"namedSecrets\": \"%.64s\" is no variable name "
		    "(letters, digits and _)",
		    variable);
	if (json_object_get(secrets, variable) != NULL)
		return err_set(p->err, ERR_INVALID, "invalid_field",
		    "Field \"namedSecrets.%.64s\": \"secrets\" has it, too",
		    variable);
	if (!json_is_string(name) ||
	    !secret_ref_is_valid(json_string_value(name)))
		return err_set(p->err, ERR_INVALID, "invalid_field",
		    "Field \"namedSecrets.%.64s\": expected the name of a "
		    "secret, or vault:PATH#FIELD",
		    variable);
	return 0;
}

/* Sessions get none: which repository one is for says whoever drives it, and
 * runners drive theirs with tokens that no rule of a secret knows. */
int request_take_named(
    struct request_parser *p, const json_t *body, json_t *spec, bool is_session)
{
	json_t *map = json_object_get(body, "namedSecrets"), *name;
	const char *variable;

	if (map == NULL || json_is_null(map))
		return 0;
	if (!json_is_object(map) || json_object_size(map) > NAMED_MAX)
		return request_bad(p, "namedSecrets",
		    "an object of at most 100 variables and names of secrets");
	if (json_object_size(map) == 0)
		return 0;
	if (is_session)
		return request_bad(p, "namedSecrets",
		    "none: only jobs with steps get secrets of the hub");
	json_object_foreach(map, variable, name)
	{
		TRY(check_one(
		    p, json_object_get(body, "secrets"), variable, name));
	}
	return json_object_set(spec, "namedSecrets", map);
}
