/*
 * Values of the secrets that a descriptor names: from the hub's own, else from
 * a file of components.secretsDir. They become variables of the container's
 * environment and stand nowhere else that the hub writes. Any thread, blocks.
 */
#ifndef COMPONENTS_SECRETS_H
#define COMPONENTS_SECRETS_H

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "store/store.h"

/* Appends the value to out (wipe it). 1, 0: there is none of that name, -1. */
int secrets_get(struct store *s, const struct options *o, const char *name,
    struct buf *out, struct err *err) MUST_CHECK;
/* Are all of them there? names ends with NULL, or is NULL. The first that is
 * not: ERR_NOT_FOUND "SECRET_NOT_FOUND". */
int secrets_check(struct store *s, const struct options *o, char *const *names,
    struct err *err) MUST_CHECK;

#endif
