/* Named secrets of jobs: see named.h. */
#include "jobs/named.h"

#include <jansson.h>
#include <string.h>

#include "base/secret.h"
#include "jobs/carry_internal.h"
#include "jobs/hub_internal.h"
#include "secrets/secrets.h"
#include "store/named_secrets.h"

static const char FIELD[] = "namedSecrets";

int named_check(struct hub *h, const struct request *r, struct err *err)
{
	CLEANUP(spec_fini) struct spec spec = {.root = NULL};
	const struct secret_taker who = {
	    .use = SECRET_JOBS, .repository = r->repository};
	const char *variable;
	json_t *name;

	if (strstr(r->spec, "\"namedSecrets\":") == NULL)
		return 0;
	TRY(spec_load(&spec, r->spec, err));
	json_object_foreach(json_object_get(spec.root, FIELD), variable, name)
	{
		if (secrets_check(h->secrets, NULL, &who,
			json_string_value(name), err) < 0)
			return err_wrap(
			    err, "Field \"%s.%.64s\"", FIELD, variable);
	}
	return 0;
}

static int take_one(struct carry *c, const char *actor, const char *name,
    json_t **ret, struct err *err)
{
	const struct secret_taker who = {.use = SECRET_JOBS,
	    .id = c->id_text,
	    .repository = c->job.repository,
	    .actor = actor};
	struct buf value = {.max = NAMED_SECRET_VALUE_MAX};
	int rc = secrets_take(
	    c->hub->secrets, &c->starting, &who, name, &value, err);

	*ret = NULL;
	if (rc == 0) {
		*ret = json_stringn(buf_str(&value), value.len);
		if (*ret == NULL)
			rc = err_set(err, ERR_INVALID, "secret_not_text",
			    "The secret %.128s is no UTF-8 text: keep it "
			    "encoded, as with base64",
			    name);
	}
	if (value.data != NULL)
		secret_wipe(value.data, value.len);
	buf_fini(&value);
	return rc;
}

static int take_all(struct carry *c, const json_t *names, const char *actor,
    json_t *into, struct err *err)
{
	const char *variable;
	json_t *name, *value;

	json_object_foreach((json_t *)names, variable, name)
	{
		TRY(take_one(c, actor, json_string_value(name), &value, err));
		json_object_set_new(into, variable, value);
	}
	return 0;
}

int named_take(struct carry *c, struct err *err)
{
	const json_t *names = json_object_get(c->spec.root, FIELD);
	json_t *meta, *taken;
	int rc;

	if (names == NULL || c->named != NULL)
		return 0;
	meta = json_loads(c->job.metadata, 0, NULL);
	taken = json_object();
	rc = take_all(c, names,
	    json_string_value(json_object_get(meta, "delegatedBy")), taken,
	    err);
	json_decref(meta);
	if (rc == 0)
		c->named = taken;
	else
		named_free(taken);
	return rc;
}

void named_free(json_t *named)
{
	const char *key;
	json_t *v;

	json_object_foreach(named, key, v)
	{
		secret_wipe(
		    (char *)json_string_value(v), json_string_length(v));
	}
	json_decref(named);
}
