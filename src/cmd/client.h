/*
 * The hub's REST API as the command line uses it: calls with the token,
 * the envelope taken off, errors in words. Main thread.
 */
#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

struct client;

/* Does not connect yet. */
int client_open(
    struct client **ret, const struct options *o, struct err *err) MUST_CHECK;
void client_close(struct client *c);
DEFINE_CLEANUP(struct client *, client_close);
const char *client_url(const struct client *c);

static inline void json_decref_guard(json_t **j)
{
	json_decref(*j);
}

/*
 * One call; body may be NULL. *ret is the whole reply (the caller's) for any
 * 2xx. Others: -1 with the hub's own words, its code and a kind by status.
 * No hub: code "hub_unreachable", the message says where and what to do.
 */
int client_call(struct client *c, const char *method, const char *target,
    const json_t *body, json_t **ret, struct err *err) MUST_CHECK;
/* GET, and only the "data" of the reply. */
int client_get(struct client *c, const char *target, json_t **ret,
    struct err *err) MUST_CHECK;
/* Reply of any status, 0 and its JSON (NULL when it is none): for /health. */
int client_get_any(struct client *c, const char *target, int *ret_status,
    json_t **ret, struct err *err) MUST_CHECK;

/* A body that arrives over time, without deadline. header may be NULL.
 * sink returns -1 with err to stop. */
int client_stream(struct client *c, const char *target, const char *header,
    int (*sink)(void *arg, const char *data, size_t len, struct err *err),
    void *arg, struct err *err) MUST_CHECK;

/* "/api/jobs/<id>" and suffix, the id percent-encoded; mem_free. */
char *client_job_path(const char *id, const char *suffix);

/* Members of an object, or the default. Strings borrow. */
const char *reply_str(const json_t *o, const char *key, const char *otherwise);
int64_t reply_int(const json_t *o, const char *key, int64_t otherwise);

/* One JSON value as a line (compact) or pretty, to stdout. */
void reply_print(const json_t *value, bool compact);
/* The hub's "warnings" (unknown fields and the like) to stderr. */
void reply_warnings(const json_t *reply);

#endif
