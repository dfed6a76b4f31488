/* Between locate.c (schemes, directories) and locate_repository.c. */
#ifndef COMPONENTS_LOCATE_INTERNAL_H
#define COMPONENTS_LOCATE_INTERNAL_H

#include "components/locate.h"

struct reading {
	const char *text; /* whole, trimmed: for messages */
	const char *const *hosts;
	struct location l; /* being filled; the reader frees it on failure */
	struct err *err;
};

enum scheme {
	SCHEME_HTTP = 1, /* "host/owner/repo/..." stands behind it */
	SCHEME_SSH,      /* "user@host:port/owner/repo" */
	SCHEME_SCP,      /* "user@host:owner/repo" */
	SCHEME_BARE,     /* "host/owner/repo/...", no scheme at all */
};

/* Sets the error, which shows the text and what is taken; returns -1. */
int locate_refuse(const struct reading *r, const char *why);
/* rest: behind the scheme. */
int locate_repository(struct reading *r, const char *rest, enum scheme scheme);

/* %-escapes resolved once; NULL: one is broken, or what it makes is a control
 * character or no UTF-8. */
char *locate_decode(const char *text, size_t len);
bool locate_has_control(const char *text);

#endif
