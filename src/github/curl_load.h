/*
 * libcurl, loaded when it is first needed: most hubs never talk to GitHub, and
 * with its TLS it would double what an idle one keeps in memory. The types are
 * those of its header; its functions are called by the table, not by name.
 */
#ifndef GITHUB_CURL_LOAD_H
#define GITHUB_CURL_LOAD_H

#include <curl/curl.h>

#include "base/defs.h"
#include "base/err.h"

#define GITHUB_CURL_CALLS(X)                                                   \
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
	X(slist_append)                                                        \
	X(slist_free_all)                                                      \
	X(version_info)

#define GITHUB_CURL_MEMBER(name) __typeof__(curl_##name) *name;
struct github_curl {
	GITHUB_CURL_CALLS(GITHUB_CURL_MEMBER)
};
#undef GITHUB_CURL_MEMBER

/* Empty until github_curl_load has succeeded, then never written again. */
extern struct github_curl github_curl;

/*
 * Any thread, before each use; the first call loads the library. Where it is
 * missing, err names the package, now and in every later call.
 */
int github_curl_load(struct err *err) MUST_CHECK;

#endif
