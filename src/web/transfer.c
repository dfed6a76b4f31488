/*
 * How every transfer is set up: trust, method, headers, credentials; and what
 * its failures mean. Called by exchange.c and stream.c, in the caller's thread.
 */
#include "web/transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "web/pool.h"

enum {
	CONNECT_MS = 10000,
	LOOK_MS = 1000,
};

int web_error(const struct web_peer *peer, struct err *err, enum err_kind kind,
    const char *code, const char *fmt, ...)
{
	char whole[sizeof(err->code)], words[sizeof(err->msg)];
	va_list ap;

	snprintf(whole, sizeof(whole), "%s_%s", peer->code, code);
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return err_set(err, kind, whole, "%s", words);
}

/* -- headers of the reply ----------------------------------------------- */

/* Without the blanks around it; its new length. */
static size_t trim(const char **text, size_t n)
{
	while (n > 0 && strchr(" \t", **text) != NULL)
		(*text)++, n--;
	while (n > 0 && strchr(" \t\r\n", (*text)[n - 1]) != NULL)
		n--;
	return n;
}

static void take_text(const char *text, size_t n, char *ret, size_t size)
{
	n = trim(&text, n);
	if (n >= size || memchr(text, '\0', n) != NULL)
		return;
	memcpy(ret, text, n);
	ret[n] = '\0';
}

static void take_number(const char *text, size_t n, int64_t *ret)
{
	char value[24] = "";

	take_text(text, n, value, sizeof(value));
	IGNORE(parse_int(value, 0, INT64_MAX / 2, ret) < 0); /* as unsaid */
}

void transfer_header(
    const struct web_request *request, const char *data, size_t n)
{
	for (size_t i = 0; i < request->wanted_n; i++) {
		const struct web_header *h = &request->wanted[i];
		size_t len = strlen(h->name);

		if (n <= len || strncasecmp(data, h->name, len) != 0)
			continue;
		if (h->number != NULL)
			take_number(data + len, n - len, h->number);
		else
			take_text(data + len, n - len, h->text, h->size);
	}
}

/* -- setting it up ------------------------------------------------------ */

static void add_header(struct transfer *t, const char *line)
{
	struct curl_slist *grown = web_curl.slist_append(t->headers, line);

	ASSERT(grown != NULL);
	t->headers = grown;
}

static void set_headers(struct transfer *t, const struct ctx *ctx,
    const struct web_request *request)
{
	char line[80] = "traceparent: ";

	for (size_t i = 0;
	     request->headers != NULL && request->headers[i] != NULL; i++)
		add_header(t, request->headers[i]);
	if (ctx->trace != NULL && *ctx->trace->id != '\0') {
		trace_call(ctx->trace, line + strlen(line));
		add_header(t, line);
	}
	web_curl.easy_setopt(t->c, CURLOPT_HTTPHEADER, t->headers);
}

static void set_method(CURL *c, const struct web_request *request)
{
	web_curl.easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->body == NULL && strcmp(request->method, "POST") != 0)
		return;
	web_curl.easy_setopt(
	    c, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
	web_curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)request->body_len);
}

static void set_trust(CURL *c, const struct web_request *request)
{
	const char *url = request->url, *ca = request->ca_file;

	if (ca == NULL)
		ca = getenv("SSL_CERT_FILE");

	web_curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	web_curl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	web_curl.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	web_curl.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	web_curl.easy_setopt(
	    c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (ca != NULL && *ca != '\0')
		web_curl.easy_setopt(c, CURLOPT_CAINFO, ca);
	/* Plain http stays on this machine: past any proxy. */
	if (strncasecmp(url, "http:", 5) == 0)
		web_curl.easy_setopt(c, CURLOPT_PROXY, "");
}

/* Of each connection, with the address that the name had just now. */
static curl_socket_t open_socket(
    void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct web_guard *g = arg;

	(void)purpose;
	if (!g->may(g->arg, &to->addr, g->why, sizeof(g->why)))
		return CURL_SOCKET_BAD;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* A program that the hub starts gets none of the connections that wait. */
static curl_socket_t open_plain(
    void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)arg;
	(void)purpose;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_guard(CURL *c, struct web_guard *guard)
{
	if (guard == NULL) {
		web_curl.easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_plain);
		return;
	}
	*guard->why = '\0';
	web_curl.easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	web_curl.easy_setopt(c, CURLOPT_OPENSOCKETDATA, guard);
	/* Whoever waits for its end need not wait for a resolver that hangs. */
	web_curl.easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	web_curl.easy_setopt(c, CURLOPT_PROXY, "");
}

int transfer_begin(struct transfer *t, const struct web_peer *peer,
    const struct ctx *ctx, const struct web_request *request, struct err *err)
{
	if (request->guard == NULL && web_is_clear_text(request->url))
		return web_error(peer, err, ERR_INVALID, "clear_text",
		    "%.120s would be asked in clear text: use https",
		    request->url);
	TRY(web_curl_load(peer, err));
	ASSERT(request->guard == NULL || !request->keeps_connection);
	*t = (struct transfer){.c = web_curl.easy_init(),
	    .m = request->keeps_connection ? web_pool_take()
					   : web_curl.multi_init(),
	    .pooled = request->keeps_connection,
	    .peer = peer,
	    .guard = request->guard};
	ASSERT(t->c != NULL && t->m != NULL);
	web_curl.easy_setopt(t->c, CURLOPT_URL, request->url);
	set_method(t->c, request);
	set_headers(t, ctx, request);
	set_trust(t->c, request);
	set_guard(t->c, request->guard);
	web_curl.easy_setopt(t->c, CURLOPT_NOSIGNAL, 1L);
	web_curl.easy_setopt(t->c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	web_curl.easy_setopt(t->c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	web_curl.easy_setopt(
	    t->c, CURLOPT_USERAGENT, "runnerhub/" RUNNERHUB_VERSION);
	if (request->bearer != NULL) {
		web_curl.easy_setopt(
		    t->c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		web_curl.easy_setopt(t->c, CURLOPT_XOAUTH2_BEARER,
		    secret_expose(request->bearer, NULL));
	}
	web_curl.easy_setopt(t->c, CURLOPT_ERRORBUFFER, t->words);
	ASSERT(web_curl.multi_add_handle(t->m, t->c) == CURLM_OK);
	return 0;
}

void transfer_end(struct transfer *t)
{
	if (t->c == NULL)
		return;
	web_curl.multi_remove_handle(t->m, t->c);
	web_curl.easy_cleanup(t->c);
	if (t->pooled)
		web_pool_put(t->m);
	else
		web_curl.multi_cleanup(t->m);
	web_curl.slist_free_all(t->headers);
	*t = (struct transfer){0};
}

/* -- while it runs, and after -------------------------------------------- */

void transfer_wait(struct transfer *t, const struct ctx *ctx)
{
	struct curl_waitfd wake = {.events = CURL_WAIT_POLLIN};
	int ms = clock_poll_ms(ctx->deadline_ns);

	if (ms < 0 || ms > LOOK_MS)
		ms = LOOK_MS;
	if (ctx->cancel != NULL)
		wake.fd = ctx->cancel->fd;
	web_curl.multi_poll(t->m, &wake, ctx->cancel != NULL, ms, NULL);
}

CURLcode transfer_result(struct transfer *t)
{
	CURLcode code = CURLE_FAILED_INIT;
	CURLMsg *msg;
	int left;

	while ((msg = web_curl.multi_info_read(t->m, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			code = msg->data.result;
	return code;
}

int transfer_status(struct transfer *t)
{
	long status = 0;

	web_curl.easy_getinfo(t->c, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

int transfer_fail(const struct transfer *t, CURLcode code, struct err *err)
{
	const char *words =
	    *t->words != '\0' ? t->words : web_curl.easy_strerror(code);

	if (t->guard != NULL && *t->guard->why != '\0')
		return web_error(t->peer, err, ERR_FORBIDDEN, "refused", "%s",
		    t->guard->why);
	switch ((int)code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return web_error(t->peer, err, ERR_FORBIDDEN, "untrusted",
		    "the certificate of %s is not trusted (%.120s): install "
		    "the authority that signed it, or name its file in "
		    "SSL_CERT_FILE",
		    t->peer->url, words);
	default:
		/* What is guarded goes past any proxy. */
		return web_error(t->peer, err, ERR_UNAVAILABLE, "down",
		    t->guard != NULL
			? "%s cannot be reached: %.160s"
			: "%s cannot be reached: %.160s (a proxy is taken "
			  "from HTTPS_PROXY)",
		    t->peer->url, words);
	}
}
