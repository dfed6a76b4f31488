/*
 * The component API among the files of api/: routes of its own below base
 * paths of its own, callers of its own (a portal's users and services), with
 * the answers and errors that a portal expects.
 *
 *   component_routes.c     from a request to its handler
 *   component_identity.c   who asks, and what they may
 *   component_cors.c       pages of other origins
 *   component_reply.c      answers and the envelope of errors
 *   components.c           instances
 *   component_change.c     start and stop
 *   component_waits.c      answers that wait for a start, but not for ever
 *   component_look.c       health, figures, faults, the catalog
 *   component_logs.c       logs, at once or followed
 *   component_events.c     changes of instances, as they happen
 *   component_followers.c  how many follow
 */
#ifndef API_COMPONENTS_H
#define API_COMPONENTS_H

#include "api/api_internal.h"
#include "components/components.h"
#include "portal/portal.h"

/* Is the request below one of the base paths, or at the address that is
 * theirs? By segments: "/api/runners" is not below "/api/runner".
 * *ret_rest: what follows, "" or "/...". */
bool component_path(const struct call *c, const char **ret_rest);
/* Would a base path hide a route of ours? ERR_INVALID names both. */
int component_check_paths(const struct api *a, struct err *err) MUST_CHECK;
/* That of the request as it was sent, with its query. */
void component_url(const struct call *c, struct buf *out);
struct answer component_dispatch(struct call *c, const char *rest);

/* -- answers (component_reply.c) ---------------------------------------- */
/* Takes body's memory. A 200 to GET has an ETag and may become a 304. */
struct answer component_json(struct call *c, int status, struct buf *body);
/* {"error":{name,message,code},"request":{method,url},"response":{...}} */
struct answer component_error(struct call *c, const struct err *err);
struct answer component_error_as(
    struct call *c, int status, const char *name, const struct err *err);
/* {"error":"..."}: what three routes say of an instance that is not there. */
struct answer component_odd_error(struct call *c, const struct err *err);
/* Of a stream, before it begins. */
void component_stream_headers(struct call *c);
bool component_is_strict(const struct call *c);

/* -- who asks (component_identity.c) ------------------------------------ */
enum identity_kind {
	IDENTITY_LOCAL = 1, /* open mode */
	IDENTITY_USER,      /* of the portal */
	IDENTITY_SERVICE,   /* a token of ours, a plugin, the API key */
};
struct component_identity {
	enum identity_kind kind;
	bool may_start, may_stop_all, may_only_look;
	char *subject;     /* "user:default/jane"; NULL: this machine */
	const char *token; /* a user's own; of the request */
	struct portal_subject portal; /* a user's groups */
};
void component_identity_fini(struct component_identity *i);
static inline void component_identity_fini_guard(struct component_identity *i)
{
	component_identity_fini(i);
}
/* ERR_AUTH in the portal's words; ERR_FORBIDDEN in open mode; ERR_UNAVAILABLE:
 * the portal is away. May ask the portal. */
int component_identify(
    struct call *c, struct component_identity *ret, struct err *err) MUST_CHECK;
/* As long as the call. */
struct component_caller component_caller_of(struct call *c);
/* ERR_FORBIDDEN: anything but look; start; stop this one. */
int component_may_change(const struct call *c, struct err *err) MUST_CHECK;
int component_may_start(const struct call *c, struct err *err) MUST_CHECK;
int component_may_stop(
    const struct call *c, const struct instance *i, struct err *err) MUST_CHECK;
/* Does anybody need credentials here? */
bool component_is_guarded(const struct api *a);

/* -- other origins (component_cors.c) ------------------------------------ */
/* What every answer bears. */
void component_cors_headers(struct call *c);
/* Answers a preflight. False: it is none. */
bool component_preflight(struct call *c, struct answer *ret);

/* -- parameters ---------------------------------------------------------- */
/* The instance that the path names: 0; ERR_NOT_FOUND or another. */
int component_instance(
    struct call *c, struct instance *ret, struct err *err) MUST_CHECK;
/* As a number at its beginning, "12abc" too; else 0. */
int64_t component_number(struct call *c, const char *name);

/* -- an instance (components.c) ------------------------------------------ */
void component_write(
    const struct api *a, const struct instance *i, struct json *j);
struct answer component_reply_instance(
    struct call *c, int status, const struct instance *i);

/* -- waiting (component_waits.c) ----------------------------------------- */
/*
 * Calls answer(arg, in_time) once: when component_wait_done is called, which
 * it must be once, or the time is up. timeout_ms 0: there is no such time.
 */
struct component_wait;
struct component_waits;
struct component_waits *component_waits_open(void);
/* Answers all at once, and takes no more. */
void component_waits_stop(struct component_waits *w);
void component_waits_close(struct component_waits *w);
struct component_wait *component_wait_new(struct component_waits *w,
    int64_t timeout_ms, void (*answer)(void *arg, bool in_time), void *arg);
void component_wait_done(void *wait);

/* -- who follows (component_followers.c) --------------------------------- */
enum follower_kind { FOLLOWS_LOG, FOLLOWS_EVENTS, FOLLOWER_KINDS };
struct followers;
struct followers *followers_open(int64_t max);
void followers_close(struct followers *f);
/* id: of which instance; all zero: of all. ERR_UNAVAILABLE: too many. */
int followers_enter(struct followers *f, enum follower_kind kind,
    instance_id id, struct err *err) MUST_CHECK;
void followers_leave(
    struct followers *f, enum follower_kind kind, instance_id id);
int64_t followers_count(struct followers *f, enum follower_kind kind);
/* When a stream that begins now ends at last, and how often it looks. */
int64_t follower_deadline(const struct call *c);
int64_t follower_look_ms(const struct call *c);

/* -- handlers ------------------------------------------------------------ */
struct answer component_start(struct call *c);
struct answer component_stop(struct call *c);
struct answer component_instances(struct call *c);
struct answer component_show(struct call *c);
struct answer component_logs(struct call *c);
struct answer component_health(struct call *c);
struct answer component_stats(struct call *c);
struct answer component_metrics(struct call *c);
struct answer component_errors(struct call *c);
struct answer component_errors_all(struct call *c);
struct answer component_catalog(struct call *c);
struct answer component_events(struct call *c);

#endif
