/*
 * HashiCorp Vault, secrets engine KV version 2: reads secrets below a prefix
 * of one mount, with a token of the operator's or an AppRole login that is
 * renewed ahead of its end. One conversation at a time; what was read is kept
 * for a while (vault.cacheFor), and longer while Vault is away
 * (vault.staleFor). Source: "KV secrets engine - version 2 (API)", "AppRole
 * auth method (API)", "Token auth method (API)", "/sys/health",
 * developer.hashicorp.com/vault/api-docs.
 *
 * No value and no token is in a message, a log line or a state.
 */
#ifndef SECRETS_VAULT_H
#define SECRETS_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/err.h"
#include "config/config.h"
#include "store/secret_rule.h"

struct vault;

/* Starts the thread that logs in, renews and looks whether Vault is there;
 * Vault may be away. options are borrowed. */
int vault_open(struct vault **ret, const struct options *options,
    struct err *err) MUST_CHECK;
void vault_close(struct vault *v); /* NULL is fine */

/* One or more names of [A-Za-z0-9._-] with "/" between, none "." or "..". */
bool vault_path_is_valid(const char *path, size_t len);

/*
 * Appends the field of <mount>/data/<prefix>/<path> to out. 1, 0: there is no
 * such secret (any more), or no such field, -1: ERR_UNAVAILABLE
 * "vault_unavailable", ERR_FORBIDDEN "vault_refused", ERR_INVALID
 * "vault_bad_value". ret_rule: of its custom metadata `use` and
 * `repositories`.
 */
int vault_read(struct vault *v, const struct ctx *ctx, const char *path,
    size_t path_len, const char *field, struct buf *out,
    struct secret_rule *ret_rule, struct err *err) MUST_CHECK;

struct vault_state {
	char addr[256];
	/* "unknown", "active", "standby", "sealed", "uninitialized", "refused"
	 * (our credentials), "down" */
	char state[16];
	bool usable;
	char error[256];     /* why not; "" */
	int64_t since;       /* wall ns of the last change of state */
	int64_t token_until; /* wall ns; 0: does not end, or there is none */
	size_t cached;       /* secrets that are kept now */
	uint64_t reads, hits, stale, failures;
};
void vault_state(struct vault *v, struct vault_state *ret);

#endif
