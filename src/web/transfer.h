/* One transfer of libcurl, as exchange.c and stream.c drive it. Internal. */
#ifndef WEB_TRANSFER_H
#define WEB_TRANSFER_H

#include "web/curl_load.h"
#include "web/web.h"

struct transfer {
	CURL *c; /* NULL: none */
	CURLM *m;
	bool pooled; /* m goes back where it came from */
	struct curl_slist *headers;
	const struct web_peer *peer;
	const struct web_guard *guard; /* NULL: none */
	char words[CURL_ERROR_SIZE];
};
/* Not started before the first multi_perform. *t stays where it is until
 * transfer_end; so does what the request points at. */
int transfer_begin(struct transfer *t, const struct web_peer *peer,
    const struct ctx *ctx, const struct web_request *request,
    struct err *err) MUST_CHECK;
void transfer_end(struct transfer *t);
static inline void transfer_end_guard(struct transfer *t)
{
	transfer_end(t);
}
/* Until something moves, is cancelled, or for a second. */
void transfer_wait(struct transfer *t, const struct ctx *ctx);
CURLcode transfer_result(struct transfer *t);
int transfer_status(struct transfer *t);
int transfer_fail(const struct transfer *t, CURLcode code, struct err *err);
/* One header line to whoever wants it. */
void transfer_header(
    const struct web_request *request, const char *data, size_t n);

#endif
