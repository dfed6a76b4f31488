/* What the engine tells about a container (its inspect document). Pure. */
#ifndef CONTAINERS_DOCUMENT_H
#define CONTAINERS_DOCUMENT_H

#include <jansson.h>

#define CONTAINER_DEFAULT_PATH                                                 \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Value at "A.B.C" of a document; NULL: none. */
const json_t *document_at(const json_t *doc, const char *path);
/* PATH of its environment, else the usual; borrowed from doc. */
const char *document_path(const json_t *doc);
/* NetworkSettings.Ports as {"6379":"32768"}. */
json_t *document_ports(const json_t *doc);

#endif
