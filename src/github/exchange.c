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
#include "github/curl_load.h"
#include "github/github_internal.h"

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

static void easy_free(CURL *c)
{
	if (c != NULL)
		github_curl.easy_cleanup(c);
}
DEFINE_CLEANUP(CURL *, easy_free);

static void multi_free(CURLM *m)
{
	if (m != NULL)
		github_curl.multi_cleanup(m);
}
DEFINE_CLEANUP(CURLM *, multi_free);

static void slist_free(struct curl_slist *l)
{
	if (l != NULL)
		github_curl.slist_free_all(l);
}
DEFINE_CLEANUP(struct curl_slist *, slist_free);

/* -- the reply as it comes --------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct github_reply *r = arg;

	/* Less than was given ends the transfer. */
	return buf_append(&r->body, data, size * n) == 0 ? n : 0;
}

static void take_number(const char *text, size_t n, int64_t *ret)
{
	char value[24];

	while (n > 0 && strchr(" \t", *text) != NULL)
		text++, n--;
	while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
		n--;
	if (n == 0 || n >= sizeof(value))
		return;
	memcpy(value, text, n);
	value[n] = '\0';
	IGNORE(parse_int(value, 0, INT64_MAX / 2, ret) < 0); /* as unsaid */
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct github_reply *r = arg;
	const struct {
		const char *name;
		int64_t *ret;
	} wanted[] = {{"retry-after:", &r->retry_after_s},
	    {"x-ratelimit-remaining:", &r->remaining},
	    {"x-ratelimit-reset:", &r->reset_at}};

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		size_t len = strlen(wanted[i].name);

		if (size * n > len &&
		    strncasecmp(data, wanted[i].name, len) == 0)
			take_number(data + len, size * n - len, wanted[i].ret);
	}
	return size * n;
}

/* -- the exchange ------------------------------------------------------ */

static void append_header(struct curl_slist **l, const char *line)
{
	struct curl_slist *grown = github_curl.slist_append(*l, line);

	ASSERT(grown != NULL);
	*l = grown;
}

static void set_up(CURL *c, const struct github *g, const char *method,
    const char *url, const struct curl_slist *headers, char *words,
    struct github_reply *ret)
{
	const char *ca = getenv("SSL_CERT_FILE");

	github_curl.easy_setopt(c, CURLOPT_URL, url);
	github_curl.easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	if (strcmp(method, "POST") == 0) {
		github_curl.easy_setopt(c, CURLOPT_POSTFIELDS, "");
		github_curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L);
	}
	github_curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	github_curl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	github_curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	github_curl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	github_curl.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	github_curl.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	github_curl.easy_setopt(
	    c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (ca != NULL && *ca != '\0')
		github_curl.easy_setopt(c, CURLOPT_CAINFO, ca);
	github_curl.easy_setopt(
	    c, CURLOPT_USERAGENT, "runnerhub/" RUNNERHUB_VERSION);
	github_curl.easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
	github_curl.easy_setopt(
	    c, CURLOPT_XOAUTH2_BEARER, secret_expose(g->token, NULL));
	github_curl.easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	github_curl.easy_setopt(c, CURLOPT_ERRORBUFFER, words);
	github_curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	github_curl.easy_setopt(c, CURLOPT_WRITEDATA, ret);
	github_curl.easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	github_curl.easy_setopt(c, CURLOPT_HEADERDATA, ret);
}

/* Until the transfer is over, or the context. */
static int drive(
    CURLM *m, const struct ctx *ctx, CURLcode *ret, struct err *err)
{
	struct curl_waitfd wake = {.events = CURL_WAIT_POLLIN};
	int running = 1, left, ms;
	CURLMsg *msg;

	while (running > 0) {
		TRY(ctx_check(ctx, err));
		if (github_curl.multi_perform(m, &running) != CURLM_OK)
			break;
		if (running == 0)
			break;
		ms = clock_poll_ms(ctx->deadline_ns);
		if (ms < 0 || ms > LOOK_MS)
			ms = LOOK_MS;
		if (ctx->cancel != NULL)
			wake.fd = ctx->cancel->fd;
		github_curl.multi_poll(m, &wake, ctx->cancel != NULL, ms, NULL);
	}
	*ret = CURLE_FAILED_INIT;
	while ((msg = github_curl.multi_info_read(m, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			*ret = msg->data.result;
	return 0;
}

static int fail(
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

static int run(CURL *c, const struct github *g, const struct ctx *ctx,
    const char *words, struct err *err)
{
	CLEANUP(multi_free) CURLM *m = github_curl.multi_init();
	CURLcode code;
	int r;

	ASSERT(m != NULL);
	ASSERT(github_curl.multi_add_handle(m, c) == CURLM_OK);
	r = drive(m, ctx, &code, err);
	github_curl.multi_remove_handle(m, c);
	if (r < 0 && err->kind == ERR_TIMEOUT)
		return err_set(err, ERR_UNAVAILABLE, "github_down",
		    "%s did not answer in time", g->api);
	TRY(r);
	return code == CURLE_OK ? 0 : fail(g, code, words, err);
}

int github_exchange(struct github *g, const struct ctx *parent,
    const char *method, const char *path, struct github_reply *ret,
    struct err *err)
{
	CLEANUP(slist_free) struct curl_slist *headers = NULL;
	CLEANUP(easy_free) CURL *c = NULL;
	CLEANUP(mem_free) char *url = mem_printf("%s%s", g->api, path);
	struct ctx ctx = ctx_with_timeout(parent, CALL_MS);
	char words[CURL_ERROR_SIZE] = "";
	long status = 0;

	TRY(github_curl_load(err));
	buf_fini(&ret->body);
	*ret = (struct github_reply){
	    .retry_after_s = -1, .remaining = -1, .reset_at = -1};
	buf_init(&ret->body, BODY_MAX);
	c = github_curl.easy_init();
	ASSERT(c != NULL);
	append_header(&headers, "Accept: application/vnd.github+json");
	append_header(&headers, "X-GitHub-Api-Version: 2022-11-28");
	set_up(c, g, method, url, headers, words, ret);
	TRY(run(c, g, &ctx, words, err));
	github_curl.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	ret->status = (int)status;
	return 0;
}
