/*
 * libcurl, loaded when it is first needed: most hubs never talk to another
 * site, and with its TLS it would double what an idle one keeps in memory.
 * The types are those of its header; its functions are called by the table,
 * not by name. Internal.
 */
#ifndef WEB_CURL_LOAD_H
#define WEB_CURL_LOAD_H

#include <curl/curl.h>

#include "base/defs.h"
#include "web/web.h"

#define WEB_CURL_CALLS(X)                                                      \
	X(easy_cleanup)                                                        \
	X(easy_getinfo)                                                        \
	X(easy_init)                                                           \
	X(easy_pause)                                                          \
	X(easy_setopt)                                                         \
	X(easy_strerror)                                                       \
	X(global_init)                                                         \
	X(multi_add_handle)                                                    \
	X(multi_cleanup)                                                       \
	X(multi_info_read)                                                     \
	X(multi_init)                                                          \
	X(multi_perform)                                                       \
	X(multi_poll)                                                          \
	X(multi_remove_handle)                                                 \
	X(multi_setopt)                                                        \
	X(slist_append)                                                        \
	X(slist_free_all)                                                      \
	X(version_info)

#define WEB_CURL_MEMBER(name) __typeof__(curl_##name) *name;
struct web_curl {
	WEB_CURL_CALLS(WEB_CURL_MEMBER)
};
#undef WEB_CURL_MEMBER

/* Empty until web_curl_load has succeeded, then never written again. */
extern struct web_curl web_curl;

/*
 * Any thread, before each use; the first call loads the library. Where it is
 * missing, err names the package, now and in every later call.
 */
int web_curl_load(const struct web_peer *peer, struct err *err) MUST_CHECK;

#endif
