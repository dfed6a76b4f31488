/*
 * The hub's REST API as our own programs use it (the command line, the hook
 * client, the worker relay): calls with the token, the envelope taken off,
 * errors in words. Needs neither configuration nor store. A client may be
 * used by several threads.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/err.h"
#include "net/tls.h"

struct client;

/* url: "http://host:port", "https://", "unix:///run/runnerhub/hub.sock".
 * token: NULL or a bearer token, copied. trust: of https, or NULL. Does not
 * connect yet. */
int client_open(struct client **ret, const char *url, const char *token,
    const struct tls_trust *trust, struct err *err) MUST_CHECK;
/* RUNNERHUB_CA_FILE, RUNNERHUB_CLIENT_CERT, RUNNERHUB_CLIENT_KEY; valid while
 * the environment is. */
struct tls_trust client_trust_env(void);
/* The same from RUNNERHUB_URL and RUNNERHUB_TOKEN or RUNNERHUB_TOKEN_FILE; for
 * programs that read no configuration. */
int client_open_env(struct client **ret, struct err *err) MUST_CHECK;
/* For programs that are linked statically, first of all: where RUNNERHUB_URL
 * says https://, the program of the same name with "-tls", beside this one or
 * in a system's directory, takes its place. Returns when that is not needed,
 * or not there: then the first call says so. */
void client_become_tls(const char *name, char **argv);
void client_close(struct client *c);
DEFINE_CLEANUP(struct client *, client_close);
const char *client_url(const struct client *c);
/* For sessions (session.h), once, before their calls: how long at a stretch a
 * hub that is away is waited for, and whom to tell. Default: as long as the
 * ctx of a call says, and nobody. */
void client_when_away(struct client *c, int64_t patience_ms,
    void (*say)(void *arg, const char *line), void *arg);

static inline void json_decref_guard(json_t **j)
{
	json_decref(*j);
}

/*
 * One call; body may be NULL. *ret is the whole reply (the caller's) for any
 * 2xx. Others: -1 with the hub's own words, its code and a kind by status.
 * No hub: code "hub_unreachable" (UNAVAILABLE), the message says where and
 * what to do. ctx without a deadline: a minute.
 */
int client_call(struct client *c, const struct ctx *ctx, const char *method,
    const char *target, const json_t *body, json_t **ret,
    struct err *err) MUST_CHECK;
/* GET, and only the "data" of the reply. */
int client_get(struct client *c, const struct ctx *ctx, const char *target,
    json_t **ret, struct err *err) MUST_CHECK;
/* Reply of any status, 0 and its JSON (NULL when it is none): for /health. */
int client_get_any(struct client *c, const struct ctx *ctx, const char *target,
    int *ret_status, json_t **ret, struct err *err) MUST_CHECK;
/* A body of raw bytes. */
int client_post_bytes(struct client *c, const struct ctx *ctx,
    const char *target, const void *data, size_t len, json_t **ret,
    struct err *err) MUST_CHECK;
/* A reply's body that arrives over time; ends with ctx. header may be NULL.
 * sink returns -1 with err to stop. */
int client_stream(struct client *c, const struct ctx *ctx, const char *target,
    const char *header,
    int (*sink)(void *arg, const char *data, size_t len, struct err *err),
    void *arg, struct err *err) MUST_CHECK;

/* "/api/jobs/<id>" and suffix, the id percent-encoded; mem_free. */
char *client_job_path(const char *id, const char *suffix);
/* Members of an object, or the default. Strings borrow. */
const char *reply_str(const json_t *o, const char *key, const char *otherwise);
int64_t reply_int(const json_t *o, const char *key, int64_t otherwise);

#endif
