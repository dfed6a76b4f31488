/*
 * One attempt to deliver: the request, its signature, and what its answer
 * means. Threads of targets, and handlers for tests.
 */
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "notify/notify_internal.h"
#include "web/web.h"

enum { HEADERS_MAX = 8, HEADER_MAX = 320, WAIT_MAX_S = 3600 };

/* -- the address ------------------------------------------------------- */

/* Where the authority without user and password begins; NULL: not http(s). */
static const char *authority(const char *url, size_t *ret_len, size_t *ret_host)
{
	const char *at = strncasecmp(url, "https://", 8) == 0  ? url + 8
			 : strncasecmp(url, "http://", 7) == 0 ? url + 7
							       : NULL;
	size_t n;

	if (at == NULL)
		return NULL;
	n = strcspn(at, "/?#");
	for (size_t i = n; i > 0; i--)
		if (at[i - 1] == '@') {
			at += i;
			break;
		}
	*ret_len = web_authority(at, ret_host);
	return *ret_len > 0 ? at : NULL;
}

static bool is_plain(const char *url)
{
	return strncasecmp(url, "http:", 5) == 0;
}

static bool is_clean(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= 0x20 ||
		    (unsigned char)*text >= 0x7f || *text == '\\')
			return false;
	return true;
}

/* Those that are written as addresses are judged at once. */
static int check_literal(
    struct notify *n, const char *host, size_t len, bool plain, struct err *err)
{
	struct ip_range one[1];
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};
	struct err ignored = ERR_INIT;
	char text[64], why[160];
	size_t found = 0;

	if (len > 2 && host[0] == '[')
		host++, len -= 2;
	if (len >= sizeof(text) || memchr(host, '/', len) != NULL)
		return 0;
	snprintf(text, sizeof(text), "%.*s", (int)len, host);
	if (ip_ranges_read(text, one, 1, &found, &ignored) < 0)
		return 0; /* a name */
	memcpy(&to.sin6_addr, one[0].bytes, sizeof(to.sin6_addr));
	if (address_may(
		&n->rules, (struct sockaddr *)&to, plain, why, sizeof(why)))
		return 0;
	return err_set(err, ERR_INVALID, "webhook_refused",
	    "Field \"url\": webhooks do not go there: %s", why);
}

int notify_url_check(struct notify *n, const char *url, char *ret_origin,
    size_t size, struct err *err)
{
	size_t len, host;
	const char *at = authority(url, &len, &host);
	bool plain = is_plain(url);

	if (at == NULL || strlen(url) > WEBHOOK_URL_MAX || !is_clean(url))
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"url\": expected an address such as "
		    "https://hooks.example.com/path, of at most %d bytes",
		    WEBHOOK_URL_MAX);
	snprintf(ret_origin, size, "%s%.*s", plain ? "http://" : "https://",
	    (int)len, at);
	return check_literal(n, at, host, plain, err);
}

/* -- headers ----------------------------------------------------------- */

struct headers {
	char text[HEADERS_MAX][HEADER_MAX];
	const char *lines[HEADERS_MAX + 1];
	size_t n;
};

static void add(struct headers *h, const char *name, const char *value)
{
	ASSERT(h->n < HEADERS_MAX);
	snprintf(h->text[h->n], HEADER_MAX, "%s: %s", name, value);
	h->lines[h->n] = h->text[h->n];
	h->lines[++h->n] = NULL;
}

/* HMAC-SHA-256 over time "." body: a body that was heard cannot be sent again
 * later as a new one. */
static void sign(
    const struct secret *key, const char *at, const char *body, char ret[80])
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state st;
	size_t key_len;
	const char *bytes = secret_expose(key, &key_len);

	crypto_auth_hmacsha256_init(&st, (const unsigned char *)bytes, key_len);
	crypto_auth_hmacsha256_update(
	    &st, (const unsigned char *)at, strlen(at));
	crypto_auth_hmacsha256_update(&st, (const unsigned char *)".", 1);
	crypto_auth_hmacsha256_update(
	    &st, (const unsigned char *)body, strlen(body));
	crypto_auth_hmacsha256_final(&st, mac);
	secret_wipe(&st, sizeof(st));
	memcpy(ret, "sha256=", 8);
	sodium_bin2hex(ret + 7, 80 - 7, mac, sizeof(mac));
}

void notify_secret_make(char ret[NOTIFY_SECRET_LEN])
{
	unsigned char bytes[32];

	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2hex(ret, NOTIFY_SECRET_LEN, bytes, sizeof(bytes));
	secret_wipe(bytes, sizeof(bytes));
}

static void make_headers(
    struct headers *h, const struct webhook_door *door, const struct parcel *p)
{
	char at[24], signature[80];

	*h = (struct headers){.n = 0};
	snprintf(at, sizeof(at), "%lld",
	    (long long)(clock_wall_ns() / CLOCK_NS_PER_S));
	add(h, "Content-Type", "application/json");
	add(h, "X-RunnerHub-Event", p->event);
	add(h, "X-RunnerHub-Delivery", p->id);
	add(h, "X-RunnerHub-Timestamp", at);
	if (door->secret != NULL) {
		sign(door->secret, at, p->body, signature);
		add(h, "X-RunnerHub-Signature-256", signature);
	}
}

/* -- the attempt ------------------------------------------------------- */

struct judge {
	const struct address_rules *rules;
	bool plain;
};

static bool may(void *arg, const struct sockaddr *to, char *why, size_t size)
{
	const struct judge *j = arg;
	char words[120];

	if (address_may(j->rules, to, j->plain, words, sizeof(words)))
		return true;
	snprintf(why, size, "webhooks do not go there: %s", words);
	return false;
}

/* An answer that says no, and not "later". */
static bool is_final(int status)
{
	return status >= 300 && status < 500 && status != 408 &&
	       status != 409 && status != 425 && status != 429;
}

static void judge_answer(struct notify_sent *s)
{
	s->delivered = s->status >= 200 && s->status < 300;
	s->is_final = is_final(s->status);
	if (s->wait_s > WAIT_MAX_S)
		s->wait_s = WAIT_MAX_S;
	if (!s->delivered)
		snprintf(s->error, sizeof(s->error),
		    s->status >= 300 && s->status < 400
			? "answered with status %d: redirects are not followed"
			: "answered with status %d",
		    s->status);
}

void parcel_send(struct notify *n, const struct ctx *ctx,
    const struct webhook_door *door, const struct parcel *p,
    struct notify_sent *ret)
{
	const char *url = secret_expose(door->url, NULL);
	struct judge judge = {&n->rules, is_plain(url)};
	struct web_guard guard = {.may = may, .arg = &judge};
	const struct web_peer peer = {"webhook", "a webhook", "the webhook"};
	struct web_header wanted = {
	    .name = "retry-after:", .number = &ret->wait_s};
	struct headers h;
	struct web_request request = {.method = "POST",
	    .url = url,
	    .headers = h.lines,
	    .body = p->body,
	    .body_len = strlen(p->body),
	    .wanted = &wanted,
	    .wanted_n = 1,
	    .guard = &guard,
	    .no_body = true};
	struct buf none;
	struct err err = ERR_INIT;
	int64_t began = clock_mono_ns();

	*ret = (struct notify_sent){0};
	buf_init(&none, 1);
	make_headers(&h, door, p);
	if (web_exchange(&peer, ctx, &request, n->config.timeout_ms,
		&ret->status, &none, &err) == 0)
		judge_answer(ret);
	else
		snprintf(ret->error, sizeof(ret->error), "%.230s", err.msg);
	ret->ns = clock_mono_ns() - began;
	log_debug(ctx, "webhook asked", LOG_STR("delivery", p->id),
	    LOG_STR("event", p->event), LOG_INT("status", ret->status),
	    LOG_STR("error", *ret->error != '\0' ? ret->error : NULL),
	    LOG_MS("ms", ret->ns));
}
