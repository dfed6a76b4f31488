/* Credentials of a registry, as the engine takes them with a pull. */
#ifndef CONTAINERS_REGISTRY_H
#define CONTAINERS_REGISTRY_H

#include "containers/wish.h"

/* The value of the header X-Registry-Auth; to wipe and mem_free. */
char *registry_auth(const struct container_wish *w);

#endif
