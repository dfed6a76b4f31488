/*
 * Named secrets: what people keep in the hub for components and jobs, and no
 * repository may hold. Sealed at rest like the secrets of jobs. Any
 * thread; changes block until durable.
 */
#ifndef STORE_NAMED_SECRETS_H
#define STORE_NAMED_SECRETS_H

#include "base/buf.h"
#include "base/err.h"
#include "store/secret_rule.h"
#include "store/store.h"

enum {
	NAMED_SECRET_NAME_MAX = 128,
	NAMED_SECRET_VALUE_MAX = 32 * 1024,
	NAMED_SECRETS_MAX = 10000
};
/* Letters, digits, "_", "-", "."; begins with a letter or "_". */
bool named_secret_name_is_valid(const char *name);

/* What is given of one; NULL: as it is, or of a new one the default. */
struct named_secret_new {
	const char *name;
	const char *value; /* without NUL; always */
	size_t len;
	const char *use;          /* a name of secret_use_parse */
	const char *repositories; /* as secret_rule_set_repositories takes it */
};
/* A new one, or a new value of an old one. ERR_INVALID says which rule;
 * ERR_LIMIT. */
int store_named_secret_put(struct store *s, const struct named_secret_new *n,
    struct err *err) MUST_CHECK;
/* Appends the value to out (wipe it: secret_wipe): 1, 0 none, -1. ret_rule
 * NULL: not wanted. */
int store_named_secret_get(struct store *s, const char *name, struct buf *out,
    struct secret_rule *ret_rule, struct err *err) MUST_CHECK;
/* 1 it was there, 0 not, -1. */
int store_named_secret_delete(
    struct store *s, const char *name, struct err *err) MUST_CHECK;

/* Names only, in their order; values never leave in a list. */
struct named_secret {
	char *name;
	struct secret_rule rule;
	int64_t created_at, updated_at; /* wall ns */
};
struct named_secret_list {
	struct named_secret *items;
	size_t n;
};
void named_secret_list_free(struct named_secret_list *l);
static inline void named_secret_list_free_guard(struct named_secret_list *l)
{
	named_secret_list_free(l);
}
/* Names after `after` (NULL: from the first), at most `limit` (1 to 1000). */
int store_named_secret_list(struct store *s, const char *after, int64_t limit,
    struct named_secret_list *ret, struct err *err) MUST_CHECK;

#endif
