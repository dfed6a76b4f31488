/*
 * Where a component's source lies: the annotation backstage.io/source-location
 * (or backstage.io/managed-by-location) of a catalog entity, in every form
 * that people and the catalog write. Pure.
 *
 *   url:https://github.com/o/r/tree/main/sub/     http(s), with or without url:
 *   https://www.github.com/o/r.git                www., .git, slashes at the
 * end git@host:o/r.git  ssh://git@host/o/r  git+https://host/o/r.git
 *   .../tree|blob|raw|edit/<ref...>/<path...>     percent-decoded; where the
 * ref ends only GitHub knows
 *   .../commit/<sha>  .../releases/tag/<tag>  ?ref=<ref>  #<ref>
 *   file:/abs/dir  dir:...                        a directory of this machine
 */
#ifndef COMPONENTS_LOCATE_H
#define COMPONENTS_LOCATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum location_kind { LOCATION_GITHUB = 1, LOCATION_DIRECTORY };

struct location {
	enum location_kind kind;
	char *host; /* "github.com", lower case; GITHUB only */
	char *owner, *repo;
	char *ref;          /* NULL: not named by itself */
	char *ref_and_path; /* behind tree/, blob/ ...: one or the other ends
			       somewhere in it; NULL: none */
	bool is_file;    /* ref_and_path ends with a file (blob, raw, edit) */
	char *directory; /* DIRECTORY: absolute, normalised */
};
/* hosts: those of the integrations, NULL-terminated; another host is
 * ERR_INVALID "INVALID_SOURCE_LOCATION", which names them. The message says
 * what was read and what forms are taken. */
int location_parse(const char *text, const char *const *hosts,
    struct location *ret, struct err *err) MUST_CHECK;
void location_fini(struct location *l);
static inline void location_fini_guard(struct location *l)
{
	location_fini(l);
}

#endif
