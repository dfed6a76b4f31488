/*
 * The blocking HTTP client: see http_client.h. Holds the address and a small
 * pool of kept connections; each call takes one out (or connects), runs one
 * exchange on the caller's thread and puts it back. Only the pool is shared.
 */
#include "net/http_client.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "net/client_internal.h"

#define COMMON_HEADERS_MAX (64 * 1024)
#define HIJACK_TEXT_MAX    (64 * 1024)

/* -- the address ------------------------------------------------------- */

static int base_invalid(const char *base, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_address",
	    "address \"%s\": %s; use unix:///path, tcp://host:port, "
	    "http://host[:port][/prefix] or https://",
	    base, why);
}

static int parse_unix(
    struct http_client *c, const char *base, const char *path, struct err *err)
{
	if (path[0] != '/')
		return base_invalid(base, "the path is not absolute", err);
	if (strlen(path) >= sizeof(c->addr.path))
		return base_invalid(
		    base, "the path is longer than 107 bytes", err);
	c->addr.is_unix = true;
	snprintf(c->addr.path, sizeof(c->addr.path), "%s", path);
	c->host_header = mem_strdup("localhost");
	c->prefix = mem_strdup("");
	return 0;
}

/* "host", "host:port", "[v6]:port" in text[0..len). */
static int parse_authority(struct http_client *c, const char *base,
    const char *text, size_t len, const char *default_port, struct err *err)
{
	const char *end = text + len, *host_end, *colon, *host = text;
	int64_t port;

	if (len > 0 && text[0] == '[') {
		host++;
		host_end = memchr(text, ']', len);
		if (host_end == NULL)
			return base_invalid(base, "']' is missing", err);
		colon = host_end + 1;
	} else {
		colon = memchr(text, ':', len);
		host_end = colon != NULL ? colon : end;
	}
	if (host_end == host || (size_t)(host_end - host) >= 256)
		return base_invalid(base, "the host is missing", err);
	snprintf(c->addr.host, sizeof(c->addr.host), "%.*s",
	    (int)(host_end - host), host);
	if (colon == NULL || colon == end) {
		if (default_port == NULL)
			return base_invalid(base, "the port is missing", err);
		snprintf(
		    c->addr.port, sizeof(c->addr.port), "%s", default_port);
	} else {
		snprintf(c->addr.port, sizeof(c->addr.port), "%.*s",
		    (int)(end - colon - 1), colon + 1);
		if (*colon != ':' || end - colon - 1 > 5 ||
		    parse_int(c->addr.port, 1, 65535, &port) != 0)
			return base_invalid(
			    base, "the port is not 1 to 65535", err);
	}
	c->host_header = mem_strndup(text, len);
	return 0;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int parse_base(
    struct http_client *c, const char *base, bool *ret_tls, struct err *err)
{
	const char *rest, *slash, *default_port = NULL;
	size_t len;

	for (rest = base; *rest != '\0'; rest++) {
		if ((unsigned char)*rest <= ' ' || *rest == 0x7f)
			return base_invalid(
			    base, "it contains a blank or control byte", err);
	}
	if (base[0] == '/')
		return parse_unix(c, base, base, err);
	if (starts_with(base, "unix://"))
		return parse_unix(c, base, base + strlen("unix://"), err);
	if (starts_with(base, "https://")) {
		rest = base + strlen("https://");
		default_port = "443";
		*ret_tls = true;
	} else if (starts_with(base, "tcp://")) {
		rest = base + strlen("tcp://");
	} else if (starts_with(base, "http://")) {
		rest = base + strlen("http://");
		default_port = "80";
	} else {
		return base_invalid(base, "the scheme is not known", err);
	}
	len = strcspn(rest, "/");
	slash = rest + len;
	TRY(parse_authority(c, base, rest, len, default_port, err));
	len = strlen(slash);
	while (len > 0 && slash[len - 1] == '/')
		len--;
	c->prefix = mem_strndup(slash, len);
	return 0;
}

/* -- life -------------------------------------------------------------- */

int http_client_new(struct http_client **ret, const char *base, struct err *err)
{
	return http_client_new_trusting(ret, base, NULL, err);
}

int http_client_new_trusting(struct http_client **ret, const char *base,
    const struct tls_trust *trust, struct err *err)
{
	CLEANUP(http_client_free)
	struct http_client *c = mem_zalloc(sizeof(*c));
	bool tls = false;

	mtx_init(&c->mtx, "http_client");
	buf_init(&c->common, COMMON_HEADERS_MAX);
	TRY(parse_base(c, base, &tls, err));
	if (tls && tls_client_open(&c->tls, trust, err) < 0)
		return err_wrap(err, "%s", base);
	c->name = c->addr.is_unix ? mem_printf("unix://%s", c->addr.path)
				  : mem_strdup(base);
	*ret = STEAL(c);
	return 0;
}

void http_client_free(struct http_client *c)
{
	unsigned i;

	if (c == NULL)
		return;
	for (i = 0; i < c->nidle; i++)
		client_link_free(c->idle[i].link);
	tls_client_close(c->tls);
	mtx_fini(&c->mtx);
	buf_fini(&c->common);
	mem_free(c->name);
	mem_free(c->host_header);
	mem_free(c->prefix);
	mem_free(c);
}

void http_client_set_header(
    struct http_client *c, const char *name, const char *value)
{
	ASSERT(strpbrk(name, "\r\n:") == NULL);
	ASSERT(strpbrk(value, "\r\n") == NULL);
	if (buf_printf(&c->common, "%s: %s\r\n", name, value) != 0)
		WRONG("too many common headers");
}

const char *http_client_name(const struct http_client *c)
{
	return c->name;
}

/* -- kept connections -------------------------------------------------- */

/* An idle connection that is readable has ended (or speaks out of turn). */
static bool is_quiet(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

static struct client_link *pool_take(struct http_client *c)
{
	struct client_idle last;
	bool some;

	for (;;) {
		mtx_lock(&c->mtx);
		some = c->nidle > 0;
		if (some)
			last = c->idle[--c->nidle];
		mtx_unlock(&c->mtx);
		if (!some)
			return NULL;
		if (clock_mono_ns() - last.since_ns < CLIENT_IDLE_AGE_NS &&
		    is_quiet(last.link->fd))
			return last.link;
		client_link_free(last.link);
	}
}

static void pool_put(struct http_client *c, struct client_link *link)
{
	mtx_lock(&c->mtx);
	if (c->nidle < CLIENT_IDLE_MAX) {
		c->idle[c->nidle++] = (struct client_idle){
		    .link = link, .since_ns = clock_mono_ns()};
		link = NULL;
	}
	mtx_unlock(&c->mtx);
	client_link_free(link);
}

/* -- calls ------------------------------------------------------------- */

static void result_reset(struct http_result *r)
{
	buf_clear(&r->body);
	mem_free(r->headers);
	r->headers = NULL;
	r->content_type[0] = '\0';
	r->status = 0;
}

struct attempt {
	bool hijack;
	struct buf *early;
	int *ret_fd; /* hijack: the socket, when handed over */
};

/* 0 done, 1 a stale kept connection: again, -1 failed. */
static int attempt_once(struct http_client *c, const struct ctx *ctx,
    const struct http_call *call, struct http_result *ret,
    const struct attempt *a, struct err *err)
{
	struct client_exchange x = {.c = c, .ctx = ctx, .call = call};
	bool kept;
	int r;

	result_reset(ret);
	TRY(ctx_check(ctx, err));
	x.link = pool_take(c);
	kept = x.link != NULL;
	if (!kept) {
		x.link = client_connect(c, ctx, err);
		if (x.link == NULL)
			return -1;
	}
	client_reply_init(&x.reply, call, ret, a->hijack);
	x.safe = strcmp(call->method, "GET") == 0 || x.reply.head;
	r = client_exchange_run(&x, a->early, err);
	if (r != 0 && kept && client_exchange_may_retry(&x))
		r = 1;
	if (r == 0 && x.reply.handed_over)
		*a->ret_fd = fd_steal(&x.link->fd);
	if (r == 0 && !x.reply.handed_over && x.reply.keep_alive)
		pool_put(c, x.link);
	else
		client_link_free(x.link);
	client_reply_fini(&x.reply);
	return r;
}

/* A kept connection may have died unseen, and so may its brothers: at most
 * as many tries as the pool holds, then a new connection. */
static int call_run(struct http_client *c, const struct ctx *ctx,
    const struct http_call *call, struct http_result *ret,
    const struct attempt *a, struct err *err)
{
	int r;

	do {
		r = attempt_once(c, ctx, call, ret, a, err);
		if (r > 0)
			err_clear(err);
	} while (r > 0);
	return r;
}

int http_call(struct http_client *c, const struct ctx *ctx,
    const struct http_call *call, struct http_result *ret, struct err *err)
{
	const struct attempt plain = {.hijack = false};

	return call_run(c, ctx, call, ret, &plain, err);
}

static enum err_kind kind_of_status(int status)
{
	switch (status) {
	case 401:
		return ERR_AUTH;
	case 403:
		return ERR_FORBIDDEN;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 429:
		return ERR_LIMIT;
	default:
		return status >= 500 ? ERR_UNAVAILABLE : ERR_INVALID;
	}
}

int http_hijack(struct http_client *c, const struct ctx *ctx,
    const struct http_call *call, int *ret_fd, struct buf *early,
    struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result ret = HTTP_RESULT_INIT(HIJACK_TEXT_MAX);
	int fd = -1;
	const struct attempt a = {
	    .hijack = true, .early = early, .ret_fd = &fd};
	char code[32];

	if (c->tls != NULL)
		return err_set(err, ERR_INVALID, "no_tls",
		    "%s: a raw connection is not handed over through TLS",
		    c->name);
	TRY(call_run(c, ctx, call, &ret, &a, err));
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	while (ret.body.len > 0 &&
	       (unsigned char)ret.body.data[ret.body.len - 1] <= ' ')
		ret.body.data[--ret.body.len] = '\0';
	snprintf(code, sizeof(code), "http_%d", ret.status);
	return err_set(err, kind_of_status(ret.status), code,
	    "%s %s on %s: status %d: %.300s", call->method, call->target,
	    c->name, ret.status, buf_str(&ret.body));
}

void http_encode(struct buf *out, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";
	char code[3] = "%";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL) {
			buf_append_char(out, *text);
			continue;
		}
		code[1] = hex[(unsigned char)*text >> 4];
		code[2] = hex[(unsigned char)*text & 15];
		buf_append(out, code, 3);
	}
}
