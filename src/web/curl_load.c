/*
 * Loads libcurl, once, in the thread that first asks another site. It stays
 * loaded: TLS libraries do not like to leave.
 */
#include "web/curl_load.h"

#include <pthread.h>
#include <stdio.h>

#include "base/library.h"
#include "web/pool.h"

#define LIBRARY "libcurl.so.4"

enum { VERSION_MIN = 0x075500 }; /* 7.85: CURLOPT_PROTOCOLS_STR */

struct web_curl web_curl;

/* Why it could not be loaded; "" when it was. */
static char trouble[LIBRARY_TROUBLE_MAX];

#define CALL(name) {"curl_" #name, offsetof(struct web_curl, name)},
static const struct library_call calls[] = {WEB_CURL_CALLS(CALL)};
#undef CALL

static void load_once(void)
{
	static const struct library library = {
	    .file = LIBRARY, .calls = calls, .n = ARRAY_LEN(calls)};
	const curl_version_info_data *version;

	if (library_load(&library, &web_curl, trouble) < 0)
		return;
	version = web_curl.version_info(CURLVERSION_NOW);
	if (version->version_num < VERSION_MIN)
		snprintf(trouble, sizeof(trouble), LIBRARY " is version %s",
		    version->version);
	else
		ASSERT(web_curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	web_pool_init();
}

int web_curl_load(const struct web_peer *peer, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_once);
	if (*trouble == '\0')
		return 0;
	return web_error(peer, err, ERR_INTERNAL, "no_library",
	    "the hub needs " LIBRARY ", 7.85 or later, to talk to %s "
	    "(%.200s): install Debian's package libcurl4 and restart the hub",
	    peer->name, trouble);
}
