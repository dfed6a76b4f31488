/* What the `runner` commands share. Main thread. */
#ifndef CMD_RUNNER_H
#define CMD_RUNNER_H

#include "cmd/client.h"
#include "cmd/cmd.h"

/* "/api/runners/<name>" and suffix, the name percent-encoded; mem_free. */
char *runner_path(const char *name, const char *suffix);
/* By name or id: *ret as the hub shows it, with its id; the caller's. */
int runner_find(struct client *c, const struct ctx *ctx, const char *name,
    json_t **ret, struct err *err) MUST_CHECK;

#endif
