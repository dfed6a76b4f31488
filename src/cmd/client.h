/* What the commands that talk to a hub share: the client as the
 * configuration says, and replies on stdout. Main thread. */
#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H

#include "client/client.h"
#include "config/config.h"

/* Whom it trusts; valid while the options are. */
struct tls_trust command_trust(const struct options *o);
/* Does not connect yet. */
int command_client(
    struct client **ret, const struct options *o, struct err *err) MUST_CHECK;

/* All of a list, page by page: target ends with "?" or "&"; the next page
 * begins behind `key` of the last item, which goes into `param`. */
int client_read_pages(struct client *c, const struct ctx *ctx,
    const char *target, const char *param, const char *key, json_t **ret,
    struct err *err) MUST_CHECK;

/* One JSON value as a line (compact) or pretty, to stdout. */
void reply_print(const json_t *value, bool compact);
/* The hub's "warnings" (unknown fields and the like) to stderr. */
void reply_warnings(const json_t *reply);

#endif
