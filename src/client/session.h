/*
 * A session from its proxy's side (docs/SESSIONS.md): opened, driven, ended.
 * Every call is repeated while the hub cannot be reached, until ctx ends: a
 * hub that is restarted in between loses nothing, for each call is made so
 * that it may be repeated. Blocking; one thread a session, but heartbeat,
 * signal and input may come from others.
 */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "client/client.h"

struct session;

/*
 * Delegates (the body of POST /api/jobs/delegate, without steps) and waits
 * until it runs. say: lines meanwhile (why it waits, pulls, health); may be
 * NULL. When ctx is cancelled or anything fails, the session is ended.
 */
int session_open(struct session **ret, struct client *c, const struct ctx *ctx,
    json_t *delegation, void (*say)(void *arg, const char *line), void *arg,
    struct err *err) MUST_CHECK;
/* One that is open already. Does not ask the hub. */
struct session *session_attach(struct client *c, const char *id);
void session_free(struct session *s); /* does not end it */
DEFINE_CLEANUP(struct session *, session_free);
const char *session_id(const struct session *s);
/* The job as the hub shows it, with "session"; *ret is the caller's. */
int session_show(struct session *s, const struct ctx *ctx, json_t **ret,
    struct err *err) MUST_CHECK;

/* body: of POST .../steps; a "key" is put in if it has none: the same body
 * once more is the same step. */
int session_step(struct session *s, const struct ctx *ctx, json_t *body,
    int *ret_step, struct err *err) MUST_CHECK;
/* Output of the step as it comes, from its beginning to its end: stream 1 or
 * 2. *ret_end: its last frame; the caller's. Goes on by itself after a break.
 */
int session_output(struct session *s, const struct ctx *ctx, int step,
    int (*sink)(
	void *arg, int stream, const char *data, size_t len, struct err *err),
    void *arg, json_t **ret_end, struct err *err) MUST_CHECK;
/* The same from byte *skip on; *skip: up to where it has come, so that it can
 * be called again after a ctx that ended. */
int session_output_from(struct session *s, const struct ctx *ctx, int step,
    uint64_t *skip,
    int (*sink)(
	void *arg, int stream, const char *data, size_t len, struct err *err),
    void *arg, json_t **ret_end, struct err *err) MUST_CHECK;
int session_signal(struct session *s, const struct ctx *ctx, int step,
    const char *name, struct err *err) MUST_CHECK;
/* All of it is taken when this returns; pieces as the hub wants them. */
int session_input(struct session *s, const struct ctx *ctx, int step,
    uint64_t offset, const void *data, size_t len, bool end,
    struct err *err) MUST_CHECK;
/* *ret_lease_s: how long this renewed it for. ERR_CONFLICT: it is over. */
int session_heartbeat(struct session *s, const struct ctx *ctx,
    int64_t *ret_lease_s, struct err *err) MUST_CHECK;
/* status: "completed", "failed", "cancelled". Over already is fine. */
int session_complete(struct session *s, const struct ctx *ctx,
    const char *status, const int *exit_code, const char *error,
    struct err *err) MUST_CHECK;

#endif
