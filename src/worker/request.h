/* The two requests of a relay to its hub, as JSON. */
#ifndef WORKER_REQUEST_H
#define WORKER_REQUEST_H

#include <jansson.h>

#include "worker/message.h"
#include "worker/settings.h"

/* The body of POST /api/jobs/delegate; the caller's. */
json_t *request_session(const struct settings *s, const struct message *m);
/* The body of POST .../steps that starts the worker; the caller's. */
json_t *request_worker(const struct settings *s);

#endif
