/* What the commands that talk to a hub share: the client as the
 * configuration says, and replies on stdout. Main thread. */
#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H

#include "client/client.h"
#include "config/config.h"

/* Does not connect yet. */
int command_client(
    struct client **ret, const struct options *o, struct err *err) MUST_CHECK;

/* One JSON value as a line (compact) or pretty, to stdout. */
void reply_print(const json_t *value, bool compact);
/* The hub's "warnings" (unknown fields and the like) to stderr. */
void reply_warnings(const json_t *reply);

#endif
