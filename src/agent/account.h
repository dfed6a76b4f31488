/*
 * The user a job runs as, found in the container's own /etc/passwd and
 * /etc/group (a static program has no name service, and needs none).
 */
#ifndef AGENT_ACCOUNT_H
#define AGENT_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define ACCOUNT_GROUPS_MAX 64
#define ACCOUNT_HOME_MAX   1024

struct account {
	uid_t uid;
	gid_t gid;
	gid_t groups[ACCOUNT_GROUPS_MAX]; /* supplementary, gid included */
	size_t group_count;
	char home[ACCOUNT_HOME_MAX]; /* "" when passwd names none */
};

/*
 * user: "" (root), "name", "uid", "uid:gid", "name:group". passwd and group
 * are the files' texts. A uid that passwd does not know has gid 0, as with
 * the engine. Pure.
 */
int account_resolve(const char *user, const char *passwd, const char *group,
    struct account *ret, struct err *err) MUST_CHECK;
/* Reads both files; a missing one counts as empty. */
int account_load(
    const char *user, struct account *ret, struct err *err) MUST_CHECK;

#endif
