/*
 * From a request to its handler: match the route, pass the gate, call. Also
 * the access log. Handlers run on worker threads, on_done on the loop's.
 */
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api_internal.h"
#include "api/audit.h"
#include "api/auth.h"
#include "api/components.h"
#include "api/cors.h"
#include "api/monitoring.h"
#include "api/rate_limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/secret.h"
#include "config/checks.h"
#include "config/service_tokens.h"
#include "net/tls.h"

/* What JWT_SECRET is made of when there is none. */
#define JWT_PURPOSE "runnerhub access tokens, key 1"

enum { STATUS_CLASSES = 5, STEP_MAX = UINT16_MAX - 1 };

/* -- matching ---------------------------------------------------------- */

/* A step's number as we write it: no sign, no zero before it. */
static bool read_step(const char *text, size_t len, uint16_t *ret)
{
	char digits[8];
	int64_t n;

	if (len >= sizeof(digits) || (len > 1 && text[0] == '0') ||
	    text[0] == '-')
		return false;
	snprintf(digits, sizeof(digits), "%.*s", (int)len, text);
	if (parse_int(digits, 0, STEP_MAX, &n) < 0)
		return false;
	*ret = (uint16_t)n;
	return true;
}

/* The value of ":id", ":name" or ":step". */
static bool take_value(
    struct call *c, const char *name, const char *value, size_t len)
{
	if (strncmp(name, ":step", 5) == 0)
		return read_step(value, len, &c->step);
	if (len >= sizeof(c->id))
		return false;
	snprintf(c->id, sizeof(c->id), "%.*s", (int)len, value);
	return true;
}

/* "/api/jobs/:id" against a path; the values go to c. A segment is never
 * empty and never a prefix; "*" at the end is whatever follows. */
static bool path_matches(struct call *c, const char *pattern, const char *path)
{
	size_t n;

	while (*pattern != '\0') {
		if (*pattern == '*')
			return true;
		if (*pattern != ':') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		n = strcspn(path, "/");
		if (n == 0 || !take_value(c, pattern, path, n))
			return false;
		path += n;
		pattern += strcspn(pattern, "/");
	}
	return *path == '\0' || strcmp(path, "/") == 0;
}

static bool method_matches(const struct route *r, const char *method)
{
	return strcmp(r->method, method) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

/* NULL: no such path, or (then *ret_allow is filled) not this method. */
static const struct route *match(struct call *c, char *allow, size_t size)
{
	const char *path = http_path(c->x), *method = http_method(c->x);
	size_t used = 0;

	allow[0] = '\0';
	for (size_t i = 0; i < nroutes; i++) {
		if (!path_matches(c, routes[i].pattern, path))
			continue;
		if (method_matches(&routes[i], method))
			return &routes[i];
		used += (size_t)snprintf(allow + used, size - used, "%s%s",
		    used > 0 ? ", " : "", routes[i].method);
	}
	return NULL;
}

static struct answer no_route(struct call *c, const char *allow)
{
	struct err err = ERR_INIT;
	struct buf body;

	if (*allow == '\0') {
		IGNORE(err_set(&err, ERR_NOT_FOUND, "endpoint_not_found",
		    "Endpoint not found"));
		return reply_error(c, &err);
	}
	http_reply_header(c->x, "Allow", allow);
	buf_init(&body, 1024);
	error_body(405, "method_not_allowed",
	    "This endpoint does not take that method", &body);
	return reply_json(c, 405, &body);
}

/* May they, and is what the path names there, for them? */
static int admit(struct call *c, const struct route *r, struct err *err)
{
	TRY(gate_check(c, r, err));
	if (r->scope == SCOPE_RUNNER_SELF)
		TRY(gate_check_runner(c, err));
	if (!r->job_id)
		return 0;
	if (uuid_parse(c->id, &c->job.u) < 0)
		return no_such_job(err);
	return gate_check_job(c, r, err);
}

/* Who guesses keys is counted, too. */
static struct answer refused(struct call *c, const struct err *why)
{
	struct err err = ERR_INIT;
	int wait_s = 5;

	if (rate_check(c, NULL, &wait_s, &err) < 0)
		return reply_error_after(c, &err, wait_s);
	return reply_error(c, why);
}

/* Pages of other origins use a hub that knows who asks, with a token: cookies
 * are its own pages' alone, and an open hub is used by its machine. */
static const struct cors_rules cors = {
    .methods = "GET, HEAD, POST, PUT, PATCH, DELETE",
    .headers = "authorization, content-type, accept, range, last-event-id, "
	       "traceparent, x-request-id",
    .exposed = "X-Request-Id, traceresponse, Retry-After, X-RateLimit-Limit, "
	       "X-RateLimit-Remaining, X-RateLimit-Reset, Content-Disposition, "
	       "Content-Range, Allow",
};

/* True: it was answered. */
static bool cross_origin(struct call *c, struct answer *ret)
{
	struct err err = ERR_INIT;
	int rc;

	if (api_is_open(c->api))
		return false; /* the gate refuses them */
	cors_headers(c, &cors);
	rc = cors_preflight(c, &cors, ret, &err);
	if (rc < 0)
		*ret = reply_error(c, &err);
	return rc != 0;
}

static struct answer dispatch(struct call *c)
{
	struct answer answer;
	struct err err = ERR_INIT;
	const struct route *r;
	const char *rest;
	char allow[64];
	int wait_s = 5;

	if (component_path(c, &rest))
		return component_dispatch(c, rest);
	if (cross_origin(c, &answer))
		return answer;
	r = match(c, allow, sizeof(allow));
	if (r == NULL || !route_is_page(r))
		http_reply_header(c->x, "Cache-Control", "no-store");
	if (r == NULL)
		return no_route(c, allow);
	http_set_route(c->x, r->pattern);
	if (admit(c, r, &err) < 0) {
		audit_begin(c, r->audit); /* if it is about who asks */
		return refused(c, &err);
	}
	if (r->audit != NULL)
		audit_begin(c, r->audit);
	if (rate_check(c, NULL, &wait_s, &err) < 0)
		return reply_error_after(c, &err, wait_s);
	return r->handler(c);
}

static void handle(struct http_exchange *x, void *arg)
{
	struct api *a = arg;
	struct call c = {.api = a, .hub = a->hub, .x = x};
	char request_id[80], trace[TRACE_PARENT_LEN];

	/* A copy: the exchange is gone once it is answered. */
	snprintf(request_id, sizeof(request_id), "%s", http_request_id(x));
	trace_take(&c.trace, http_header(x, "traceparent"));
	http_set_trace(x, c.trace.id);
	http_reply_header(x, "traceresponse", trace_text(&c.trace, trace));
	c.root = ctx_root();
	c.root.trace = &c.trace;
	c.ctx = ctx_with_field(&c.root, "request", request_id);
	http_reply_header(x, "X-Content-Type-Options", "nosniff");
	(void)dispatch(&c);
}

/* -- the access log ---------------------------------------------------- */

static struct meter *latency_of(
    const struct api *a, const char *method, const char *route, int status)
{
	int class = status / 100 - 1;

	if (class < 0 || class >= STATUS_CLASSES)
		return NULL;
	for (size_t i = 0; i < nroutes; i++)
		if (strcmp(routes[i].pattern, route) == 0 &&
		    method_matches(&routes[i], method))
			return &a->latency[i * STATUS_CLASSES + (size_t) class];
	return NULL;
}

static void on_done(const struct http_done *d, void *arg)
{
	struct api *a = arg;
	struct meter *m = latency_of(a, d->method, d->route, d->status);

	if (m != NULL)
		meter_observe(m, d->ns);
	audit_done(a, d);
	log_info(&a->ctx, "request", LOG_STR("request", d->request_id),
	    LOG_STR("trace_id", *d->trace != '\0' ? d->trace : NULL),
	    LOG_STR("peer", d->peer), LOG_STR("method", d->method),
	    LOG_STR("route", *d->route != '\0' ? d->route : "-"),
	    LOG_STR("path", d->path), LOG_INT("status", d->status),
	    LOG_INT("bytes", (int64_t)d->reply_bytes), LOG_MS("ms", d->ns));
}

static void on_error(
    int status, const char *code, const char *text, struct buf *out, void *arg)
{
	(void)arg;
	error_body(status, code, text, out);
}

/* -- life -------------------------------------------------------------- */

/* NULL: none. */
static char *socket_path(const struct options *o)
{
	if (o->socket == NULL)
		return mem_printf("%s/api/hub.sock", o->state_dir);
	return strcmp(o->socket, "none") != 0 ? mem_strdup(o->socket) : NULL;
}

static int read_tokens(struct api *a, struct err *err)
{
	const char *path = hub_options(a->hub)->portal_tokens;
	bool exposed = false;

	if (path == NULL)
		return 0;
	TRY(service_tokens_read(&a->service_tokens, path, &exposed, err));
	if (exposed)
		log_warn(&a->ctx,
		    "others may read the tokens of services: chmod 600",
		    LOG_STR("file", path));
	return 0;
}

/* May everybody on this machine do everything? Only if nobody was named. */
static int read_open(struct api *a, struct err *err)
{
	const struct options *o = hub_options(a->hub);
	int64_t users = store_user_count(hub_store(a->hub), err);

	if (users < 0)
		return -1;
	atomic_store(&a->open, o->api_key == NULL && users == 0);
	return 0;
}

int api_open(struct api **ret, struct hub *hub, struct err *err)
{
	struct api *a = mem_zalloc(sizeof(*a));

	a->hub = hub;
	a->ctx = ctx_root();
	atomic_init(&a->open, false);
	a->jwt_key = hub_options(hub)->jwt_secret != NULL
			 ? secret_copy(hub_options(hub)->jwt_secret)
			 : store_secret_for(hub_store(hub), JWT_PURPOSE);
	a->logins = login_throttle_new();
	a->monitoring = monitoring_new();
	a->rates = rate_limits_new(
	    hub_options(hub)->rate_limit, hub_options(hub)->rate_window_ms);
	a->socket = socket_path(hub_options(hub));
	a->latency = mem_calloc(nroutes * STATUS_CLASSES, sizeof(*a->latency));
	for (size_t i = 0; i < nroutes * STATUS_CLASSES; i++)
		a->latency[i].bounds = meter_call_bounds;
	audit_throttle_init(&a->refusals);
	a->followers = followers_open(hub_options(hub)->followers_max);
	a->waits = component_waits_open();
	mtx_init(&a->tls_mtx, "tls");
	if (read_tokens(a, err) < 0 || read_open(a, err) < 0 ||
	    forwarded_read(
		&a->proxies, hub_options(hub)->trusted_proxies, err) < 0 ||
	    tls_open(a, err) < 0) {
		api_close(a);
		return -1;
	}
	*ret = a;
	return 0;
}

void api_set_runners(struct api *a, struct runners *runners)
{
	a->runners = runners;
}

void api_set_components(struct api *a, struct components *components)
{
	a->components = components;
}

void api_set_portal(struct api *a, struct portal *portal)
{
	a->portal = portal;
}

void api_set_notify(struct api *a, struct notify *notify)
{
	a->notify = notify;
}

const char *api_socket(const struct api *a)
{
	return a->socket;
}

/* Others may pass through the directory of the socket, and see no more. */
static int make_socket_dir(const struct api *a, struct err *err)
{
	CLEANUP(mem_free) char *dir = NULL;

	if (a->socket == NULL)
		return 0;
	dir = mem_strdup(a->socket);
	*strrchr(dir, '/') = '\0';
	if (*dir == '\0' || (mkdir(dir, 0755) < 0 && errno == EEXIST))
		return 0;
	if (chmod(dir, 0755) < 0) /* whatever the umask; or it was not made */
		return err_sys(err, errno, "make the directory %s", dir);
	return 0;
}

int api_start(struct api *a, struct err *err)
{
	const struct options *o = hub_options(a->hub);
	struct http_server_config c = {.host = o->listen,
	    .port = (int)o->port,
	    .socket = a->socket,
	    .tls = a->tls,
	    .proxies = &a->proxies,
	    .workers = (unsigned)o->workers,
	    .write_timeout_ms = o->write_timeout_ms,
	    .handler = handle,
	    .error_body = on_error,
	    .on_done = on_done,
	    .arg = a};
	char host[CHECK_ADDRESS_MAX];

	if (o->components_listen != NULL) {
		c.extra_host = host; /* the option's check has read it before */
		IGNORE(!check_split_address(
		    o->components_listen, host, &c.extra_port));
	}
	TRY(component_check_paths(a, err));
	TRY(make_socket_dir(a, err));
	return http_server_start(&a->server, &c, err);
}

int api_port(const struct api *a)
{
	return http_server_port(a->server);
}

int api_components_port(const struct api *a)
{
	return http_server_extra_port(a->server);
}

void api_stop(struct api *a, int64_t drain_ms)
{
	component_waits_stop(a->waits);
	if (a->server != NULL)
		http_server_stop(a->server, drain_ms);
	a->server = NULL;
}

void api_close(struct api *a)
{
	if (a == NULL)
		return;
	ASSERT(a->server == NULL);
	audit_throttle_fini(&a->refusals);
	login_throttle_free(a->logins);
	monitoring_free(a->monitoring);
	rate_limits_free(a->rates);
	secret_free(a->jwt_key);
	component_waits_close(a->waits);
	followers_close(a->followers);
	service_tokens_free(a->service_tokens);
	tls_keeper_close(a->tls);
	mtx_fini(&a->tls_mtx);
	mem_free(a->latency);
	mem_free(a->socket);
	mem_free(a);
}
