/*
 * Who may be given a secret: components, jobs or both, and jobs of which
 * repositories. Kept beside a named secret, and in the same words in the
 * metadata of one in Vault. Pure; any thread.
 */
#ifndef STORE_SECRET_RULE_H
#define STORE_SECRET_RULE_H

#include <stdbool.h>

#include "base/err.h"

enum { SECRET_COMPONENTS = 1, SECRET_JOBS = 2 };
enum { SECRET_PATTERNS_BYTES = 2048 };

struct secret_rule {
	unsigned use; /* of the two above */
	/* "owner/repo" and "owner/" and a star, with commas; "": of all */
	char repositories[SECRET_PATTERNS_BYTES];
};
/* For components alone, as none says more. */
#define SECRET_RULE_DEFAULT ((struct secret_rule){.use = SECRET_COMPONENTS})

/* "components", "jobs", "both". */
const char *secret_use_name(unsigned use);
int secret_use_parse(const char *name, unsigned *ret); /* 0 or -1 */
/* Blanks around a pattern are dropped. ERR_INVALID "invalid_repositories". */
int secret_rule_set_repositories(
    struct secret_rule *r, const char *text, struct err *err) MUST_CHECK;
/* repository: of a job; letters of either case are the same. */
bool secret_rule_allows(
    const struct secret_rule *r, unsigned use, const char *repository);

#endif
