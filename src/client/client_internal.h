/* For the files of this folder only. */
#ifndef CLIENT_CLIENT_INTERNAL_H
#define CLIENT_CLIENT_INTERNAL_H

#include "client/client.h"

struct http_client;

struct client {
	struct http_client *http;
	char *url;
	int64_t patience_ms; /* negative: none but that of ctx */
	void (*say)(void *arg, const char *line);
	void *say_arg;
};

struct session {
	struct client *client; /* borrowed */
	char *id;
};

/* "/api/jobs/<id>" and what fmt says; mem_free. */
char *session_path(const struct session *s, const char *fmt, ...) PRINTF(2, 3);

/* -- again.c: trying on while the hub is away -------------------------- */

struct again {
	int64_t pause_ms;
	int64_t away_since_ns; /* 0: it answers */
	bool told;
};
/* After a call that failed with err: 0 when it is to be made again, after a
 * pause; -1 with err when it is not: the hub has said no, ctx has ended, or
 * the hub is away for too long. */
int again_wait(struct client *c, const struct ctx *ctx, struct again *a,
    struct err *err) MUST_CHECK;
/* The hub has answered. */
void again_reset(struct client *c, struct again *a);

/* client_call and client_get so. The call must bear being repeated. */
int again_call(struct client *c, const struct ctx *ctx, const char *method,
    const char *target, const json_t *body, json_t **ret,
    struct err *err) MUST_CHECK;
int again_get(struct client *c, const struct ctx *ctx, const char *target,
    json_t **ret, struct err *err) MUST_CHECK;

#endif
