/*
 * Connections that wait for the next request to where they lead. A handle has
 * its own (libcurl's connections are of one thread at a time), so whole
 * handles are lent: a request takes the one that came back last, which most
 * likely leads there. Internal.
 */
#ifndef WEB_POOL_H
#define WEB_POOL_H

#include "web/curl_load.h"

enum {
	POOL_HANDLES = 8,     /* that wait at one time, the rest is closed */
	POOL_CONNECTIONS = 4, /* of one handle */
	POOL_IDLE_S = 60,     /* older ones are closed by who comes next */
};
/* Once, with the library. */
void web_pool_init(void);
/* Never NULL. Any thread, after web_curl_load. */
CURLM *web_pool_take(void);
/* Nothing may be under way in it. */
void web_pool_put(CURLM *m);

#endif
