/*
 * The request as a handler sees it: method, path, query, headers, body, and
 * what the layer above hangs on it. Made by the loop thread, read by the
 * thread that handles it, freed by the loop thread.
 */
#include "net/server_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "net/forwarded.h"

#define REPLY_HEADERS_MAX (64 * 1024)

struct http_exchange *server_exchange_new(struct server_conn *c)
{
	struct http_exchange *x = mem_zalloc(sizeof(*x));
	struct http_server *s = c->s;

	x->magic = EXCHANGE_MAGIC;
	x->item.kind = SERVER_ITEM_EXCHANGE;
	x->s = s;
	x->conn = c;
	x->began_ns = clock_mono_ns();
	x->method = "-";
	x->path = "";
	x->target = "";
	x->route = "";
	memcpy(x->peer, c->peer, sizeof(x->peer));
	x->is_unix = c->is_unix;
	x->is_extra = c->is_extra;
	x->is_secure = c->tls != NULL;
	x->is_certified = c->is_certified;
	buf_init(&x->head, s->config.header_bytes_max);
	buf_init(&x->body, s->config.body_bytes_max);
	buf_init(&x->extra, REPLY_HEADERS_MAX);
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return x;
}

void server_exchange_free(struct http_exchange *x)
{
	struct server_joined *j, *next;
	struct http_server *s = x->s;

	for (j = x->joined; j != NULL; j = next) {
		next = j->next;
		mem_free(j);
	}
	atomic_fetch_sub_explicit(
	    &s->bodies_bytes, x->body.len, memory_order_relaxed);
	buf_fini(&x->head);
	buf_fini(&x->body);
	buf_fini(&x->extra);
	buf_fini(&x->out);
	buf_fini(&x->out_body);
	mem_free(x->decoded);
	mem_free(x->params);
	x->magic = 0;
	mem_free(x);
	server_unref(s);
}

void server_exchange_finish(struct http_exchange *x)
{
	struct http_server *s = x->s;
	struct http_done done;

	if (s->config.on_done != NULL) {
		done = (struct http_done){.request_id = x->request_id,
		    .peer = x->peer,
		    .method = x->method,
		    .route = x->route,
		    .trace = x->trace,
		    .path = x->pairs_at > 0 ? x->head.data : "",
		    .status = x->status,
		    .request_bytes = x->body.len,
		    .reply_bytes = x->reply_bytes,
		    .ns = clock_mono_ns() - x->began_ns,
		    .user = x->user};
		s->config.on_done(&done, s->config.arg);
	}
	server_exchange_free(x);
}

void server_exchange_ensure_id(struct http_exchange *x)
{
	if (x->request_id[0] == '\0')
		uuid_text(uuid_v7(), x->request_id);
}

/* -- the target -------------------------------------------------------- */

static unsigned count_params(const char *query, size_t len)
{
	unsigned n = 1;
	size_t i;

	for (i = 0; i < len; i++)
		n += query[i] == '&';
	return n;
}

/* One "name=value" of the query, decoded behind *out. */
static int add_param(struct http_exchange *x, const char *text, size_t len,
    char **out, const char **ret_why)
{
	const char *eq = memchr(text, '=', len);
	size_t name_len = eq != NULL ? (size_t)(eq - text) : len;
	struct server_param *p = &x->params[x->nparams];
	long n;

	if (len == 0)
		return 0;
	n = http_gate_unescape(text, name_len, true, *out, ret_why);
	if (n < 0)
		return -1;
	p->name = *out;
	*out += n + 1;
	p->value = *out;
	if (eq != NULL)
		n = http_gate_unescape(
		    eq + 1, len - name_len - 1, true, *out, ret_why);
	else
		(*out)[n = 0] = '\0';
	if (n < 0)
		return -1;
	*out += n + 1;
	x->nparams++;
	return 0;
}

static int set_query(struct http_exchange *x, const char *query, size_t len,
    char *out, const char **ret_why)
{
	const char *end = query + len, *amp;
	unsigned n = count_params(query, len);

	if (n > SERVER_QUERY_MAX) {
		*ret_why = "more than 64 query parameters";
		return -1;
	}
	x->params = mem_calloc(n, sizeof(*x->params));
	for (;;) {
		amp = memchr(query, '&', (size_t)(end - query));
		TRY(add_param(x, query,
		    (size_t)((amp != NULL ? amp : end) - query), &out,
		    ret_why));
		if (amp == NULL)
			return 0;
		query = amp + 1;
	}
}

/* The raw target stands at the start of x->head. */
int server_exchange_set_target(struct http_exchange *x, const char **ret_why)
{
	const char *raw = x->head.data;
	struct http_gate_target t;
	unsigned nparams;
	long n;

	TRY(http_gate_target_split(raw, strlen(raw), &t, ret_why));
	nparams = t.query != NULL ? count_params(t.query, t.query_len) : 0;
	/* Decoding never grows; each text ends with a NUL of its own. */
	x->decoded = mem_alloc(t.path_len + t.query_len + 2 * nparams + 2);
	n = http_gate_unescape(t.path, t.path_len, false, x->decoded, ret_why);
	if (n < 0)
		return -1;
	if (!http_gate_path_ok(x->decoded)) {
		*ret_why = "the path has a \"..\" segment";
		return -1;
	}
	x->path = x->decoded;
	x->target = t.path;
	if (t.query == NULL)
		return 0;
	return set_query(x, t.query, t.query_len, x->decoded + n + 1, ret_why);
}

/* -- for handlers ------------------------------------------------------ */

const char *http_method(const struct http_exchange *x)
{
	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	return x->method;
}

const char *http_path(const struct http_exchange *x)
{
	return x->path;
}

const char *http_target(const struct http_exchange *x)
{
	return x->target;
}

const char *http_query(struct http_exchange *x, const char *name)
{
	unsigned i;

	for (i = 0; i < x->nparams; i++) {
		if (strcmp(x->params[i].name, name) == 0)
			return x->params[i].value;
	}
	return NULL;
}

bool http_query_at(struct http_exchange *x, size_t i, const char **ret_name,
    const char **ret_value)
{
	if (i >= x->nparams)
		return false;
	*ret_name = x->params[i].name;
	*ret_value = x->params[i].value;
	return true;
}

/* The value of the next header of that name at or after *at, or NULL. */
static const char *header_next(
    const struct http_exchange *x, const char *name, size_t *at)
{
	const char *found, *value;

	while (*at < x->pairs_end) {
		found = x->head.data + *at;
		value = found + strlen(found) + 1;
		*at = (size_t)(value + strlen(value) + 1 - x->head.data);
		if (strcasecmp(found, name) == 0)
			return value;
	}
	return NULL;
}

static const char *header_join(
    struct http_exchange *x, const char *name, size_t from)
{
	struct server_joined *j;
	size_t at = from, size = 1, n = 0;
	const char *value;

	while ((value = header_next(x, name, &at)) != NULL)
		size += strlen(value) + 2;
	j = mem_alloc(sizeof(*j) + size);
	for (at = from; (value = header_next(x, name, &at)) != NULL;)
		n += (size_t)snprintf(
		    j->text + n, size - n, "%s%s", n > 0 ? ", " : "", value);
	j->next = x->joined;
	x->joined = j;
	return j->text;
}

const char *http_header(struct http_exchange *x, const char *name)
{
	size_t at = x->pairs_at, again, from;
	const char *value;

	MAGIC_CHECK(x, EXCHANGE_MAGIC);
	value = header_next(x, name, &at);
	if (value == NULL)
		return NULL;
	again = at;
	from = x->pairs_at;
	return header_next(x, name, &again) == NULL
		   ? value
		   : header_join(x, name, from);
}

void server_exchange_set_client(struct http_exchange *x)
{
	const struct forwarded *proxies = x->s->config.proxies;
	const char *chain, *scheme, *last;
	char client[FORWARDED_PEER_MAX];

	if (proxies == NULL || x->is_unix ||
	    !forwarded_trusts(proxies, x->peer))
		return;
	chain = http_header(x, "x-forwarded-for");
	if (chain != NULL && forwarded_client(proxies, chain, client))
		memcpy(x->peer, client, sizeof(client));
	scheme = http_header(x, "x-forwarded-proto");
	if (scheme == NULL)
		return;
	last = strrchr(scheme, ','); /* the nearest proxy's */
	last = last != NULL ? last + 1 + strspn(last + 1, " \t") : scheme;
	x->is_secure = x->is_secure || strcasecmp(last, "https") == 0;
}

const char *http_body(const struct http_exchange *x, size_t *ret_len)
{
	if (ret_len != NULL)
		*ret_len = x->body.len;
	return buf_str(&x->body);
}

const char *http_peer(const struct http_exchange *x)
{
	return x->peer;
}

bool http_is_unix(const struct http_exchange *x)
{
	return x->is_unix;
}

bool http_is_extra(const struct http_exchange *x)
{
	return x->is_extra;
}

bool http_is_secure(const struct http_exchange *x)
{
	return x->is_secure;
}

bool http_is_certified(const struct http_exchange *x)
{
	return x->is_certified;
}

const char *http_request_id(const struct http_exchange *x)
{
	return x->request_id;
}

void http_set_route(struct http_exchange *x, const char *static_pattern)
{
	x->route = static_pattern;
}

void http_set_trace(struct http_exchange *x, const char *id)
{
	snprintf(x->trace, sizeof(x->trace), "%s", id);
}

void http_set_user(struct http_exchange *x, void *user)
{
	x->user = user;
}

void *http_user(const struct http_exchange *x)
{
	return x->user;
}
