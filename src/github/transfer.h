/* One transfer of libcurl, as exchange.c and archive.c set it up. Not part of
 * github_internal.h, so that only those two see curl. */
#ifndef GITHUB_TRANSFER_H
#define GITHUB_TRANSFER_H

#include "github/curl_load.h"
#include "github/github_internal.h"

struct transfer {
	CURL *c; /* NULL: none */
	CURLM *m;
	struct curl_slist *headers;
	char words[CURL_ERROR_SIZE];
};
/* Not started before the first multi_perform. *t stays where it is until
 * transfer_end. */
int transfer_begin(struct transfer *t, const struct github *g,
    const struct github_request *request, struct err *err) MUST_CHECK;
void transfer_end(struct transfer *t);
static inline void transfer_end_guard(struct transfer *t)
{
	transfer_end(t);
}
/* Until something moves, is cancelled, or for a second. */
void transfer_wait(struct transfer *t, const struct ctx *ctx);
CURLcode transfer_result(struct transfer *t);
int transfer_status(struct transfer *t);
int transfer_fail(
    const struct github *g, CURLcode code, const char *words, struct err *err);
/* One header line into the fields of a reply. */
void transfer_header(struct github_reply *r, const char *data, size_t n);

#endif
