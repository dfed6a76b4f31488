/* What is kept of GET /api/monitoring from one call to the next. */
#ifndef API_MONITORING_H
#define API_MONITORING_H

#include "api/api_internal.h"

struct monitoring *monitoring_new(void);
void monitoring_free(struct monitoring *m);

#endif
