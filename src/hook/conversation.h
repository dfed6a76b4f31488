/* One exchange with the runner: a request on stdin, lines on stdout, the
 * answer in the response file, the exit code. */
#ifndef HOOK_CONVERSATION_H
#define HOOK_CONVERSATION_H

#include "base/buf.h"
#include "base/ctx.h"
#include "hook/backend.h"

/* Reads the request from fd up to its end, at most ENVELOPE_MAX bytes. */
int conversation_read(int fd, const struct ctx *ctx, struct hook_envelope *ret,
    struct err *err) MUST_CHECK;
/* Carries it out. 0 with the exit code for the runner. */
int conversation_run(const struct backend *backend, const struct ctx *ctx,
    const struct hook_envelope *request, int *ret_exit_code,
    struct err *err) MUST_CHECK;

/* The answer to prepare_job as the runner reads it. Pure. */
void response_prepared(
    const struct hook_prepared *prepared, bool has_container, struct buf *out);

#endif
