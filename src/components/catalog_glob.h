/*
 * Files of this machine by a pattern: `*`, `?` and `[...]` stand for one name
 * as in a shell, `**` for any number of directories, none included. Names that
 * begin with a dot are met only by a pattern that does; `**` follows no link,
 * so that circles are none. Internal to components/.
 */
#ifndef COMPONENTS_CATALOG_GLOB_H
#define COMPONENTS_CATALOG_GLOB_H

#include <stdbool.h>
#include <stddef.h>

enum {
	CATALOG_GLOB_DEPTH = 32, /* parts of a pattern, directories of a ** */
	CATALOG_GLOB_LOOKS = 20000, /* directories read for one pattern */
};
/* Calls cb with each path, in the order of names, at most max times. False: it
 * was too much, the rest is left out. */
bool catalog_glob(const char *pattern, size_t max,
    void (*cb)(void *arg, const char *path), void *arg);

#endif
