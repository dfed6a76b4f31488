/* What the engine tells about a container (its inspect document). Pure. */
#ifndef CONTAINERS_DOCUMENT_H
#define CONTAINERS_DOCUMENT_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

#define CONTAINER_DEFAULT_PATH                                                 \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* All numbers become real: some engines write them so. *ret is the caller's;
 * ERR_INTERNAL "engine_answer" names the container. */
int document_read(const char *text, size_t len, const char *id, json_t **ret,
    struct err *err) MUST_CHECK;
/* Value at "A.B.C" of a document; NULL: none. */
const json_t *document_at(const json_t *doc, const char *path);
/* PATH of its environment, else the usual; borrowed from doc. */
const char *document_path(const json_t *doc);
/* NetworkSettings.Ports as {"6379":"32768"}. */
json_t *document_ports(const json_t *doc);

#endif
