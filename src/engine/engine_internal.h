/*
 * What the files of engine/ share: the engine object, the one function that
 * sends a request, and the pure pieces that unit tests look at. Included by
 * engine/ and its unit tests only.
 */
#ifndef ENGINE_ENGINE_INTERNAL_H
#define ENGINE_ENGINE_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"
#include "engine/engine.h"
#include "net/http_client.h"

/* The newest version whose answers this code was written for. */
#define ENGINE_API_WANTED "1.43"
/* Used when the engine refuses the wanted one as too old (Docker 29 does):
 * up to here nothing that we send or read has changed. */
#define ENGINE_API_NEWEST "1.44"
#define ENGINE_API_OLDEST "1.41" /* Docker 20.10 */
#define ENGINE_API_LEN    16

/* Bounds of what an engine may answer. */
#define ENGINE_ANSWER_MAX ((size_t)4 * 1024 * 1024)
#define ENGINE_LIST_MAX   ((size_t)64 * 1024 * 1024)
#define ENGINE_TARGET_MAX ((size_t)64 * 1024)
#define ENGINE_BODY_MAX   ((size_t)1024 * 1024)

/* How long the engine may take when the caller's context sets no earlier
 * deadline. A start on a loaded machine takes seconds, not minutes. */
#define ENGINE_QUICK_MS INT64_C(30000)
#define ENGINE_SLOW_MS  INT64_C(180000)

struct engine {
	struct http_client *http;
	const char *socket_path; /* borrowed from http's name; NULL: TCP */
	struct mtx mtx;
	char api_version[ENGINE_API_LEN]; /* guarded by mtx; "": unknown */
	struct engine_stats stats;        /* guarded by mtx */
};

/* What a request is about: decides the code of a 404 or 409. */
enum engine_object {
	ENGINE_SELF,
	ENGINE_CONTAINER,
	ENGINE_IMAGE,
	ENGINE_NETWORK,
	ENGINE_VOLUME,
	ENGINE_EXEC,
};

struct engine_request {
	const char *method;
	const char *target; /* below the version: "/containers/json?all=1" */
	const char *content_type;
	const void *body;
	size_t body_len;
	/* instead of body: see http_call */
	int (*body_source)(void *arg, struct buf *out, struct err *err);
	void *source_arg;
	const char *const *headers;
	int (*on_body)(
	    void *arg, const char *data, size_t len, struct err *err);
	int (*on_pause)(void *arg, struct err *err); /* see http_call */
	void *sink_arg;
	const char *doing; /* begins messages: "start container web" */
	enum engine_object object;
	int64_t timeout_ms; /* 0: only the caller's context bounds it */
	/* Doing it twice is harmless: a lost reply is ERR_UNAVAILABLE (or the
	 * context's reason) instead of ERR_UNCERTAIN. */
	bool repeatable;
};

/*
 * Negotiates when that has not happened yet, sends, and judges: 0 for 2xx
 * and 304, else -1 with an error whose kind and code follow from the status
 * and the engine's words. Any thread.
 */
int engine_call(struct engine *e, const struct ctx *ctx,
    const struct engine_request *req, struct http_result *ret,
    struct err *err) MUST_CHECK;
/* The same without a version in front of the target: for /version itself. */
int engine_send(struct engine *e, const struct ctx *ctx,
    const struct engine_request *req, const char *target,
    struct http_result *ret, struct err *err) MUST_CHECK;
/* engine_call over a connection that becomes a duplex stream. */
int engine_hijack(struct engine *e, const struct ctx *ctx,
    const struct engine_request *req, int *ret_fd, struct buf *early,
    struct err *err) MUST_CHECK;

/* -- negotiate.c ------------------------------------------------------- */
/* The version to speak with an engine that understands min..max (min may be
 * NULL): see the ENGINE_API_ constants. Pure. */
int engine_api_choose(const char *server_min, const char *server_max,
    char ret[ENGINE_API_LEN], struct err *err) MUST_CHECK;
/* Asks /version: the document, and what engine_api_choose makes of it. */
int engine_version_get(struct engine *e, const struct ctx *ctx, json_t **ret,
    char api[ENGINE_API_LEN], struct err *err) MUST_CHECK;
/* Fills version with "1.41"; asks the engine the first time. */
int engine_negotiate(struct engine *e, const struct ctx *ctx,
    char version[ENGINE_API_LEN], struct err *err) MUST_CHECK;
/* The engine went away: the next one may speak another version. */
void engine_forget_version(struct engine *e);

/* -- errors.c ---------------------------------------------------------- */
/* Turns a refusal into err, returns -1. Pure. */
int engine_refused(int status, const char *body, size_t len,
    enum engine_object object, const char *doing, struct err *err);
/* http_hijack's error when the engine answered with a refusal: rewritten as
 * engine_refused does, true. False: err is of another kind, untouched. */
bool engine_hijack_refused(struct err *err, const struct engine_request *req);
/* err says why http_call failed (before any status): rewrites it in the
 * engine's terms. own_deadline: the deadline was ours, not the caller's. */
int engine_unreached(const struct engine *e, const struct engine_request *req,
    bool own_deadline, struct err *err);

/* -- target.c: requests lines ------------------------------------------ */
/* A path segment or query value that came from outside this layer: letters,
 * digits, "_.-", begun by a letter or digit. ERR_INVALID else. */
int engine_check_name(
    const char *name, enum engine_object object, struct err *err) MUST_CHECK;
/* An image reference: also "/:@+", no empty, "." or ".." segment. */
int engine_check_ref(const char *ref, struct err *err) MUST_CHECK;
/* Appends "filters=" with {"label":[...]}, percent-encoded; NULL: {}. */
void engine_put_label_filter(struct buf *target, const char *const *labels);
/* list.c: GET path (which ends in "?" or "&") of what bears the labels, as a
 * JSON array for json_decref. */
struct json_t;
int engine_get_list(struct engine *e, const struct ctx *ctx, const char *path,
    enum engine_object object, const char *const *labels,
    struct json_t **ret_array, struct err *err) MUST_CHECK;

/* -- container_stats.c ------------------------------------------------- */
struct engine_container_stats;
/* False: it was not running. Pure. */
bool engine_container_stats_read(
    const json_t *doc, struct engine_container_stats *ret);

/* -- events.c ---------------------------------------------------------- */
/* One line of the event stream: 1 a container event in ret (attributes owned
 * by the caller: engine_event_fini), 0 something else or malformed. Pure. */
int engine_event_parse(const char *line, size_t len, struct engine_event *ret);
void engine_event_fini(struct engine_event *ev);

#endif
