/*
 * The secrets that a descriptor names, on their way from secrets/secrets.h into
 * the environment of an instance; with codes of faults. The instance's thread.
 */
#ifndef COMPONENTS_SECRETS_H
#define COMPONENTS_SECRETS_H

#include "base/buf.h"
#include "base/err.h"
#include "components/flow.h"

/* Would it be given all that its descriptor names? */
int flow_secrets_check(struct flow *f, struct err *err) MUST_CHECK;
/* Appends the value to out (wipe it); a row of the audit log. */
int flow_secret_take(const struct flow *f, const char *name, struct buf *out,
    struct err *err) MUST_CHECK;

#endif
