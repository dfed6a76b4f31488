/*
 * Where the value of a secret comes from when a job or a component is started:
 * the hub's own, else a file of components.secretsDir, else Vault. The first
 * that has the name decides: its rule says who may be given it. A value becomes
 * a variable of what is started, and stands nowhere else that the hub writes;
 * that it was taken stands in the audit log.
 *
 * A name is that of a named secret; "vault:PATH#FIELD" names one field of a
 * secret in Vault. Any thread; calls block while Vault answers.
 */
#ifndef SECRETS_SECRETS_H
#define SECRETS_SECRETS_H

#include "base/buf.h"
#include "base/ctx.h"
#include "base/err.h"
#include "config/config.h"
#include "secrets/vault.h"
#include "store/secret_rule.h"
#include "store/store.h"

struct secrets;
/* options and store are borrowed until secrets_close. */
int secrets_open(struct secrets **ret, const struct options *options,
    struct store *store, struct err *err) MUST_CHECK;
void secrets_close(struct secrets *s); /* NULL is fine */

enum { SECRET_REF_MAX = 512 };
/* A name as above? For what comes from outside. */
bool secret_ref_is_valid(const char *name);

/* For what it is taken, on whose behalf. Borrowed. */
struct secret_taker {
	unsigned use;           /* SECRET_JOBS or SECRET_COMPONENTS */
	const char *id;         /* of the job or the instance; NULL: none yet */
	const char *repository; /* of a job */
	const char *actor;      /* who started it, as the audit log names it */
};

/*
 * Appends the value to out (wipe it). ERR_NOT_FOUND "secret_not_found",
 * ERR_FORBIDDEN "secret_not_allowed", ERR_UNAVAILABLE "vault_unavailable": it
 * may be there later. Each call is a row of the audit log.
 */
int secrets_take(struct secrets *s, const struct ctx *ctx,
    const struct secret_taker *who, const char *name, struct buf *out,
    struct err *err) MUST_CHECK;
/* Would it be given? Nothing is noted. ctx NULL: Vault is not asked, what may
 * be there passes. */
int secrets_check(struct secrets *s, const struct ctx *ctx,
    const struct secret_taker *who, const char *name,
    struct err *err) MUST_CHECK;

/* How Vault does; false: none is configured. */
bool secrets_vault_state(struct secrets *s, struct vault_state *ret);

#endif
