/*
 * Where a component's source lies: the annotation backstage.io/source-location
 * (or backstage.io/managed-by-location) of a catalog entity, in every form
 * that people and the catalog write. Pure.
 *
 *   url:https://github.com/o/r/tree/main/sub/
 *   https://www.github.com/o/r.git       with or without url:, www., .git
 *   github.com/o/r                       a host of the integrations
 *   git@host:o/r.git  ssh://git@host/o/r  git+https://host/o/r.git
 *   .../tree|blob|raw|edit|blame|commits/<ref...>/<path...>
 *                                        where the ref ends only GitHub knows
 *   .../commit/<sha>  .../releases/tag/<tag>  ?ref=<ref>  #<ref>
 *   https://raw.githubusercontent.com/o/r/<ref...>/<path...>
 *   file:/abs/dir  dir:/abs/dir          of this machine; file:///a%20b is a
 *                                        URL. The file of an entity (*.yaml)
 *                                        stands for its directory.
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
