/* Where the store is: see store_place.h. Pure; any thread. */
#include "jobs/store_place.h"

#include <stdio.h>

#include "base/secret.h"

static const char *text_of(const struct secret *key)
{
	return key != NULL ? secret_expose(key, NULL) : NULL;
}

void store_place_find(
    struct store_place *ret, const struct options *o, const char *state_dir)
{
	snprintf(ret->path, sizeof(ret->path), "%s/runnerhub.db", state_dir);
	snprintf(ret->key_path, sizeof(ret->key_path), "%s/encryption.key",
	    state_dir);
	ret->config = (struct store_config){.path = ret->path,
	    .key_path = ret->key_path,
	    .encryption_key = text_of(o->encryption_key),
	    .encryption_key_old = text_of(o->encryption_key_old)};
}
