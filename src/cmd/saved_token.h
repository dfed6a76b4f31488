/*
 * Tokens that `runnerhub login` keeps, one for each hub: lines of "address
 * token" in $XDG_CONFIG_HOME/runnerhub/tokens (or below ~/.config), which only
 * its owner may read. Main thread.
 */
#ifndef CMD_SAVED_TOKEN_H
#define CMD_SAVED_TOKEN_H

#include "base/err.h"
#include "base/secret.h"

/* Of this hub. NULL: none, or the file cannot be read. The caller's. */
struct secret *saved_token_find(const char *url);
/* Replaces what is kept for this hub; token NULL: only takes it away. */
int saved_token_put(
    const char *url, const char *token, struct err *err) MUST_CHECK;
/* Where it is kept, for messages; NULL: there is no home. mem_free. */
char *saved_token_path(void);

#endif
