/* What the files of api/ share among themselves. */
#ifndef API_API_INTERNAL_H
#define API_API_INTERNAL_H

#include <stdatomic.h>

#include "api/api.h"
#include "base/ctx.h"
#include "base/json_out.h"
#include "base/thread.h"
#include "jobs/meter.h"
#include "net/forwarded.h"
#include "store/users.h"

/* What a route needs; the gate (gate.c) grants it or refuses. Admins (open
 * mode, the API key) have all of them. */
enum scope {
	SCOPE_PUBLIC = 1, /* anybody who reaches the port */
	SCOPE_READ,
	SCOPE_OPERATE,      /* remove, start, stop */
	SCOPE_DELEGATE,     /* runners and sessions: sessions only */
	SCOPE_OWN,          /* runners and sessions see what is theirs */
	SCOPE_SESSION,      /* whose token opened the job ":id" */
	SCOPE_SESSION_LOOK, /* those, and the session ":id" itself */
	SCOPE_RUNNER_SELF,  /* the runner ":id", which may say "self" */
	SCOPE_ENROL,        /* the enrolment key */
	SCOPE_SELF,         /* everybody with a role */
	SCOPE_PERSON,       /* the same, but no API token */
	SCOPE_ADMIN,        /* users, secrets, the audit log */
};

/* Who asks (principal.c). */
enum principal_kind {
	PRINCIPAL_NOBODY,
	PRINCIPAL_LOCAL, /* open mode */
	PRINCIPAL_KEY,   /* the API key */
	PRINCIPAL_RUNNER,
	PRINCIPAL_SESSION, /* what runs inside a nested session */
	PRINCIPAL_ENROLMENT,
	PRINCIPAL_USER,    /* somebody who is logged in */
	PRINCIPAL_PROGRAM, /* an API token */
};
struct principal {
	enum principal_kind kind;
	struct uuid id; /* of the runner; of the session's job; of the user; of
			   the API token */
	char id_text[UUID_TEXT_LEN];
	char name[USER_NAME_MAX + 1]; /* of the user */
	enum role role;               /* of people and their programs, and of
					 who may everything; else 0 */
	struct uuid login;            /* of the user */
	struct uuid token;            /* by which API token they are here;
					 all zero: by none */
};
/* Somebody with a role: sees everybody's jobs. */
static inline bool principal_has_role(
    const struct principal *p, enum role least)
{
	return p->role >= least;
}

/* A call in progress. Lives on the handler's stack. */
struct call {
	struct api *api;
	struct hub *hub;
	struct http_exchange *x;
	struct trace trace;
	struct ctx root, ctx; /* ctx has the request's id and trace */
	struct principal who;                    /* nobody on public routes */
	const struct component_identity *caller; /* of component routes */
	char id[136];  /* ":id" or ":name" of the path, as text */
	job_id job;    /* the same, parsed, for job routes */
	uint16_t step; /* ":step" of the path */
};

/* A call that another thread answers: what it needs of the handler's stack,
 * copied. Does not move once it is set. */
struct later {
	struct call call;
	char request_id[80];
};
void later_init(struct later *l, const struct call *c);

/* Made only by the functions below: no handler forgets to answer. */
struct answer {
	int status;
};

struct query_param {
	const char *name, *doc;
};

struct route {
	const char *method;
	const char *pattern; /* "/api/jobs/:id/logs", "/dashboard/" and "*" */
	struct answer (*handler)(struct call *c);
	enum scope scope;
	bool job_id; /* ":id" must be a UUID, else 404 "Job not found" */
	const char *doc;
	const struct query_param *query; /* ends with {NULL}; or NULL */
	const char *body;   /* component schema of the request, BODY_RAW, or
			       NULL */
	const char *answer; /* component schema of 200's data, or NULL */
	const char *type;   /* content type when not JSON, or NULL */
	const char *audit;  /* its name in the audit log, or NULL */
};
#define BODY_RAW  "bytes" /* no JSON */
#define TYPE_PAGE "text/html"
/* Is it for people to look at, and no part of the API? */
bool route_is_page(const struct route *r);
extern const struct route routes[];
extern const size_t nroutes;

/* Bounds what refused requests may write: audit.c. */
struct audit_throttle {
	struct mtx mtx;
	/* guarded by mtx */
	double left; /* of those that may be written now */
	int64_t at;  /* mono: when that was */
	uint64_t suppressed;
};
void audit_throttle_init(struct audit_throttle *t);
void audit_throttle_fini(struct audit_throttle *t);

struct api {
	struct hub *hub;
	struct runners *runners;
	struct components *components;
	struct portal *portal;                 /* NULL: none */
	struct notify *notify;
	struct service_tokens *service_tokens; /* NULL: none */
	atomic_uint asking; /* handlers that ask the portal who it is */
	struct followers *followers;
	struct component_waits *waits;
	struct http_server *server;
	struct ctx ctx;
	struct audit_throttle refusals;
	struct meter *latency; /* per route and class of status */
	atomic_bool open;      /* open mode: loopback, no key, no user */
	struct secret *jwt_key;
	struct login_throttle *logins;
	struct rate_limits *rates; /* NULL: no limit */
	struct monitoring *monitoring;
	atomic_int execs; /* commands in containers that run */
	char *socket; /* path of the unix socket, NULL: none */
	struct forwarded proxies; /* that are trusted */
	struct tls_keeper *tls; /* NULL: plain HTTP */
	struct mtx tls_mtx;
	char tls_trouble[480]; /* guarded by tls_mtx: of the last renewal */
};

/* tls.c */
int tls_open(struct api *a, struct err *err) MUST_CHECK;
/* A runner, a session, who would become one: is a token enough? */
int tls_check_runner(struct call *c, struct err *err) MUST_CHECK;
void tls_write(struct api *a, struct json *j);
/* Seconds of the wall clock; 0: no TLS. */
int64_t tls_expires_s(const struct api *a);

/* From the first user on there is no open mode. */
static inline bool api_is_open(const struct api *a)
{
	return atomic_load(&a->open);
}

/* -- answers (reply.c) ------------------------------------------------- */
#define BODY_MAX (32 * 1024 * 1024)
/* Takes body's memory: a complete JSON text. */
struct answer reply_json(struct call *c, int status, struct buf *body);
struct answer reply_text(
    struct call *c, int status, const char *type, struct buf *body);
/* {"success":true,"message":...} */
struct answer reply_message(struct call *c, int status, const char *message);
/* {"success":false,"error":...,"code":...} with the status of the kind. */
struct answer reply_error(struct call *c, const struct err *err);
/* With the seconds after which to come again, if it is 429 or 503. */
struct answer reply_error_after(
    struct call *c, const struct err *err, int wait_s);
/* The handler has handed the exchange on: it is answered later. */
struct answer reply_later(void);
void error_body(
    int status, const char *code, const char *text, struct buf *out);
/* Opens {"success":true,"data": -- the caller writes data, then envelope_end.
 */
void envelope_begin(struct json *j, struct buf *out);
void envelope_end(struct json *j);
struct pagination {
	int64_t page, limit, total;
};
void envelope_page(struct json *j, const struct pagination *p);

/* -- parameters (params.c) --------------------------------------------- */
/* Query parameters; absent: *ret stays. ERR_INVALID names the parameter. */
int param_int(struct call *c, const char *name, int64_t min, int64_t max,
    int64_t *ret, struct err *err) MUST_CHECK;
int param_bool(
    struct call *c, const char *name, bool *ret, struct err *err) MUST_CHECK;
/* The body as a JSON object, NULL: ERR_INVALID. */
struct json_t *param_body(struct call *c, struct err *err);
int param_time(struct call *c, const char *name, bool end_of_day,
    int64_t *ret_wall_ns, struct err *err) MUST_CHECK;

/* -- the gate (principal.c, gate.c) ------------------------------------ */
/* Sets c->who from the request's credentials. */
int principal_read(struct call *c, struct err *err) MUST_CHECK;
struct secret;
/* Takes the same time whatever the difference. */
bool principal_same_secret(const char *given, const struct secret *want);
/* Is it a request of open mode: from this machine, and of no page that is not
 * of it or welcome? */
int gate_check_open(
    struct call *c, bool origin_is_welcome, struct err *err) MUST_CHECK;
int gate_check(
    struct call *c, const struct route *r, struct err *err) MUST_CHECK;
/* Then, of routes with a job: is it theirs? Else it does not exist. */
int gate_check_job(
    struct call *c, const struct route *r, struct err *err) MUST_CHECK;
/* And of SCOPE_RUNNER_SELF: the runner itself; "self" becomes its id. */
int gate_check_runner(struct call *c, struct err *err) MUST_CHECK;

/* -- handlers ---------------------------------------------------------- */
struct answer job_delegate(struct call *c);
struct answer job_show(struct call *c);
struct answer job_list(struct call *c);
struct answer job_cancel(struct call *c);
struct answer job_retry(struct call *c);
struct answer job_set_status(struct call *c);
struct answer job_proxy_complete(struct call *c);
struct answer job_history(struct call *c);
struct answer job_logs(struct call *c);
struct answer job_log_lines(struct call *c);
struct answer job_log_search(struct call *c);
struct answer session_step(struct call *c);
struct answer session_step_show(struct call *c);
struct answer session_signal(struct call *c);
struct answer session_input(struct call *c);
struct answer session_heartbeat(struct call *c);
struct answer step_output(struct call *c);
struct answer events_stream(struct call *c);
struct answer runner_list_all(struct call *c);
struct answer runner_show(struct call *c);
struct answer runner_create(struct call *c);
struct answer runner_register(struct call *c);
struct answer runner_enrol(struct call *c);
struct answer runner_confirm(struct call *c);
struct answer runner_new_token(struct call *c);
struct answer runner_heartbeat(struct call *c);
struct answer runner_job_started(struct call *c);
struct answer runner_job_completed(struct call *c);
struct answer runner_github_token(struct call *c);
struct answer runner_drain(struct call *c);
struct answer runner_remove(struct call *c);
struct answer health_show(struct call *c);
struct answer alive_show(struct call *c);
struct answer ready_show(struct call *c);
struct answer system_show(struct call *c);
struct answer metrics_show(struct call *c);
struct answer openapi_show(struct call *c);
struct answer root_show(struct call *c);
struct answer dashboard_show(struct call *c);
struct answer container_list(struct call *c);
struct answer container_stats(struct call *c);
struct answer container_logs(struct call *c);
struct answer container_exec(struct call *c);
struct answer container_stop(struct call *c);
struct answer monitoring_show(struct call *c);
struct answer queue_show(struct call *c);
struct answer queue_pause(struct call *c);
struct answer queue_resume(struct call *c);
struct answer queue_drain(struct call *c);
struct answer auth_login(struct call *c);
struct answer auth_refresh(struct call *c);
struct answer auth_logout(struct call *c);
struct answer auth_me(struct call *c);
struct answer auth_password(struct call *c);
struct answer user_list_show(struct call *c);
struct answer user_create(struct call *c);
struct answer user_update(struct call *c);
struct answer user_remove(struct call *c);
struct answer token_list_show(struct call *c);
struct answer token_create(struct call *c);
struct answer token_remove(struct call *c);
struct answer audit_list_show(struct call *c);
struct answer audit_verify_show(struct call *c);
struct answer audit_export(struct call *c);
struct answer secret_list(struct call *c);
struct answer secret_put(struct call *c);
struct answer secret_delete(struct call *c);
struct answer log_level_set(struct call *c);
struct answer webhook_list_show(struct call *c);
struct answer webhook_create(struct call *c);
struct answer webhook_update(struct call *c);
struct answer webhook_remove(struct call *c);
struct answer webhook_test(struct call *c);
struct answer webhook_deliveries(struct call *c);

/* 1 found, 0 none, -1 error: the call's job. */
int call_job(struct call *c, struct job *ret, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND in the contract's words. */
int no_such_job(struct err *err);
int no_such_step(const struct call *c, struct err *err);
struct job_view {
	bool steps;   /* with the steps of a running job */
	bool waiting; /* with why it waits */
};
void job_write(struct call *c, const struct job *job, struct job_view view,
    struct json *j);
/* "paused", "draining" and "since" of the object that is open in j. */
void queue_write_mode(struct hub *h, struct json *j);
/* One step of it; false: it has none of that number. */
bool job_write_step(
    struct call *c, const struct job *job, size_t index, struct json *j);

#endif
