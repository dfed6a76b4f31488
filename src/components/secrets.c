/* Secrets of an instance: see secrets.h. */
#include "components/secrets.h"

#include <stdio.h>
#include <string.h>

#include "components/faults.h"
#include "secrets/secrets.h"
#include "store/instances.h"

/* As fault_set, for what a secret may be refused for. */
static int set_code(struct err *err)
{
	static const char *const codes[][2] = {
	    {"secret_not_found", FAULT_NO_SECRET},
	    {"secret_not_allowed", FAULT_SECRET_RULE},
	    {"vault_refused", FAULT_SECRET_RULE},
	    {"vault_unavailable", FAULT_VAULT}};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (strcmp(err->code, codes[i][0]) == 0)
			snprintf(
			    err->code, sizeof(err->code), "%s", codes[i][1]);
	return -1;
}

int flow_secrets_check(struct flow *f, struct err *err)
{
	const struct secret_taker who = {
	    .use = SECRET_COMPONENTS, .id = f->id_text};

	for (char **s = f->d.secrets; s != NULL && *s != NULL; s++)
		if (secrets_check(
			f->owner->config.secrets, &f->start, &who, *s, err) < 0)
			return set_code(err);
	return 0;
}

int flow_secret_take(
    const struct flow *f, const char *name, struct buf *out, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct secret_taker who = {.use = SECRET_COMPONENTS, .id = f->id_text};

	TRY(store_instance_get(f->owner->config.store, f->id, &i, err));
	who.actor = i.started_by;
	if (secrets_take(
		f->owner->config.secrets, &f->start, &who, name, out, err) < 0)
		return set_code(err);
	return 0;
}
