/* Any bytes as the runner's request: lists end with NULL, mounts and services
 * are as many as is said, variables have names. */
#include <stdint.h>
#include <string.h>

#include "hook/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct container_wish *c)
{
	if (c->env.v == NULL)
		return; /* never reached in the request */
	ASSERT(c->env.v[c->env.n] == NULL);
	for (size_t i = 0; i < c->env.n; i++)
		ASSERT(strchr(c->env.v[i], '=') > c->env.v[i]);
	ASSERT(c->entry_args.v[c->entry_args.n] == NULL);
	ASSERT(c->ports.v[c->ports.n] == NULL);
	for (size_t i = 0; i < c->nuser_mounts; i++)
		ASSERT(c->user_mounts[i].source == NULL ||
		       c->user_mounts[i].source[0] != '\0');
	ASSERT(!c->has_registry || c->registry_password != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(envelope_fini) struct hook_envelope e = {.doc = NULL};
	struct err err = ERR_INIT;

	if (envelope_parse((const char *)data, size, &e, &err) != 0) {
		ASSERT(err.kind != ERR_NONE);
		return 0;
	}
	ASSERT(hook_command_name(e.command) != NULL);
	look(&e.container);
	for (size_t i = 0; i < e.nservices; i++)
		look(&e.services[i]);
	return 0;
}
