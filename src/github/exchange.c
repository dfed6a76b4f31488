/*
 * One HTTPS request to GitHub and its reply, on libcurl: with the context's
 * deadline and cancellation, a bounded body, no redirects, the proxies of the
 * environment. The caller's thread.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/parse.h"
#include "github/transfer.h"

enum {
	BODY_MAX = 4 << 20,
	CALL_MS = 30000,    /* one exchange */
	CONNECT_MS = 10000, /* of these, until it is connected */
	LOOK_MS = 1000,
};

void github_reply_fini(struct github_reply *r)
{
	buf_fini(&r->body);
}

void github_reply_reset(struct github_reply *r, size_t body_max)
{
	buf_fini(&r->body);
	*r = (struct github_reply){
	    .retry_after_s = -1, .remaining = -1, .reset_at = -1, .limit = -1};
	buf_init(&r->body, body_max);
}

/* -- the reply as it comes --------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct github_reply *r = arg;

	/* Less than was given ends the transfer. */
	return buf_append(&r->body, data, size * n) == 0 ? n : 0;
}

/* Too long for its place: as unsaid. */
static void take_text(const char *text, size_t n, char *ret, size_t size)
{
	while (n > 0 && strchr(" \t", *text) != NULL)
		text++, n--;
	while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
		n--;
	if (n >= size || memchr(text, '\0', n) != NULL)
		n = 0;
	memcpy(ret, text, n);
	ret[n] = '\0';
}

static void take_number(const char *text, size_t n, int64_t *ret)
{
	char value[24];

	take_text(text, n, value, sizeof(value));
	IGNORE(parse_int(value, 0, INT64_MAX / 2, ret) < 0); /* as unsaid */
}

void transfer_header(struct github_reply *r, const char *data, size_t n)
{
	const struct {
		const char *name;
		int64_t *number;
		char *text;
		size_t size;
	} wanted[] = {{"retry-after:", &r->retry_after_s},
	    {"x-ratelimit-limit:", &r->limit},
	    {"x-ratelimit-remaining:", &r->remaining},
	    {"x-ratelimit-reset:", &r->reset_at},
	    {"etag:", NULL, r->etag, sizeof(r->etag)},
	    {"content-type:", NULL, r->content_type, sizeof(r->content_type)},
	    {"location:", NULL, r->location, sizeof(r->location)}};

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		size_t len = strlen(wanted[i].name);

		if (n <= len || strncasecmp(data, wanted[i].name, len) != 0)
			continue;
		if (wanted[i].number != NULL)
			take_number(data + len, n - len, wanted[i].number);
		else
			take_text(data + len, n - len, wanted[i].text,
			    wanted[i].size);
	}
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	transfer_header(arg, data, size * n);
	return size * n;
}

/* -- the exchange ------------------------------------------------------ */

static void append_header(struct curl_slist **l, const char *line)
{
	struct curl_slist *grown = github_curl.slist_append(*l, line);

	ASSERT(grown != NULL);
	*l = grown;
}

static void set_method(CURL *c, const char *method)
{
	github_curl.easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	if (strcmp(method, "POST") == 0) {
		github_curl.easy_setopt(c, CURLOPT_POSTFIELDS, "");
		github_curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L);
	}
}

static void set_headers(
    struct transfer *t, const struct github_request *request)
{
	CLEANUP(mem_free)
	char *accept = mem_printf("Accept: %s",
	    request->accept != NULL ? request->accept
				    : "application/vnd.github+json");
	CLEANUP(mem_free) char *etag = NULL;

	append_header(&t->headers, accept);
	append_header(&t->headers, "X-GitHub-Api-Version: 2022-11-28");
	if (request->etag != NULL) {
		etag = mem_printf("If-None-Match: %s", request->etag);
		append_header(&t->headers, etag);
	}
	github_curl.easy_setopt(t->c, CURLOPT_HTTPHEADER, t->headers);
}

static void set_trust(CURL *c)
{
	const char *ca = getenv("SSL_CERT_FILE");

	github_curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	github_curl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	github_curl.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	github_curl.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	github_curl.easy_setopt(
	    c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (ca != NULL && *ca != '\0')
		github_curl.easy_setopt(c, CURLOPT_CAINFO, ca);
}

int transfer_begin(struct transfer *t, const struct github *g,
    const struct github_request *request, struct err *err)
{
	TRY(github_curl_load(err));
	*t = (struct transfer){
	    .c = github_curl.easy_init(), .m = github_curl.multi_init()};
	ASSERT(t->c != NULL && t->m != NULL);
	github_curl.easy_setopt(t->c, CURLOPT_URL, request->url);
	set_method(t->c, request->method);
	set_headers(t, request);
	set_trust(t->c);
	github_curl.easy_setopt(t->c, CURLOPT_NOSIGNAL, 1L);
	github_curl.easy_setopt(
	    t->c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	github_curl.easy_setopt(t->c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	github_curl.easy_setopt(
	    t->c, CURLOPT_USERAGENT, "runnerhub/" RUNNERHUB_VERSION);
	if (!request->foreign && g->token != NULL) {
		github_curl.easy_setopt(
		    t->c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		github_curl.easy_setopt(t->c, CURLOPT_XOAUTH2_BEARER,
		    secret_expose(g->token, NULL));
	}
	github_curl.easy_setopt(t->c, CURLOPT_ERRORBUFFER, t->words);
	ASSERT(github_curl.multi_add_handle(t->m, t->c) == CURLM_OK);
	return 0;
}

void transfer_end(struct transfer *t)
{
	if (t->c == NULL)
		return;
	github_curl.multi_remove_handle(t->m, t->c);
	github_curl.easy_cleanup(t->c);
	github_curl.multi_cleanup(t->m);
	github_curl.slist_free_all(t->headers);
	*t = (struct transfer){0};
}

void transfer_wait(struct transfer *t, const struct ctx *ctx)
{
	struct curl_waitfd wake = {.events = CURL_WAIT_POLLIN};
	int ms = clock_poll_ms(ctx->deadline_ns);

	if (ms < 0 || ms > LOOK_MS)
		ms = LOOK_MS;
	if (ctx->cancel != NULL)
		wake.fd = ctx->cancel->fd;
	github_curl.multi_poll(t->m, &wake, ctx->cancel != NULL, ms, NULL);
}

CURLcode transfer_result(struct transfer *t)
{
	CURLcode code = CURLE_FAILED_INIT;
	CURLMsg *msg;
	int left;

	while ((msg = github_curl.multi_info_read(t->m, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			code = msg->data.result;
	return code;
}

int transfer_status(struct transfer *t)
{
	long status = 0;

	github_curl.easy_getinfo(t->c, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/* Until the transfer is over, or the context. */
static int drive(struct transfer *t, const struct ctx *ctx, struct err *err)
{
	int running = 1;

	while (running > 0) {
		TRY(ctx_check(ctx, err));
		if (github_curl.multi_perform(t->m, &running) != CURLM_OK)
			break;
		if (running > 0)
			transfer_wait(t, ctx);
	}
	return 0;
}

int transfer_fail(
    const struct github *g, CURLcode code, const char *words, struct err *err)
{
	if (*words == '\0')
		words = github_curl.easy_strerror(code);
	switch ((int)code) {
	case CURLE_WRITE_ERROR:
		return err_set(err, ERR_LIMIT, "github_bad_reply",
		    "%s sent more than %d MiB: not a reply of GitHub", g->api,
		    BODY_MAX >> 20);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return err_set(err, ERR_FORBIDDEN, "github_untrusted",
		    "the certificate of %s is not trusted (%.120s): install "
		    "the authority that signed it, or name its file in "
		    "SSL_CERT_FILE",
		    g->api, words);
	default:
		return err_set(err, ERR_UNAVAILABLE, "github_down",
		    "%s cannot be reached: %.160s (a proxy is taken from "
		    "HTTPS_PROXY)",
		    g->api, words);
	}
}

static int run(struct transfer *t, const struct github *g,
    const struct ctx *ctx, struct err *err)
{
	CURLcode code;

	if (drive(t, ctx, err) < 0)
		return err->kind == ERR_TIMEOUT
			   ? err_set(err, ERR_UNAVAILABLE, "github_down",
				 "%s did not answer in time", g->api)
			   : -1;
	code = transfer_result(t);
	return code == CURLE_OK ? 0 : transfer_fail(g, code, t->words, err);
}

int github_exchange(struct github *g, const struct ctx *parent,
    const struct github_request *request, struct github_reply *ret,
    struct err *err)
{
	CLEANUP(transfer_end) struct transfer t = {0};
	struct ctx ctx = ctx_with_timeout(parent, CALL_MS);

	github_reply_reset(ret, BODY_MAX);
	TRY(transfer_begin(&t, g, request, err));
	github_curl.easy_setopt(t.c, CURLOPT_WRITEFUNCTION, take_body);
	github_curl.easy_setopt(t.c, CURLOPT_WRITEDATA, ret);
	github_curl.easy_setopt(t.c, CURLOPT_HEADERFUNCTION, take_header);
	github_curl.easy_setopt(t.c, CURLOPT_HEADERDATA, ret);
	TRY(run(&t, g, &ctx, err));
	ret->status = transfer_status(&t);
	github_budget_note(g, ret);
	return 0;
}
