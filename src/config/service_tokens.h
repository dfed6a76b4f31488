/*
 * Tokens of services that may use the component API: a YAML file of its own,
 *
 *   - token: 3f2c...           # at least 8 characters, no blanks
 *     subject: preview-bot
 *     allowStart: true         # false, or not there: may not start
 *
 * In memory are hashes under a key of this process. Immutable; any thread.
 */
#ifndef CONFIG_SERVICE_TOKENS_H
#define CONFIG_SERVICE_TOKENS_H

#include <stdbool.h>

#include "base/err.h"

struct service_tokens;

/* Each error names file and line, and no token. *ret_exposed: others than its
 * owner may read the file. */
int service_tokens_read(struct service_tokens **ret, const char *path,
    bool *ret_exposed, struct err *err) MUST_CHECK;
void service_tokens_free(struct service_tokens *t);
DEFINE_CLEANUP(struct service_tokens *, service_tokens_free);

/* Whose token it is, in the same time for each; NULL: nobody's. */
const char *service_tokens_subject(
    const struct service_tokens *t, const char *token, bool *ret_may_start);

#endif
