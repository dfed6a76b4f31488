/*
 * Passwords of registries by the job that brought them: in memory only, wiped
 * when the job has ended, bounded. A hub that was restarted has none until
 * the delegation is repeated.
 */
#ifndef JOBS_REGISTRIES_H
#define JOBS_REGISTRIES_H

#include <stdbool.h>

#include "base/secret.h"
#include "base/uuid.h"

struct registries;

struct registries *registries_new(void);
void registries_free(struct registries *r);

/* Copies; replaces what the job had. Past the bound the oldest go: their
 * sessions have most likely pulled long ago. Any thread. */
void registries_put(
    struct registries *r, struct uuid job, const struct secret *json);
/* A copy, to secret_free; NULL: none. Any thread. */
struct secret *registries_get(struct registries *r, struct uuid job);
void registries_forget(struct registries *r, struct uuid job);
/* Forgets all of which is_open says no; it may block. */
void registries_keep(struct registries *r,
    bool (*is_open)(void *arg, struct uuid job), void *arg);

#endif
