/*
 * Libraries that most hubs never need, loaded with their first use: an idle hub
 * does without their memory. Their functions are called by a table that is
 * filled once, not by name; a library stays loaded.
 */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stddef.h>

#include "base/defs.h"

/* One member of a table of function pointers. */
struct library_call {
	const char *name; /* the symbol */
	size_t at;        /* offsetof its member */
};
struct library {
	const char *file; /* "libcurl.so.4" */
	const struct library_call *calls;
	size_t n;
};
enum { LIBRARY_TROUBLE_MAX = 200 };

/*
 * Fills the table at `into`. -1: the file, or a call in it, is missing; trouble
 * says which. Call it once per table (pthread_once), before anyone reads that.
 */
int library_load(const struct library *l, void *into,
    char trouble[LIBRARY_TROUBLE_MAX]) MUST_CHECK;

#endif
